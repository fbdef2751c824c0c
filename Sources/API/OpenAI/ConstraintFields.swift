import Grammar
import Inference
import JSON

/// The fields that say what an answer must be: OpenAI's `response_format`, vLLM's `guided_*` and `structured_outputs`,
/// llama.cpp's `grammar` and `json_schema`. One of them at most; compiled here, so that a request which cannot be honoured
/// is refused before it waits.
enum ConstraintFields {
    private typealias Found = (parameter: String, constraint: OutputConstraint)

    /// - Parameter ends: the tokens that may end the answer, which a constrained one needs.
    static func read(
        _ fields: FieldReader, ends: [TokenID], _ preparation: borrowing Preparation
    ) throws(APIError) -> OutputConstraint? {
        guard fields.mayHave(names) else { return nil }
        var found: [Found] = []
        if let format = try responseFormat(fields) { found.append(format) }
        found += try guided(fields)
        if let outputs = try fields.object("structured_outputs") { found += try structured(outputs) }
        guard let first = found.first else { return nil }
        if found.count > 1 {
            throw .invalid(
                found[1].parameter, code: "invalid_value",
                "\(found[1].parameter) and \(first.parameter) both say what the answer must be: give one of them.")
        }
        try check(first.constraint, first.parameter, ends: ends, preparation)
        return first.constraint
    }

    /// All that is looked for.
    private static let names = FieldReader.bits(
        of: "response_format", "structured_outputs", "guided_json", "json_schema", "guided_regex", "guided_grammar",
        "grammar", "guided_choice")

    /// Refuses what cannot be honoured. A short constraint may take long to compile, so that it is left to a thread.
    static func check(
        _ constraint: OutputConstraint, _ parameter: String, ends: [TokenID], _ preparation: borrowing Preparation
    ) throws(APIError) {
        guard !ends.isEmpty else {
            throw .invalid(
                parameter, code: "invalid_value",
                "\(parameter) needs a token that ends the answer, but ignore_eos is true or the model has none.")
        }
        guard preparation.mayTakeLong else { throw .needsThread }
        do throws(GrammarError) {
            _ = try CompiledGrammar(constraint)
        } catch {
            let place = error.path.isEmpty ? "" : error.path.hasPrefix("#") ? " at \(error.path)" : error.path
            throw .invalid(
                parameter, code: "unsupported_constraint", "\(parameter) cannot be honoured\(place): \(error.reason).")
        }
    }

    // MARK: - OpenAI

    private static func responseFormat(_ fields: FieldReader) throws(APIError) -> Found? {
        guard let format = try fields.object("response_format") else { return nil }
        guard let type = try format.string("type") else { throw format.missing("type") }
        switch type {
        case "text": return nil
        case "json_object":
            // Some clients send the schema here.
            guard let schema = format.value("schema") else { return ("response_format", .jsonObject) }
            return ("response_format.schema", try constraint(schema, at: "response_format.schema"))
        case "json_schema":
            guard let named = try format.object("json_schema") else { throw format.missing("json_schema") }
            _ = try named.string("name")
            _ = try named.bool("strict")
            guard let schema = named.value("schema") else { throw named.missing("schema") }
            return (named.parameter("schema"), try constraint(schema, at: named.parameter("schema")))
        default:
            throw .unsupported(
                "response_format.type", "\"\(type.prefix(64))\" is none of text, json_object and json_schema")
        }
    }

    // MARK: - vLLM and llama.cpp

    private static func guided(_ fields: FieldReader) throws(APIError) -> [Found] {
        var found: [Found] = []
        for name in ["guided_json", "json_schema"] {
            if let schema = fields.value(name) { found.append((name, try constraint(schema, at: name))) }
        }
        if let regex = try fields.string("guided_regex") { found.append(("guided_regex", .init(.regex, regex))) }
        for name in ["guided_grammar", "grammar"] {
            guard let grammar = try fields.string(name), !grammar.isEmpty || name != "grammar" else { continue }
            found.append((name, .init(.grammar, grammar)))
        }
        if let choices = try fields.array("guided_choice", countMax: GrammarLimits.choiceMax) {
            found.append(("guided_choice", .choice(.array(choices))))
        }
        return found
    }

    private static func structured(_ fields: FieldReader) throws(APIError) -> [Found] {
        for name in ["structural_tag", "whitespace_pattern"] where fields.value(name) != nil {
            throw .unsupported(fields.parameter(name), "use json, regex, choice or grammar")
        }
        var found: [Found] = []
        if let schema = fields.value("json") {
            found.append((fields.parameter("json"), try constraint(schema, at: fields.parameter("json"))))
        }
        if let regex = try fields.string("regex") {
            found.append((fields.parameter("regex"), .init(.regex, regex)))
        }
        if let choices = try fields.array("choice", countMax: GrammarLimits.choiceMax) {
            found.append((fields.parameter("choice"), .choice(.array(choices))))
        }
        if let grammar = try fields.string("grammar") {
            found.append((fields.parameter("grammar"), .init(.grammar, grammar)))
        }
        if try fields.bool("json_object") ?? false { found.append((fields.parameter("json_object"), .jsonObject)) }
        guard !found.isEmpty else {
            throw .invalid(
                fields.path, code: "invalid_value",
                "\(fields.path) must have one of json, regex, choice, grammar and json_object.")
        }
        return found
    }

    /// A schema as an object, or as the text of one.
    private static func constraint(_ schema: JSONValue, at parameter: String) throws(APIError) -> OutputConstraint {
        switch schema {
        case .object, .bool: return .jsonSchema(schema)
        case .string(let text): return OutputConstraint(.jsonSchema, text)
        case .null, .integer, .unsigned, .double, .array:
            throw FieldReader.wrongKind(parameter, wanted: "a JSON Schema", schema)
        }
    }
}
