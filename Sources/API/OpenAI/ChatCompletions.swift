import Inference
import NIOCore
import Serving
import Text

/// `POST /v1/chat/completions`
enum ChatCompletions {
    static func answer(_ call: APICall) {
        call.withBody { (body, preparation) throws(APIError) in
            try prepare(body, preparation).bound(to: body, route: "/v1/chat/completions", options: preparation.options)
        } then: { prepared in
            GenerationSession.start(call, prepared, promptField: "messages") { ChatEncoder($0, name: $1) }
        }
    }

    static func prepare(_ body: [UInt8], _ preparation: Preparation) throws(APIError) -> PreparedGeneration {
        let fields = try FieldReader.body(body)
        let model = try preparation.generator(fields, promptField: "messages")
        try RefusedFields.check(fields, against: RefusedFields.chat)
        let messages = try ChatMessages.read(fields, options: preparation.options)
        let tools = try ToolFields(fields, model: model)
        var shared = try SamplingFields(fields, model: model, preparation: preparation)
        if let constraint = try tools.constraint() {
            guard shared.sampling.constraint == nil else {
                throw .invalid(
                    "tool_choice", code: "invalid_value",
                    "tool_choice asks for a call, but another field says what the answer must be: give one of them.")
            }
            try ConstraintFields.check(constraint, "tools", ends: shared.sampling.stopTokens)
            shared.sampling.constraint = constraint
        }
        let logprobCount = try logprobCount(fields, countMax: preparation.options.logprobCountMax)
        let wanted = try outputLimit(fields)

        try PreparedGeneration.checkFits(
            byteCount: ChatMessages.byteCount(messages), promptField: "messages", model: model)
        var text = try ChatMessages.render(
            messages, tools: tools.definitions, addsGenerationPrompt: try fields.bool("add_generation_prompt") ?? true,
            model: model)
        if let calls = tools.calls, calls.isForced { text += calls.dialect.forcedOpening }
        let prompt = model.tokenizer.encode(
            text, parsesSpecialTokens: true, addsBOS: try fields.bool("add_special_tokens") ?? true)
        guard !prompt.isEmpty else {
            throw .invalid("messages", code: "invalid_value", "The messages make an empty prompt.")
        }
        try shared.setOutputTokenCount(
            try PreparedGeneration.outputTokenCount(
                prompts: [prompt], wanted: wanted, fallback: nil, promptField: "messages", model: model,
                options: preparation.options), fields)
        shared.sampling.logprobs = logprobCount
        shared.sampling.promptLogprobs = shared.promptLogprobCount
        var request = shared.request(model: model, prompts: [prompt])
        // The marks of calls must be seen.
        if tools.calls?.dialect.hasSpecialMarks == true { request.skipsSpecialTokens = false }
        return PreparedGeneration(
            model: model, request: request, streams: shared.streams,
            includesUsage: shared.includesUsage, reportsUsageContinuously: shared.reportsUsageContinuously,
            logprobCount: logprobCount, promptLogprobCount: shared.promptLogprobCount, toolCalls: tools.calls)
    }

    /// `max_completion_tokens`, or `max_tokens` as it was called before.
    private static func outputLimit(_ fields: FieldReader) throws(APIError) -> Int? {
        let range = 1...Int(Int32.max)
        let old = try fields.integer("max_tokens", in: range)
        return try fields.integer("max_completion_tokens", in: range) ?? old
    }

    private static func logprobCount(_ fields: FieldReader, countMax: Int) throws(APIError) -> Int? {
        let isWanted = try fields.bool("logprobs") ?? false
        let count = try fields.integer("top_logprobs", in: 0...countMax)
        guard isWanted || count ?? 0 == 0 else {
            throw .invalid(
                "top_logprobs", code: "invalid_value", "top_logprobs is only allowed when logprobs is true.")
        }
        return isWanted ? count ?? 0 : nil
    }
}
