import Inference
import NIOCore
import Serving
import Text

/// `POST /v1/chat/completions`
enum ChatCompletions {
    static func answer(_ call: APICall) {
        call.withBody { (body, preparation) throws(APIError) in
            var prepared = try prepare(body, preparation)
            prepared.bind(to: body, route: "/v1/chat/completions", options: preparation.options)
            return prepared
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
        let logprobCount = try logprobCount(fields, countMax: preparation.options.logprobCountMax)
        shared.sampling.logprobs = logprobCount
        shared.sampling.promptLogprobs = shared.promptLogprobCount
        var turn = ChatTurn(model: model, messages: messages, tools: tools, shared: consume shared)
        turn.wantedTokenCount = try outputLimit(fields)
        turn.template = try TemplateFields(fields)
        turn.addsSpecialTokens = try fields.bool("add_special_tokens") ?? true
        var prepared = try turn.prepare(limits: fields, preparation)
        prepared.logprobCount = logprobCount
        return prepared
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
