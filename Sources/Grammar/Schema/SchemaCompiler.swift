import JSON

/// Reads a JSON Schema (2020-12 and its neighbours) into rules for JSON texts that it holds for.
///
/// The texts may be fewer than those the schema allows, never others: properties come in the schema's order, objects
/// whose schema says nothing of further properties have none, numbers have at most 15 digits before the point.
/// Keywords that restrict and are not supported are errors; annotations and what no validator knows are passed over.
struct SchemaCompiler {
    private let root: JSONValue
    private let merger: SchemaMerger
    var budget: SchemaBudget { merger.budget }
    var rules = RuleSet()
    /// The rules of what `$ref` names.
    private var references: [String: Int] = [:]
    /// The rules of values without a schema, by depth.
    var freeValues: [Int: Int] = [:]
    var stringRule: Int?
    /// The rules of contents of strings, by meaning and expression.
    var contents: [Content: Int] = [:]
    private var depth = 0

    static func rules(_ source: String) throws(GrammarError) -> RuleSet {
        var compiler = SchemaCompiler(root: try JSONSource.parse(source))
        let whole = try compiler.rules.reserve("the schema")
        compiler.references["#"] = whole
        compiler.rules.patterns[whole] = try compiler.pattern(compiler.root, "#")
        return compiler.rules
    }

    private init(root: JSONValue) {
        self.root = root
        merger = SchemaMerger(root: root)
    }

    // MARK: - A schema

    mutating func pattern(_ schema: JSONValue, _ path: String) throws(GrammarError) -> Pattern {
        depth += 1
        defer { depth -= 1 }
        guard depth <= GrammarLimits.depthMax else {
            throw GrammarError("schemas are nested more than \(GrammarLimits.depthMax) deep", path: path)
        }
        try budget.spend(path)
        switch schema {
        case .bool(true): return try freeValue(depth: 0)
        case .bool(false): return .nothing
        case .object(let object): return try pattern(object, path)
        case .null, .integer, .unsigned, .double, .string, .array:
            throw GrammarError("a schema must be an object or a boolean, but is \(schema.kind)", path: path)
        }
    }

    private mutating func pattern(_ schema: JSONObject, _ path: String) throws(GrammarError) -> Pattern {
        try SchemaKeywords.check(schema, path)
        let restricting = SchemaKeywords.restricting(schema)
        if let reference = schema["$ref"] {
            if restricting.members.count == 1 { return .rule(try rule(for: reference, path)) }
            return try pattern(.object(try merger.merged(restricting, path)), path)
        }
        if schema["allOf"] != nil { return try pattern(.object(try merger.merged(restricting, path)), path) }
        for keyword in ["anyOf", "oneOf"] where schema[keyword] != nil {
            return try alternatives(restricting, keyword, path)
        }
        if schema["const"] != nil || schema["enum"] != nil { return try literals(restricting, path) }
        if schema["nullable"] == .bool(true) {
            let other = JSONObject(members: restricting.members.filter { $0.name != "nullable" })
            return .choice([try pattern(.object(other), path), JSONText.null])
        }
        return try typed(restricting, path)
    }

    private mutating func rule(for reference: JSONValue, _ path: String) throws(GrammarError) -> Int {
        let (target, pointer) = try merger.resolve(reference, path)
        if let known = references[pointer] { return known }
        let rule = try rules.reserve(pointer)
        references[pointer] = rule
        rules.patterns[rule] = try pattern(target, pointer)
        return rule
    }

    private mutating func alternatives(
        _ schema: JSONObject, _ keyword: String, _ path: String
    ) throws(GrammarError) -> Pattern {
        guard case .array(let list)? = schema[keyword], !list.isEmpty else {
            throw GrammarError("it must be a list of at least one schema", path: "\(path)/\(keyword)")
        }
        let others = JSONObject(members: schema.members.filter { $0.name != keyword })
        var choices: [Pattern] = []
        var schemas: [JSONValue] = []
        for (index, element) in list.enumerated() {
            var alternative = element
            if !others.members.isEmpty {
                alternative = .object(
                    try merger.merged(
                        JSONObject(members: [.init(name: "allOf", value: .array([.object(others), element]))]), path))
            }
            schemas.append(alternative)
            choices.append(try pattern(alternative, "\(path)/\(keyword)/\(index)"))
        }
        if keyword == "oneOf" { try Disjointness(merger).check(schemas, "\(path)/oneOf") }
        return .choice(of: choices)
    }

