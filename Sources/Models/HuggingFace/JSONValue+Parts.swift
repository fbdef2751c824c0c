import JSON
import Text
import Weights

/// A value as what it is wanted to be; nil when it is something else.
extension JSONValue {
    var string: String? { if case .string(let text) = self { text } else { nil } }
    var bool: Bool? { if case .bool(let flag) = self { flag } else { nil } }
    var object: JSONObject? { if case .object(let object) = self { object } else { nil } }
    var array: [JSONValue]? { if case .array(let elements) = self { elements } else { nil } }
    /// A token's id: not below 0.
    var id: Int? {
        if case .integer(let number) = self, (0...Int64(Int32.max)).contains(number) { Int(number) } else { nil }
    }
    /// nil for null too: files write it for what is not there.
    var some: JSONValue? { self == .null ? nil : self }
}

extension ModelFolder {
    /// A file of one JSON object; nil when there is none.
    func tokenizerFile(_ name: String) throws(TokenizerError) -> JSONObject? {
        let value: JSONValue?
        do throws(ModelFolderError) { value = try json(name) } catch {
            throw .malformed("\(error.path): \(error.reason)")
        }
        guard let value else { return nil }
        guard let object = value.object else { throw .malformed("\(name) holds \(value.kind) and no object") }
        return object
    }
}
