import JSON
import Weights

/// Typed fields of a JSON file in a model's folder, with errors that name the file and the field.
struct HuggingFaceFields {
    let path: String
    let object: JSONObject

    /// - Returns: nil when the folder has no such file.
    init?(_ name: String, in directory: ModelDirectory) throws(ModelError) {
        path = directory.path(of: name)
        let value: JSONValue?
        do throws(ModelDirectoryError) { value = try directory.json(name) } catch { throw .directory(error) }
        guard let value else { return nil }
        guard case .object(let object) = value else {
            throw .directory(ModelDirectoryError(path: path, reason: "it holds \(value.kind) and no object"))
        }
        self.object = object
    }

    func value(_ name: String) -> JSONValue? {
        let value = object[name]
        return value == .null ? nil : value
    }

    func bad(_ name: String, _ wanted: String) -> ModelError {
        let found =
            switch value(name) {
            case nil: "missing"
            case .string(let text)?: "\"\(text.prefix(80))\""
            case .integer(let number)?: "\(number)"
            case .double(let number)?: "\(number)"
            case .bool(let isTrue)?: "\(isTrue)"
            case let other?: other.kind
            }
        return .directory(ModelDirectoryError(path: path, reason: "\(name) is \(found) where \(wanted) is expected"))
    }

    func count(_ name: String) throws(ModelError) -> Int? {
        guard let value = value(name) else { return nil }
        guard case .integer(let number) = value, number >= 0 else { throw bad(name, "a whole number from 0 on") }
        return Int(number)
    }

    func requiredCount(_ name: String) throws(ModelError) -> Int {
        guard let count = try count(name) else { throw bad(name, "a whole number") }
        return count
    }

    func requiredNumber(_ name: String) throws(ModelError) -> Double {
        switch value(name) {
        case .double(let number)?: return number
        case .integer(let number)?: return Double(number)
        default: throw bad(name, "a number")
        }
    }

    func string(_ name: String) throws(ModelError) -> String? {
        guard let value = value(name) else { return nil }
        guard case .string(let text) = value else { throw bad(name, "a string") }
        return text
    }

    func flag(_ name: String) throws(ModelError) -> Bool? {
        guard let value = value(name) else { return nil }
        guard case .bool(let flag) = value else { throw bad(name, "true or false") }
        return flag
    }

    /// Refuses any other value than the one that Apus computes; a missing field is taken for it.
    func expect(_ name: String, _ wanted: String) throws(ModelError) {
        if let found = try string(name), found != wanted { throw bad(name, "\"\(wanted)\"") }
    }
}
