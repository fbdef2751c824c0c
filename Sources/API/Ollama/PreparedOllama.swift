import Grammar
import Inference
import JSON
import Serving
import Text

/// A request in Ollama's dialect that has been read. Source: Ollama's API documentation.
struct PreparedOllama: PreparedRequest {
    var model: ServedModel
    /// nil where there is nothing to say: such a request asks that the model be loaded, which it is.
    var generation: PreparedGeneration?

    var serviceRequest: GenerationRequest? { generation?.request }

    init(_ fields: FieldReader, _ kind: Ollama.Call, _ preparation: Preparation) throws(APIError) {
        model = try OllamaModels.find(fields, preparation)
        try Preparation.checkGenerates(model)
        try RefusedFields.check(fields, against: Self.refused)
        let options = try fields.object("options") ?? FieldReader(JSONObject(), path: "options")
        try RefusedFields.check(options, against: Self.refusedOptions)
        var shared = try SamplingFields(options, model: model, preparation: preparation)
        shared.streams = try fields.bool("stream") ?? true
        try Self.readPenalty(options, &shared)
        try shared.constrain(try Self.constraint(fields), "format", preparation)
        let wanted = try Self.outputLimit(options)

        if kind == .chat, try fields.string("suffix")?.isEmpty == false {
            throw .unsupported("suffix", "use /api/generate")
        }
        let isRaw = kind == .generate ? try fields.bool("raw") ?? false : false
        if kind == .generate, let suffix = try InfillPrompt.suffix(fields, model: model) {
            guard try fields.string("system") ?? "" == "" else {
                throw .invalid("system", code: "invalid_value", "system is not allowed with suffix.")
            }
            generation = try Self.plain(fields, suffix, options, shared, wanted, model, preparation.options)
            return
        }
        if isRaw {
            generation = try Self.plain(fields, nil, options, shared, wanted, model, preparation.options)
            return
        }
        let messages =
            kind == .chat
            ? try OllamaMessages.read(fields, preparation.options) : try OllamaMessages.ofPrompt(fields)
        guard !messages.isEmpty else { return }
        let tools = try ToolFields(kind == .chat ? fields : FieldReader(JSONObject()), model: model)
        var turn = ChatTurn(model: model, messages: messages, tools: tools, shared: shared)
        turn.wantedTokenCount = wanted
        turn.promptField = kind.promptField
        generation = try turn.prepare(limits: options, preparation)
    }

    /// A prompt as it is, or with a text behind it, without a template.
    private static func plain(
        _ fields: FieldReader, _ suffix: String?, _ sampling: FieldReader, _ shared: SamplingFields, _ wanted: Int?,
        _ model: ServedModel, _ options: APIOptions
    ) throws(APIError) -> PreparedGeneration? {
        let prompt = try fields.string("prompt") ?? ""
        guard !prompt.isEmpty || suffix != nil else { return nil }
        var shared = shared
        let prompts: [[TokenID]]
        if let suffix {
            prompts = try InfillPrompt.encode(
                [prompt], suffix: suffix, addsBOS: true, promptField: "prompt", model: model)
            shared.endsWithInfill(model)
        } else {
            prompts = try PreparedGeneration.encode([prompt], addsBOS: true, promptField: "prompt", model: model)
        }
        try PreparedGeneration.checkNotEmpty(prompts, promptField: "prompt")
        try shared.setOutputTokenCount(
            try PreparedGeneration.outputTokenCount(
                prompts: prompts, wanted: wanted, fallback: nil, promptField: "prompt", model: model, options: options),
            sampling)
        return PreparedGeneration(
            model: model, request: shared.request(model: model, prompts: prompts), streams: shared.streams)
    }

    /// `num_predict`: -1 and -2 are as much as the context leaves.
    private static func outputLimit(_ options: FieldReader) throws(APIError) -> Int? {
        guard let count = try options.integer("num_predict", in: -2...Int(Int32.max)) else { return nil }
        guard count != 0 else {
            throw .invalid(
                options.parameter("num_predict"), code: "invalid_value",
                "\(options.parameter("num_predict")) must be at least 1, or -1 for what the context leaves.")
        }
        return count > 0 ? count : nil
    }

