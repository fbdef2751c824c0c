import JSON

// Objects: their properties in the schema's order.
extension SchemaCompiler {
    private struct Property {
        var name: String
        var schema: JSONValue
        var path: String
        var isRequired: Bool
    }

    mutating func object(_ schema: JSONObject, _ path: String) throws(GrammarError) -> Pattern {
        let properties = try properties(schema, path)
        let further: Pattern?
        switch schema["additionalProperties"] {
        case nil where schema["properties"] == nil: further = try freeValue(depth: 1)
        case nil, .bool(false)?: further = nil
        case .bool(true)?: further = try freeValue(depth: 1)
        case let value?:
            let rule = try rules.reserve("\(path)/additionalProperties")
            rules.patterns[rule] = try pattern(value, "\(path)/additionalProperties")
            further = .rule(rule)
        }
        if properties.isEmpty {
            guard let further else { return .text("{}") }
            return try freeObject(of: further)
        }
        return try object(of: properties, further, path)
    }

    private func properties(_ schema: JSONObject, _ path: String) throws(GrammarError) -> [Property] {
        var required: [String] = []
        if let value = schema["required"] {
            guard case .array(let names) = value else {
                throw GrammarError("it must be a list of strings", path: "\(path)/required")
            }
            for name in names {
                guard case .string(let name) = name else {
                    throw GrammarError("it must be a list of strings", path: "\(path)/required")
                }
                required.append(name)
            }
        }
        let isRequired = Set(required)
        var properties: [Property] = []
        if let value = schema["properties"] {
            guard case .object(let object) = value else {
                throw GrammarError("it must be an object, but is \(value.kind)", path: "\(path)/properties")
            }
            for member in object.members {
                properties.append(
                    Property(
                        name: member.name, schema: member.value, path: "\(path)/properties/\(member.name.prefix(64))",
                        isRequired: isRequired.contains(member.name)))
            }
        }
        // Those that are required but not described come last.
        var known = Set(properties.map(\.name))
        let further = schema["additionalProperties"] ?? .bool(true)
        for name in required where known.insert(name).inserted {
            guard further != .bool(false) else {
                throw GrammarError(
                    "\(name) is required, but neither among properties nor allowed by additionalProperties",
                    path: "\(path)/required")
            }
            properties.append(
                Property(name: name, schema: further, path: "\(path)/additionalProperties", isRequired: true))
        }
        return properties
    }

    private mutating func object(
        of properties: [Property], _ further: Pattern?, _ path: String
    ) throws(GrammarError) -> Pattern {
        var tail = Pattern.empty
        var furtherEntry: Pattern?
        if let further {
            let key = try key(noneOf: properties.map(\.name), path)
            let entry = Pattern.rule(
                try rules.add("\(path)/additionalProperties", .sequence([key, JSONText.colon, further])))
            furtherEntry = entry
            tail = .any(.sequence([JSONText.comma, entry]))
        }
        // Behind each property what may follow it, so that an object may begin with any property before which none is
        // required.
        var beginnings: [Pattern] = []
        for property in properties.reversed() {
            let entry = try rules.reserve(property.path)
            rules.patterns[entry] = .sequence([
                .text(JSONText.quoted(property.name)), JSONText.colon, try pattern(property.schema, property.path),
            ])
            if property.isRequired { beginnings.removeAll() }
            beginnings.append(.sequence([.rule(entry), tail]))
            let another = Pattern.sequence([JSONText.comma, .rule(entry)])
            let following = Pattern.sequence([property.isRequired ? another : .optional(another), tail])
            tail = .rule(try rules.add("\(path)/properties", following))
        }
        var choices: [Pattern] = []
        if !properties.contains(where: \.isRequired) {
            choices.append(.text("{}"))
            if let furtherEntry {
                beginnings.append(.sequence([furtherEntry, .any(.sequence([JSONText.comma, furtherEntry]))]))
            }
        }
        choices.append(
            .sequence([
                .text("{"), JSONText.space, .choice(of: beginnings.reversed()), JSONText.space, .text("}"),
            ]))
        return .choice(of: choices)
    }
}

