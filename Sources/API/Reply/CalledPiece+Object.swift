import JSON

extension CalledPiece {
    /// A call's arguments as an object, for dialects that have no text there; without members where the answer ended
    /// before they did.
    static func object(_ arguments: String) -> JSONObject {
        guard case .object(let object)? = try? JSONParser.parse(Array(arguments.utf8)) else { return JSONObject() }
        return object
    }
}
