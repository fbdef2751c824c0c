import JSON
import Weights

/// Typed fields of a JSON file in a model's folder, with errors that name the file and the field.
struct HuggingFaceFields {
    let path: String
    let object: JSONObject
    /// In front of names in sentences: where in the file the object is.
    private let place: String

    private init(path: String, object: JSONObject, place: String) {
        (self.path, self.object, self.place) = (path, object, place)
    }

    /// - Returns: nil when the folder has no such file.
    init?(_ name: String, in folder: ModelFolder) throws(ModelError) {
        path = folder.path(of: name)
        let value: JSONValue?
        do throws(ModelFolderError) { value = try folder.json(name) } catch { throw .folder(error) }
        guard let value else { return nil }
        guard case .object(let object) = value else {
            throw .folder(ModelFolderError(path: path, reason: "it holds \(value.kind) and no object"))
        }
        self.object = object
        place = ""
    }

    /// An object in this one.
    func nested(_ name: String) throws(ModelError) -> HuggingFaceFields? {
        guard let value = value(name) else { return nil }
        guard case .object(let object) = value else { throw bad(name, "an object") }
        return HuggingFaceFields(path: path, object: object, place: "\(place)\(name).")
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
        return .folder(ModelFolderError(path: path, reason: "\(place)\(name) is \(found) where \(wanted) is expected"))
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
        guard let number = try number(name) else { throw bad(name, "a number") }
        return number
    }

    func number(_ name: String) throws(ModelError) -> Double? {
        guard let value = value(name) else { return nil }
        guard let number = Self.number(value) else { throw bad(name, "a number") }
        return number
    }

    private static func number(_ value: JSONValue) -> Double? {
        switch value {
        case .double(let number): number
        case .integer(let number): Double(number)
        default: nil
        }
    }

    func numbers(_ name: String) throws(ModelError) -> [Double]? {
        guard let value = value(name) else { return nil }
        guard case .array(let elements) = value else { throw bad(name, "a list of numbers") }
        let numbers = elements.compactMap(Self.number)
        guard numbers.count == elements.count else { throw bad(name, "a list of numbers") }
        return numbers
    }

    func strings(_ name: String) throws(ModelError) -> [String]? {
        guard let value = value(name) else { return nil }
        guard case .array(let elements) = value else { throw bad(name, "a list of strings") }
        var strings: [String] = []
        for case .string(let text) in elements { strings.append(text) }
        guard strings.count == elements.count else { throw bad(name, "a list of strings") }
        return strings
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
