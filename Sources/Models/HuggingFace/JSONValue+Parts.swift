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
        guard let value = try translating({ () throws(ModelFolderError) in try json(name) }) else { return nil }
        guard let object = value.object else { throw .malformed("\(name) holds \(value.kind) and no object") }
        return object
    }

    /// A file as it is; nil when there is none.
    func tokenizerBytes(_ name: String) throws(TokenizerError) -> [UInt8]? {
        try translating { () throws(ModelFolderError) in try bytes(of: name) }
    }

    private func translating<T>(_ body: () throws(ModelFolderError) -> T) throws(TokenizerError) -> T {
        do throws(ModelFolderError) { return try body() } catch {
            throw .malformed("\(error.path): \(error.reason)")
        }
    }
}
