import JSON

/// Whether what is written for one alternative of a `oneOf` could also hold for another. Where it cannot, `oneOf` is
/// `anyOf`; where it might, the schema is refused.
struct Disjointness {
    private let merger: SchemaMerger

    init(_ merger: SchemaMerger) { self.merger = merger }

    func check(_ alternatives: [JSONValue], _ path: String) throws(GrammarError) {
        guard alternatives.count <= 128 else { throw GrammarError("it has more than 128 alternatives", path: path) }
        var schemas: [JSONObject] = []
        for (index, alternative) in alternatives.enumerated() {
            guard case .object(let object) = alternative else {
                throw GrammarError("an alternative of oneOf must be an object", path: "\(path)/\(index)")
            }
            schemas.append(try merger.merged(object, "\(path)/\(index)"))
        }
        for second in schemas.indices {
            for first in 0..<second where !areDisjoint(schemas[first], schemas[second]) {
                throw GrammarError(
                    "a value might satisfy alternatives \(first) and \(second) at once: use anyOf, or give them "
                        + "different types or a required property with different constants", path: path)
            }
        }
    }

    private func areDisjoint(_ a: JSONObject, _ b: JSONObject) -> Bool {
        if let first = values(a), let second = values(b) { return !first.contains { second.contains($0) } }
        guard let first = types(a), let second = types(b) else { return false }
        let common = first.intersection(second)
        if common.isEmpty { return true }
        guard common == ["object"] else { return false }
        let (firstNames, secondNames) = (required(a), required(b))
        for name in firstNames.intersection(secondNames) {
            if let one = property(name, of: a).flatMap(values), let other = property(name, of: b).flatMap(values),
                !one.contains(where: { other.contains($0) })
            {
                return true
            }
        }
        return lacks(a, secondNames) && lacks(b, firstNames)
    }

    /// All values of a schema with few; nil for others.
    private func values(_ schema: JSONObject) -> [JSONValue]? {
        if let const = schema["const"] { return [const] }
        if case .array(let values)? = schema["enum"] { return values }
        return nil
    }

    /// Types a value may have, `integer` being `number`; nil where unknown.
    private func types(_ schema: JSONObject) -> Set<String>? {
        if let values = values(schema) {
            return Set(SchemaKeywords.types.filter { type in values.contains { SchemaKeywords.isType(type, of: $0) } })
                .subtracting(["integer"])
        }
        guard schema["nullable"] == nil, let types = try? SchemaKeywords.types(schema, "") else { return nil }
        return Set(types.map { $0 == "integer" ? "number" : $0 })
    }

    private func required(_ schema: JSONObject) -> Set<String> {
        guard case .array(let names)? = schema["required"] else { return [] }
        return Set(names.compactMap { if case .string(let name) = $0 { name } else { nil } })
    }

    private func property(_ name: String, of schema: JSONObject) -> JSONObject? {
        guard case .object(let properties)? = schema["properties"], case .object(let property)? = properties[name]
        else { return nil }
        return try? merger.merged(property, "")
    }

    /// Whether objects written for the schema lack one of these names: they have no others than its properties.
    private func lacks(_ schema: JSONObject, _ names: Set<String>) -> Bool {
        guard case .object(let properties)? = schema["properties"],
            schema["additionalProperties"] ?? .bool(false) == .bool(false)
        else { return false }
        let own = Set(properties.members.map(\.name)).union(required(schema))
        return !names.isSubset(of: own)
    }
}