    /// `repeat_penalty`, which looks at the whole context here.
    private static func readPenalty(_ options: FieldReader, _ shared: inout SamplingFields) throws(APIError) {
        let window = try options.integer("repeat_last_n", in: -1...Int(Int32.max))
        guard let penalty = try options.number("repeat_penalty", in: 0.01...10), penalty != 1, window != 0 else {
            return
        }
        guard window ?? -1 == -1 else {
            throw .unsupported(options.parameter("repeat_last_n"), "repeat_penalty looks at the whole context")
        }
        shared.sampling.repetitionPenalty = penalty
    }

    /// `format`: "json" or a schema.
    private static func constraint(_ fields: FieldReader) throws(APIError) -> OutputConstraint? {
        switch fields.value("format") {
        case nil, .string("")?: return nil
        case .string("json")?: return .jsonObject
        case .object(let schema)?: return .jsonSchema(.object(schema))
        case let other?: throw fields.wrongKind("format", wanted: "\"json\" or a JSON Schema", other)
        }
    }

    private static let refused = RefusedFields.Table([
        .init("think", .isFalse, "the model has no thinking apart from its answer"),
        .init("logprobs", .isFalse, "use /v1/chat/completions"),
        .init("top_logprobs", .number(0), "use /v1/chat/completions"),
        .init("images", .empty, "the model reads text"),
        .init("template", .empty, "the template is the model's own; raw leaves it out"),
        .init("context", .empty, "send the conversation as messages to /api/chat"),
    ])

    /// Beside those of vLLM that no dialect has. How a model is loaded (`num_ctx`, `num_gpu`, `num_thread` …) is the
    /// workers' affair: those are ignored.
    private static let refusedOptions = RefusedFields.Table(
        RefusedFields.common + [
            .init("tfs_z", .number(1), "there is no such way of sampling here"),
            .init("n", .number(1), "a request has one answer"),
            .init("prompt_logprobs", .nothing, "no field holds them"),
            .init("stream", .nothing, "it stands beside options"),
            .init("stream_options", .nothing, "the last line always has the counts"),
        ])
}

/// From Ollama's messages to those of a template.
enum OllamaMessages {
    static func read(_ fields: FieldReader, _ options: APIOptions) throws(APIError) -> [ChatMessage] {
        var messages: [ChatMessage] = []
        for (index, value) in (try fields.array("messages", countMax: options.messageCountMax) ?? []).enumerated() {
            let path = "messages[\(index)]"
            guard case .object(let object) = value else {
                throw FieldReader.wrongKind(path, wanted: "an object", value)
            }
            messages.append(try message(FieldReader(object, path: path)))
        }
        return messages
    }

    /// Of `/api/generate`; none for an empty prompt.
    static func ofPrompt(_ fields: FieldReader) throws(APIError) -> [ChatMessage] {
        let system = try fields.string("system") ?? ""
        guard let prompt = try fields.string("prompt"), !prompt.isEmpty else { return [] }
        let user = ChatMessage(role: "user", content: prompt)
        return system.isEmpty ? [user] : [ChatMessage(role: "system", content: system), user]
    }

    private static func message(_ fields: FieldReader) throws(APIError) -> ChatMessage {
        guard let role = try fields.string("role") else { throw fields.missing("role") }
        guard ["system", "user", "assistant", "tool"].contains(role) else {
            throw .invalid(
                fields.parameter("role"), code: "invalid_value",
                "\(fields.parameter("role")) must be system, user, assistant or tool, "
                    + "but \"\(role.prefix(40))\" was given.")
        }
        try RefusedFields.check(fields, against: refused)
        let calls = role == "assistant" ? try ToolFields.calls(fields) : []
        let content = try fields.string("content")
        guard content != nil || !calls.isEmpty else { throw fields.missing("content") }
        var message = ChatMessage(role: role, content: content, name: try fields.string("tool_name"))
        message.toolCalls = calls
        if role == "tool" { message.toolCallID = try fields.string("tool_call_id") }
        return message
    }

    private static let refused = RefusedFields.Table([
        .init("images", .empty, "the model reads text"),
        .init("thinking", .empty, "the model has no thinking apart from its answer"),
    ])
}
