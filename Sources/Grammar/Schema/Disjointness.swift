import JSON

/// Whether what is written for one alternative of a `oneOf` could also hold for another. Where it cannot, `oneOf` is
/// `anyOf`; where it might, the schema is refused.
struct Disjointness {
    private let merger: SchemaMerger
    private var budget: SchemaBudget { merger.budget }

    init(_ merger: SchemaMerger) { self.merger = merger }

    func check(_ alternatives: [JSONValue], _ path: String) throws(GrammarError) {
        guard alternatives.count <= 128 else { throw GrammarError("it has more than 128 alternatives", path: path) }
        var kinds: [Kind] = []
        for (index, alternative) in alternatives.enumerated() {
            guard case .object(let object) = alternative else {
                throw GrammarError("an alternative of oneOf must be an object", path: "\(path)/\(index)")
            }
            kinds.append(Kind(try merger.merged(object, "\(path)/\(index)")))
            try budget.spend(valueCount: kinds[index].count, path)
        }
        for second in kinds.indices {
            for first in 0..<second where try !areDisjoint(kinds[first], kinds[second], path) {
                throw GrammarError(
                    "a value might satisfy alternatives \(first) and \(second) at once: use anyOf, or give them "
                        + "different types or a required property with different constants", path: path)
            }
        }
    }

    private func areDisjoint(_ a: Kind, _ b: Kind, _ path: String) throws(GrammarError) -> Bool {
        try budget.spend(valueCount: min(a.count, b.count), path)
        if let first = a.values, let second = b.values { return first.isDisjoint(with: second) }
        guard let first = a.types, let second = b.types else { return false }
        let common = first.intersection(second)
        if common.isEmpty { return true }
        guard common == ["object"] else { return false }
        for name in a.required.intersection(b.required) {
            if let one = try values(name, of: a, path), let other = try values(name, of: b, path),
                one.isDisjoint(with: other)
            {
                return true
            }
        }
        return a.lacks(b.required) && b.lacks(a.required)
    }

    /// All values of a property with few; nil for others.
    private func values(_ name: String, of kind: Kind, _ path: String) throws(GrammarError) -> Set<JSONValue>? {
        guard case .object(let property)? = kind.properties?[name] else { return nil }
        guard let schema = try? merger.merged(property, path), let values = Kind.values(schema) else { return nil }
        try budget.spend(valueCount: values.count, path)
        return Set(values.map(Kind.plain))
    }
}

/// What an alternative says of values, as far as it tells them from others.
private struct Kind {
    /// All values of a schema with few; nil for others.
    let values: Set<JSONValue>?
    /// Types a value may have, `integer` being `number`; nil where unknown.
    let types: Set<String>?
    let required: Set<String>
    /// By name; nil where the schema has none.
    let properties: [String: JSONValue]?
    private let isClosed: Bool

    init(_ schema: JSONObject) {
        let values = Self.values(schema)
        self.values = values.map { Set($0.map(Self.plain)) }
        types = Self.types(schema, values)
        required =
            if case .array(let names)? = schema["required"] {
                Set(names.compactMap { if case .string(let name) = $0 { name } else { nil } })
            } else {
                []
            }
        if case .object(let object)? = schema["properties"] {
            properties = Dictionary(object.members.map { ($0.name, $0.value) }) { first, _ in first }
        } else {
            properties = nil
        }
        isClosed =
            schema["additionalProperties"] ?? .bool(false) == .bool(false) && schema["anyOf"] == nil
            && schema["oneOf"] == nil
    }

    /// Names and values in it.
    var count: Int { 1 + (values?.count ?? 0) + required.count + (properties?.count ?? 0) }

    /// The value in the one way to write it: 1.0 is 1, and members have no order.
    static func plain(_ value: JSONValue) -> JSONValue {
        switch value {
        case .double(let number): Int64(exactly: number).map { .integer($0) } ?? value
        case .array(let values): .array(values.map(plain))
        case .object(let object):
            .object(
                JSONObject(
                    members: object.members.map { .init(name: $0.name, value: plain($0.value)) }
                        .sorted { $0.name < $1.name }))
        case .null, .bool, .integer, .unsigned, .string: value
        }
    }

    static func values(_ schema: JSONObject) -> [JSONValue]? {
        if let const = schema["const"] { return [const] }
        if case .array(let values)? = schema["enum"] { return values }
        return nil
    }

    private static func types(_ schema: JSONObject, _ values: [JSONValue]?) -> Set<String>? {
        if let values {
            return Set(SchemaKeywords.types.filter { type in values.contains { SchemaKeywords.isType(type, of: $0) } })
                .subtracting(["integer"])
        }
        guard schema["nullable"] == nil, let types = try? SchemaKeywords.types(schema, "") else { return nil }
        return Set(types.map { $0 == "integer" ? "number" : $0 })
    }

    /// Whether objects written for the schema lack one of these names: they have no others than its properties.
    func lacks(_ names: Set<String>) -> Bool {
        guard let properties, isClosed else { return false }
        return names.contains { properties[$0] == nil && !required.contains($0) }
    }
}
