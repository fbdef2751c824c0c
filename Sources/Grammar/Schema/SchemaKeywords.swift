import JSON

/// What the keywords of a schema are here.
enum SchemaKeywords {
    /// Read by ``SchemaCompiler``.
    static let supported: Set<String> = [
        "$ref", "allOf", "anyOf", "oneOf", "const", "enum", "type", "nullable", "properties", "required",
        "additionalProperties", "items", "prefixItems", "minItems", "maxItems", "minLength", "maxLength", "pattern",
        "format", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf",
    ]

    /// Restrict values in ways that no left-to-right reading follows, or that are too rare: refused by name, but for the
    /// value that says nothing.
    static let refused: [String: JSONValue?] = [
        "not": nil, "if": nil, "then": nil, "else": nil, "dependentSchemas": nil, "dependentRequired": nil,
        "dependencies": nil, "patternProperties": .object(JSONObject()), "propertyNames": .bool(true),
        "minProperties": .integer(0), "maxProperties": nil, "uniqueItems": .bool(false), "contains": nil,
        "minContains": nil, "maxContains": nil, "additionalItems": .bool(true), "$dynamicRef": nil,
        "$recursiveRef": nil, "extends": nil, "disallow": nil, "divisibleBy": nil,
        "unevaluatedProperties": .bool(true), "unevaluatedItems": .bool(true),
    ]

    static let types: Set<String> = ["object", "array", "string", "integer", "number", "boolean", "null"]

    static func check(_ schema: JSONObject, _ path: String) throws(GrammarError) {
        for member in schema.members {
            guard let harmless = refused[member.name], member.value != harmless, !isAsWritten(member, schema) else {
                continue
            }
            throw GrammarError("\(member.name) is not supported", path: "\(path)/\(member.name)")
        }
    }

    /// Forbids what is never written: an object has no members but its `properties` anyway, nor a list further elements.
    private static func isAsWritten(_ member: JSONObject.Member, _ schema: JSONObject) -> Bool {
        guard member.value == .bool(false) else { return false }
        return switch member.name {
        case "unevaluatedProperties":
            schema["properties"] != nil && schema["additionalProperties"] ?? .bool(false) == .bool(false)
        case "unevaluatedItems": schema["items"] != nil
        default: false
        }
    }

    /// The schema without annotations.
    static func restricting(_ schema: JSONObject) -> JSONObject {
        JSONObject(
            members: schema.members.filter {
                supported.contains($0.name) && !($0.name == "nullable" && $0.value == .bool(false))
            })
    }

    /// What `type` names; nil without one.
    static func types(_ schema: JSONObject, _ path: String) throws(GrammarError) -> [String]? {
        let names: [JSONValue]
        switch schema["type"] {
        case nil: return nil
        case .array(let list)?: names = list
        case let single?: names = [single]
        }
        var types: [String] = []
        for name in names {
            guard case .string(let type) = name, Self.types.contains(type) else {
                throw GrammarError(
                    "it must be one or a list of \(Self.types.sorted().joined(separator: ", "))", path: "\(path)/type")
            }
            if !types.contains(type) { types.append(type) }
        }
        if types.contains("number") { types.removeAll { $0 == "integer" } }
        return types
    }

    /// Types that the keywords speak of, where `type` is missing.
    static func impliedTypes(_ schema: JSONObject) -> [String] {
        let speakers: [(type: String, keywords: [String])] = [
            ("object", ["properties", "required", "additionalProperties"]),
            ("array", ["items", "prefixItems", "minItems", "maxItems"]),
            ("string", ["minLength", "maxLength", "pattern", "format"]),
            ("number", ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"]),
        ]
        return speakers.filter { speaker in speaker.keywords.contains { schema[$0] != nil } }.map(\.type)
    }

    static func isType(_ type: String, of value: JSONValue) -> Bool {
        switch value {
        case .null: type == "null"
        case .bool: type == "boolean"
        case .integer, .unsigned: type == "integer" || type == "number"
        case .double(let number): type == "number" || (type == "integer" && number.rounded() == number)
        case .string: type == "string"
        case .array: type == "array"
        case .object: type == "object"
        }
    }
}

// Values of keywords.
extension JSONObject {
    /// A count: whole and not negative. Larger ones than can matter are taken for the largest that does.
    func count(_ keyword: String, _ path: String) throws(GrammarError) -> Int? {
        let number: Double
        switch self[keyword] {
        case nil: return nil
        case .integer(let integer)?: number = Double(integer)
        case .unsigned(let integer)?: number = Double(integer)
        case .double(let double)?: number = double
        default: number = -1
        }
        guard number >= 0, number.rounded() == number else {
            throw GrammarError("it must be a whole number and not negative", path: "\(path)/\(keyword)")
        }
        return Int(min(number, Double(GrammarLimits.countMax + 1)))
    }

    /// `minimum` and `maximum` keywords of a size.
    func counts(
        _ least: String, _ most: String, _ path: String
    ) throws(GrammarError) -> (min: Int, max: Int?) {
        let low = try count(least, path) ?? 0
        var high = try count(most, path)
        guard low <= GrammarLimits.countMax else {
            throw GrammarError("it is more than \(GrammarLimits.countMax)", path: "\(path)/\(least)")
        }
        if let given = high, given > GrammarLimits.countMax { high = GrammarLimits.countMax }
        if let high, high < low {
            throw GrammarError("it is less than \(least), so that nothing satisfies both", path: "\(path)/\(most)")
        }
        return (low, high)
    }

    func text(_ keyword: String, _ path: String) throws(GrammarError) -> String? {
        guard let value = self[keyword] else { return nil }
        guard case .string(let text) = value else {
            throw GrammarError("it must be a string, but is \(value.kind)", path: "\(path)/\(keyword)")
        }
        return text
    }
}
