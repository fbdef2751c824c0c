import JSON

/// Schemas that may be looked at, those that references put in many places counted each time: what keeps a small source
/// from growing without end.
final class SchemaBudget {
    /// As many values as a range of numbers, or a character of a name beside `additionalProperties`, takes time.
    static let rangeCost = 1_200
    static let nameBeginningCost = 128

    private var left = GrammarLimits.schemaMax
    private var valuesLeft = GrammarLimits.schemaValueMax

    func spend(_ path: String) throws(GrammarError) {
        left -= 1
        guard left >= 0 else {
            throw GrammarError(
                "it has more than \(GrammarLimits.schemaMax) schemas, references written out", path: path)
        }
    }

    /// - Parameter valueCount: names and values that are gone through once.
    func spend(valueCount: Int, _ path: String) throws(GrammarError) {
        valuesLeft -= valueCount
        guard valuesLeft >= 0 else {
            throw GrammarError(
                "it has more than \(GrammarLimits.schemaValueMax) names and values, those of each place where schemas are "
                    + "combined counted anew", path: path)
        }
    }
}

/// Makes one schema of several that must all hold, where that is simple, and finds what references name.
struct SchemaMerger {
    private let root: JSONValue
    /// Of all that is done for the schema.
    let budget = SchemaBudget()

    init(root: JSONValue) { self.root = root }

    // MARK: - References

    /// - Returns: the schema, and its place in the one way to write it.
    func resolve(_ reference: JSONValue, _ path: String) throws(GrammarError) -> (JSONValue, String) {
        guard case .string(let text) = reference, text.hasPrefix("#") else {
            throw GrammarError("only references within the schema (#/…) are supported", path: "\(path)/$ref")
        }
        var value = root
        var pointer = "#"
        for part in text.dropFirst().split(separator: "/", omittingEmptySubsequences: true) {
            let name = try Self.unescaped(part, "\(path)/$ref")
            let next: JSONValue?
            switch value {
            case .object(let object): next = object[name]
            case .array(let array): next = Int(name).flatMap { array.indices.contains($0) ? array[$0] : nil }
            case .null, .bool, .integer, .unsigned, .double, .string: next = nil
            }
            guard let next else {
                throw GrammarError("\(text) names nothing in the schema", path: "\(path)/$ref")
            }
            value = next
            pointer += "/\(name)"
        }
        return (value, pointer)
    }