// Names of objects' members.
extension SchemaCompiler {
    /// A key that is none of `names`, between its quotes, without escapes.
    private mutating func key(noneOf names: [String], _ path: String) throws(GrammarError) -> Pattern {
        var waiting: [(rule: Int, rests: [ArraySlice<Unicode.Scalar>])] = []
        var count = 0
        /// What follows a beginning that some names share is a rule of its own: names may be long.
        func rule(_ rests: [ArraySlice<Unicode.Scalar>]) throws(GrammarError) -> Int {
            count += 1
            guard count <= GrammarLimits.nameBeginningMax else {
                throw GrammarError(
                    "the names of properties beside additionalProperties have more than \(GrammarLimits.nameBeginningMax) "
                        + "characters, shared beginnings counted once", path: "\(path)/properties")
            }
            try budget.spend(valueCount: SchemaBudget.nameBeginningCost, path)
            let rule = try rules.reserve("\(path)/additionalProperties")
            waiting.append((rule, rests))
            return rule
        }
        let text = try rules.add("any name", JSONText.plainText)
        let whole = try rule(names.map { ArraySlice($0.unicodeScalars) })
        while let (open, rests) = waiting.popLast() {
            let branches = JSONText.branches(rests)
            var choices: [Pattern] = [.sequence([branches.other.pattern, .rule(text)])]
            for (first, rests) in branches.known {
                choices.append(.sequence([ScalarSet(first).pattern, .rule(try rule(rests))]))
            }
            if !rests.contains(where: \.isEmpty) { choices.append(.empty) }
            rules.patterns[open] = .choice(of: choices)
        }
        return .sequence([JSONText.quote, .rule(whole), JSONText.quote])
    }
}

// Lists.
extension SchemaCompiler {
    mutating func array(_ schema: JSONObject, _ path: String) throws(GrammarError) -> Pattern {
        let (least, most) = try schema.counts("minItems", "maxItems", path)
        let item = try item(schema, path, least)
        guard let prefix = schema["prefixItems"] else {
            guard let item else { return least == 0 ? .text("[]") : .nothing }
            return list(of: item, min: least, max: most)
        }
        guard case .array(let schemas) = prefix, schemas.count <= 256 else {
            throw GrammarError("it must be a list of at most 256 schemas", path: "\(path)/prefixItems")
        }
        var first: [Pattern] = []
        for (index, element) in schemas.enumerated().prefix(most ?? schemas.count) {
            let rule = try rules.reserve("\(path)/prefixItems/\(index)")
            rules.patterns[rule] = try pattern(element, "\(path)/prefixItems/\(index)")
            first.append(.rule(rule))
        }
        guard !first.isEmpty else { return least == 0 ? .text("[]") : .nothing }
        return try tuple(first, item, least, most, path)
    }

    /// The schema of elements that have none of their own; nil where there are no such.
    private mutating func item(_ schema: JSONObject, _ path: String, _ least: Int) throws(GrammarError) -> Pattern? {
        switch schema["items"] {
        case nil:
            // More may be demanded than are described.
            guard case .array(let first)? = schema["prefixItems"], least <= first.count else {
                return try freeValue(depth: 1)
            }
            return nil
        case .bool(false)?: return nil
        case .array?:
            throw GrammarError("a list of schemas is not supported: use prefixItems", path: "\(path)/items")
        case let value?:
            let rule = try rules.reserve("\(path)/items")
            rules.patterns[rule] = try pattern(value, "\(path)/items")
            return .rule(rule)
        }
    }

    /// - Parameter first: at most as many as `most`.
    private mutating func tuple(
        _ first: [Pattern], _ item: Pattern?, _ least: Int, _ most: Int?, _ path: String
    ) throws(GrammarError) -> Pattern {
        var tail = Pattern.empty
        let othersMin = max(least - first.count, 0)
        if let item {
            tail = .repeated(
                .sequence([JSONText.comma, item]), min: othersMin, max: most.map { $0 - first.count })
        } else if othersMin > 0 {
            return .nothing
        }
        for index in first.indices.dropFirst().reversed() {
            // A rule of its own, or the last element would be as deep as the list is long.
            let after = try rules.add("\(path)/prefixItems/\(index)", tail)
            let rest = Pattern.sequence([JSONText.comma, first[index], .rule(after)])
            tail = index < least ? rest : .optional(rest)
        }
        let list = Pattern.sequence([.text("["), JSONText.space, first[0], tail, JSONText.space, .text("]")])
        return least == 0 ? .choice([.text("[]"), list]) : list
    }
}
