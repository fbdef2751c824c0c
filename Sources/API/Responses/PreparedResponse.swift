import Grammar
import Inference
import JSON
import Serving

/// A request for a response that has been read, with what the answer repeats of it.
struct PreparedResponse: PreparedRequest {
    var generation: PreparedGeneration
    var echo: ResponseEcho

    var serviceRequest: GenerationRequest? { generation.request }

    init(_ fields: FieldReader, _ preparation: Preparation) throws(APIError) {
        let options = preparation.options
        let model = try preparation.generator(fields, promptField: "input")
        try RefusedFields.check(fields, against: Self.refused)
        try Self.checkIncluded(fields)
        if let stream = try fields.object("stream_options") {
            try RefusedFields.check(stream, against: Self.refusedOfStream)
        }
        _ = try fields.object("reasoning")
        let messages = try ResponseInput.messages(fields, options: options)
        let tools = try ResponseTools.read(fields, model: model)
        var shared = try SamplingFields(fields, model: model, preparation: preparation)
        let text = try fields.object("text")
        try shared.constrain(try Self.constraint(text), "text.format", preparation)
        echo = ResponseEcho(fields, text: text, shared: shared)
        echo.maxOutputTokens = try fields.integer("max_output_tokens", in: 1...Int(Int32.max))
        var turn = ChatTurn(model: model, messages: messages, tools: tools, shared: shared)
        turn.wantedTokenCount = echo.maxOutputTokens
        turn.promptField = "input"
        turn.template = try TemplateFields(variablesOf: fields)
        generation = try turn.prepare(limits: fields, preparation)
    }

    /// `text.format`: `text`, `json_object`, or `json_schema` with its schema beside the name.
    private static func constraint(_ text: FieldReader?) throws(APIError) -> OutputConstraint? {
        guard let format = try text?.object("format") else { return nil }
        guard let type = try format.string("type") else { throw format.missing("type") }
        switch type {
        case "text": return nil
        case "json_object": return .jsonObject
        case "json_schema":
            _ = try format.string("name")
            _ = try format.bool("strict")
            guard let schema = try format.object("schema") else { throw format.missing("schema") }
            return .jsonSchema(.object(schema.object))
        default:
            throw .unsupported(
                format.parameter("type"), "\"\(type.prefix(64))\" is none of text, json_object and json_schema")
        }
    }

    /// Answers have no reasoning, so its encrypted text is always there, being none.
    private static func checkIncluded(_ fields: FieldReader) throws(APIError) {
        for (index, value) in (try fields.array("include", countMax: 32) ?? []).enumerated()
        where value != .string("reasoning.encrypted_content") {
            throw .unsupported("include[\(index)]", "answers have text and calls, and nothing to include beside them")
        }
    }

    private static let notStored = "responses are not stored: send the conversation as input"

    private static let refused = RefusedFields.Table(
        RefusedFields.wholeTurns + [
            .init("previous_response_id", .nothing, notStored), .init("conversation", .nothing, notStored),
            .init("prompt", .nothing, "prompts are not stored: send instructions and input"),
            .init("background", .isFalse, "an answer belongs to its connection"),
            .init("truncation", .word(["disabled"]), "an input that is too long is refused, never cut"),
            .init("top_logprobs", .number(0), "use /v1/chat/completions"),
            .init("logprobs", .isFalse, "use /v1/chat/completions"),
            .init("prompt_logprobs", .nothing, "use /v1/chat/completions"),
            .init("n", .number(1), "a response is one answer"), .init("context_management", .empty, notStored),
            .init("modalities", .textOnly, "output is text"),
        ])

    private static let refusedOfStream = RefusedFields.Table([
        .init("include_obfuscation", .isFalse, "events are sent as they are")
    ])
}

/// What a response repeats of its request.
struct ResponseEcho: Sendable {
    var instructions: JSONValue
    var metadata: JSONValue
    var tools: JSONValue
    var toolChoice: JSONValue
    var textFormat: JSONValue
    var isParallel: Bool
    var temperature: Float
    var topP: Float
    var maxOutputTokens: Int?

    init(_ fields: FieldReader, text: FieldReader?, shared: SamplingFields) {
        instructions = fields.value("instructions") ?? .null
        metadata = fields.value("metadata") ?? .of([:])
        tools = fields.value("tools") ?? .array([])
        toolChoice = fields.value("tool_choice") ?? .string("auto")
        textFormat = text?.value("format") ?? .of(["type": .string("text")])
        isParallel = fields.value("parallel_tool_calls") != .bool(false)
        temperature = shared.sampling.temperature
        topP = shared.sampling.topP
    }
}