    /// `~1`, `~0` and `%XX` of a JSON pointer in a URI.
    private static func unescaped(_ part: Substring, _ path: String) throws(GrammarError) -> String {
        var bytes: [UInt8] = []
        var rest = Array(part.utf8)[...]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%") else {
                bytes.append(byte)
                continue
            }
            guard let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16), rest.count >= 2 else {
                throw GrammarError("%\(String(decoding: rest.prefix(2), as: UTF8.self)) is no escape", path: path)
            }
            bytes.append(value)
            rest = rest.dropFirst(2)
        }
        var name = ""
        var isTilde = false
        for scalar in String(decoding: bytes, as: UTF8.self).unicodeScalars {
            if isTilde {
                name.unicodeScalars.append(scalar == "1" ? "/" : "~")
                isTilde = false
            } else if scalar == "~" {
                isTilde = true
            } else {
                name.unicodeScalars.append(scalar)
            }
        }
        return name
    }

    // MARK: - Merging

    /// The schema with its `$ref` and `allOf` put in.
    func merged(_ schema: JSONObject, _ path: String, depth: Int = 0) throws(GrammarError) -> JSONObject {
        guard depth < GrammarLimits.depthMax else {
            throw GrammarError("$ref and allOf lead in a circle, or too deep", path: path)
        }
        try budget.spend(path)
        try SchemaKeywords.check(schema, path)
        var result = JSONObject(
            members: SchemaKeywords.restricting(schema).members.filter { $0.name != "$ref" && $0.name != "allOf" })
        try settleNull(&result, path)
        var parts: [(JSONValue, String)] = []
        if let reference = schema["$ref"] { parts.append(try resolve(reference, path)) }
        if let list = schema["allOf"] {
            guard case .array(let elements) = list, !elements.isEmpty else {
                throw GrammarError("it must be a list of at least one schema", path: "\(path)/allOf")
            }
            parts += elements.enumerated().map { ($1, "\(path)/allOf/\($0)") }
        }
        for (part, place) in parts {
            guard case .object(let object) = part else {
                guard part == .bool(true) else {
                    throw GrammarError("it must be an object, but is \(part.kind)", path: place)
                }
                continue
            }
            result = try both(result, try merged(object, place, depth: depth + 1), place)
        }
        return result
    }

    /// `nullable` is of the `type` beside it, and of no other schema's.
    private func settleNull(_ schema: inout JSONObject, _ path: String) throws(GrammarError) {
        guard schema["nullable"] == .bool(true) else { return }
        let types = try SchemaKeywords.types(schema, path)
        schema.members.removeAll { $0.name == "nullable" }
        guard let types, let place = schema.members.firstIndex(where: { $0.name == "type" }) else { return }
        let all = types.contains("null") ? types : types + ["null"]
        schema.members[place].value = .array(all.map { .string($0) })
    }

    private func both(_ a: JSONObject, _ b: JSONObject, _ path: String) throws(GrammarError) -> JSONObject {
        try checkClosed(a, b, path)
        try checkItems(a, b, path)
        var result = a
        for member in b.members {
            guard let place = result.members.firstIndex(where: { $0.name == member.name }) else {
                result.members.append(member)
                continue
            }
            let value = result.members[place].value
            guard value != member.value else { continue }
            result.members[place].value = try both(value, member.value, of: member.name, path)
        }
        return result
    }

    /// Where one closes its objects, properties that only the other has could not be.
    private func checkClosed(_ a: JSONObject, _ b: JSONObject, _ path: String) throws(GrammarError) {
        func names(_ schema: JSONObject) throws(GrammarError) -> Set<String> {
            guard case .object(let object)? = schema["properties"] else { return [] }
            try budget.spend(valueCount: object.members.count, path)
            return Set(object.members.map(\.name))
        }
        for (closed, other) in [(a, b), (b, a)] {
            guard let further = closed["additionalProperties"], further != .bool(true) else { continue }
            guard try names(other).isSubset(of: names(closed)) else {
                throw GrammarError(
                    "additionalProperties cannot be combined with properties of another schema",
                    path: "\(path)/additionalProperties")
            }
        }
    }

    /// `items` is of the elements behind the `prefixItems` beside it, which in the merged schema are others' too.
    private func checkItems(_ a: JSONObject, _ b: JSONObject, _ path: String) throws(GrammarError) {
        func prefixCount(_ schema: JSONObject) -> Int {
            if case .array(let schemas)? = schema["prefixItems"] { schemas.count } else { 0 }
        }
        for (one, other) in [(a, b), (b, a)] where prefixCount(one) < prefixCount(other) {
            guard one["items"] ?? .bool(true) == .bool(true) else {
                throw GrammarError(
                    "items cannot be combined with prefixItems of another schema", path: "\(path)/items")
            }
        }
    }

    private func both(
        _ a: JSONValue, _ b: JSONValue, of keyword: String, _ path: String
    ) throws(GrammarError) -> JSONValue {
        switch (keyword, a, b) {
        case ("properties", .object(var object), .object(let other)):
            try budget.spend(valueCount: object.members.count + other.members.count, path)
            var places: [String: Int] = [:]
            for (place, member) in object.members.enumerated() { places[member.name] = place }
            for member in other.members {
                if let place = places[member.name] {
                    guard object.members[place].value != member.value else { continue }
                    object.members[place].value = try all(object.members[place].value, member.value, path)
                } else {
                    object.members.append(member)
                }
            }
            return .object(object)
        case ("required", .array(let names), .array(let others)):
            try budget.spend(valueCount: names.count + others.count, path)
            let known = Set(names)
            return .array(names + others.filter { !known.contains($0) })
        case ("enum", .array(let values), .array(let others)):
            try budget.spend(valueCount: values.count + others.count, path)
            let known = Set(others)
            return .array(values.filter { known.contains($0) })
        case ("additionalProperties", .bool(true), let other), ("additionalProperties", let other, .bool(true)),
            ("items", .bool(true), let other), ("items", let other, .bool(true)):
            return other
        case ("type", _, _):
            return try bothTypes(a, b, path)
        case ("minimum", _, _), ("exclusiveMinimum", _, _), ("minLength", _, _), ("minItems", _, _):
            if let first = number(a), let second = number(b) { return first > second ? a : b }
        case ("maximum", _, _), ("exclusiveMaximum", _, _), ("maxLength", _, _), ("maxItems", _, _):
            if let first = number(a), let second = number(b) { return first < second ? a : b }
        default: break
        }
        throw GrammarError("\(keyword) cannot be combined with that of another schema", path: "\(path)/\(keyword)")
    }

    /// What both schemas say, put off: one list however many come together, for lists in lists would nest as deep as they are
    /// many.
    private func all(_ a: JSONValue, _ b: JSONValue, _ path: String) throws(GrammarError) -> JSONValue {
        var parts = [a]
        if case .object(let object) = a, object.members.count == 1, case .array(let known)? = object["allOf"] {
            parts = known
        }
        try budget.spend(valueCount: parts.count, path)
        return .object(JSONObject(members: [.init(name: "allOf", value: .array(parts + [b]))]))
    }

    private func bothTypes(_ a: JSONValue, _ b: JSONValue, _ path: String) throws(GrammarError) -> JSONValue {
        func types(_ value: JSONValue) throws(GrammarError) -> [String] {
            try SchemaKeywords.types(JSONObject(members: [.init(name: "type", value: value)]), path) ?? []
        }
        let (first, second) = (try types(a), try types(b))
        var common = first.filter { second.contains($0) }
        if first.contains("number"), second.contains("integer") { common.append("integer") }
        if second.contains("number"), first.contains("integer") { common.append("integer") }
        guard !common.isEmpty else { throw GrammarError("no type satisfies both schemas", path: "\(path)/type") }
        return .array(common.map { .string($0) })
    }

    private func number(_ value: JSONValue) -> Double? {
        switch value {
        case .integer(let number): Double(number)
        case .unsigned(let number): Double(number)
        case .double(let number): number
        case .null, .bool, .string, .array, .object: nil
        }
    }
}
