import Grammar
import Inference
import JSON
import Serving
import Text

/// A request in Anthropic's dialect: from its fields to a chat. Source: Anthropic's API reference, "Messages".
enum MessagesRequest {
    static func turn(_ fields: FieldReader, _ preparation: Preparation) throws(APIError) -> ChatTurn {
        let model = try preparation.generator(fields, promptField: "messages")
        try RefusedFields.check(fields, against: refused)
        if let thinking = try fields.object("thinking") {
            try RefusedFields.check(thinking, against: refusedOfThinking)
        }
        var messages = try system(fields)
        messages += try MessageBlocks.messages(fields, options: preparation.options)
        let tools = try tools(fields, model: model)
        var shared = try SamplingFields(fields, model: model, preparation: preparation)
        shared.stopStrings += try SamplingFields.stopStrings(fields, "stop_sequences", preparation.options)
        try shared.constrain(try constraint(fields), "output_config.format", preparation)
        var turn = ChatTurn(model: model, messages: messages, tools: tools, shared: shared)
        turn.template = try TemplateFields(variablesOf: fields)
        return turn
    }

    /// `system`: a text, or a list of blocks.
    private static func system(_ fields: FieldReader) throws(APIError) -> [ChatMessage] {
        guard fields.value("system") != nil else { return [] }
        let text = try ChatMessages.content(fields, "system")
        return text.isEmpty ? [] : [ChatMessage(role: "system", content: text)]
    }

    /// `output_config.format`: a JSON schema.
    private static func constraint(_ fields: FieldReader) throws(APIError) -> OutputConstraint? {
        guard let format = try fields.object("output_config")?.object("format") else { return nil }
        guard try format.string("type") == "json_schema" else {
            throw .unsupported(format.parameter("type"), "a format is a json_schema")
        }
        guard let schema = try format.object("schema") else { throw format.missing("schema") }
        return .jsonSchema(.object(schema.object))
    }

    // MARK: - Tools

    private static func tools(_ fields: FieldReader, model: ServedModel) throws(APIError) -> ToolFields {
        let functions = try ToolFields.functions(fields) { (tool) throws(APIError) in
            let type = try tool.string("type") ?? "custom"
            guard type == "custom" else {
                throw .unsupported(
                    tool.parameter("type"), "\"\(type.prefix(40))\" is built in elsewhere; here tools are custom")
            }
            guard tool.value("input_schema") != nil else { throw tool.missing("input_schema") }
            return (try ToolFields.Function(flat: tool, parameters: "input_schema"), tool)
        }
        let choice = try fields.object("tool_choice")
        let isAlone = try choice?.bool("disable_parallel_tool_use") ?? false
        return try ToolFields(functions, try self.choice(choice, functions), isParallel: !isAlone, model: model)
    }

    private static func choice(
        _ choice: FieldReader?, _ functions: [ToolFields.Function]
    ) throws(APIError) -> ToolFields.Choice? {
        guard let choice else { return functions.isEmpty ? nil : .auto }
        guard let type = try choice.string("type") else { throw choice.missing("type") }
        switch type {
        case "none": return nil
        case "auto": return functions.isEmpty ? nil : .auto
        case "any":
            guard !functions.isEmpty else { throw ToolFields.needsTools() }
            return .required
        case "tool": return try .named(choice, functions)
        default:
            throw .invalid(
                choice.parameter("type"), code: "invalid_value",
                "\(choice.parameter("type")) must be auto, any, tool or none, but \"\(type.prefix(40))\" was given.")
        }
    }

    private static let refused = RefusedFields.Table(
        RefusedFields.wholeTurns + [
            .init("container", .nothing, "no code is run here"), .init("mcp_servers", .empty, "use tools"),
            .init("context_management", .empty, "a conversation is what its messages say"),
            .init("output_format", .nothing, "use output_config.format"),
            .init("stop", .empty, "use stop_sequences"),
            .init("speed", .word(["standard"]), "there is one speed"),
            .init("logprobs", .isFalse, "use /v1/chat/completions"),
            .init("prompt_logprobs", .nothing, "use /v1/chat/completions"),
            .init("n", .number(1), "a message is one answer"),
        ])

    private static let refusedOfThinking = RefusedFields.Table([
        .init("type", .word(["disabled"]), "the model has no thinking apart from its answer")
    ])
}