    private func literals(_ schema: JSONObject, _ path: String) throws(GrammarError) -> Pattern {
        let types = try SchemaKeywords.types(schema, path)
        for name in schema.members.map(\.name) where !["const", "enum", "type", "nullable"].contains(name) {
            throw GrammarError("\(name) is not supported beside const or enum", path: "\(path)/\(name)")
        }
        var values: [JSONValue] = []
        if let list = schema["enum"] {
            guard case .array(let elements) = list, !elements.isEmpty else {
                throw GrammarError("it must be a list of at least one value", path: "\(path)/enum")
            }
            values = elements
            if let const = schema["const"] { values = values.filter { $0 == const } }
        } else if let const = schema["const"] {
            values = [const]
        }
        guard values.count <= GrammarLimits.choiceMax else {
            throw GrammarError("it has more than \(GrammarLimits.choiceMax) values", path: "\(path)/enum")
        }
        try budget.spend(valueCount: values.count, path)
        if let types { values = values.filter { value in types.contains { SchemaKeywords.isType($0, of: value) } } }
        var texts: [Pattern] = []
        for value in values {
            let text = JSONText.text(value)
            try budget.spend(valueCount: text.utf8.count, path)
            texts.append(.text(text))
        }
        return .choice(of: texts)
    }

    private mutating func typed(_ schema: JSONObject, _ path: String) throws(GrammarError) -> Pattern {
        let types: [String]
        if let named = try SchemaKeywords.types(schema, path) {
            types = named
        } else {
            types = SchemaKeywords.impliedTypes(schema)
            if types.isEmpty { return try freeValue(depth: 0) }
        }
        var choices: [Pattern] = []
        for type in types {
            switch type {
            case "object": choices.append(try object(schema, path))
            case "array": choices.append(try array(schema, path))
            case "string": choices.append(try string(schema, path))
            case "integer": choices.append(try number(schema, path, isWhole: true))
            case "number": choices.append(try number(schema, path, isWhole: false))
            case "boolean": choices.append(JSONText.boolean)
            default: choices.append(JSONText.null)
            }
        }
        return .choice(of: choices)
    }

    // MARK: - Values without a schema

    /// How deep lists and objects may be nested where no schema says what they are.
    static let freeDepthMax = 16

    mutating func freeValue(depth: Int) throws(GrammarError) -> Pattern {
        if let known = freeValues[depth] { return .rule(known) }
        let rule = try rules.reserve("any value")
        freeValues[depth] = rule
        var choices: [Pattern] = [try freeString(), JSONText.number, JSONText.boolean, JSONText.null]
        if depth < Self.freeDepthMax {
            let value = try freeValue(depth: depth + 1)
            choices.append(list(of: value, min: 0, max: nil))
            choices.append(try freeObject(of: value))
        }
        rules.patterns[rule] = .choice(of: choices)
        return .rule(rule)
    }

    mutating func freeString() throws(GrammarError) -> Pattern {
        if let stringRule { return .rule(stringRule) }
        let rule = try rules.add("any string", JSONText.string)
        stringRule = rule
        return .rule(rule)
    }

    mutating func freeObject(of value: Pattern) throws(GrammarError) -> Pattern {
        let entry = Pattern.rule(
            try rules.add("a member", .sequence([try freeString(), JSONText.colon, value])))
        return .choice([
            .text("{}"),
            .sequence([
                .text("{"), JSONText.space, entry, .any(.sequence([JSONText.comma, entry])), JSONText.space, .text("}"),
            ]),
        ])
    }

    func list(of item: Pattern, min: Int, max: Int?) -> Pattern {
        var choices: [Pattern] = []
        if min == 0 { choices.append(.text("[]")) }
        if max != 0 {
            let others = Pattern.repeated(
                .sequence([JSONText.comma, item]), min: Swift.max(min - 1, 0), max: max.map { $0 - 1 })
            choices.append(.sequence([.text("["), JSONText.space, item, others, JSONText.space, .text("]")]))
        }
        return .choice(of: choices)
    }
}
