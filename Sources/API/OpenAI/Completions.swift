import Inference
import JSON
import NIOCore
import Serving
import Text

/// `POST /v1/completions`
enum Completions {
    static func answer(_ call: APICall) {
        call.withBody { (body, preparation) throws(APIError) in
            var prepared = try prepare(body, preparation)
            prepared.bind(to: body, route: "/v1/completions", options: preparation.options)
            return prepared
        } then: { prepared in
            GenerationSession.start(call, prepared, promptField: "prompt") { prepared, _ in CompletionEncoder(prepared)
            }
        }
    }

    static func prepare(_ body: [UInt8], _ preparation: Preparation) throws(APIError) -> PreparedGeneration {
        let options = preparation.options
        let fields = try FieldReader.body(body)
        let model = try preparation.generator(fields, promptField: "prompt")
        try RefusedFields.check(fields, against: RefusedFields.completion)
        var shared = try SamplingFields(fields, model: model, preparation: preparation)
        try checkBestOf(fields, choiceCount: shared.choiceCount)
        let echoes = try fields.bool("echo") ?? false
        let logprobCount = try fields.integer("logprobs", in: 0...options.logprobCountMax)
        let least = echoes || shared.promptLogprobCount != nil ? 0 : 1
        let wanted = try fields.integer("max_tokens", in: least...Int(Int32.max))

        let suffix = try InfillPrompt.suffix(fields, model: model)
        guard suffix == nil || !echoes else {
            throw .invalid("echo", code: "invalid_value", "echo is not allowed with suffix.")
        }
        let prompts = try CompletionPrompts(
            fields, named: "prompt", suffix: suffix, countMax: options.promptCountMax, model: model)
        if suffix != nil { shared.endsWithInfill(model) }
        _ = try PreparedGeneration.answerCount(
            promptCount: prompts.tokens.count, choiceCount: shared.choiceCount, options: options)
        try shared.setOutputTokenCount(
            try PreparedGeneration.outputTokenCount(
                prompts: prompts.tokens, wanted: wanted, fallback: options.defaultCompletionTokens,
                promptField: "prompt", model: model, options: options), fields)
        shared.sampling.logprobs = logprobCount
        shared.sampling.promptLogprobs = [shared.promptLogprobCount, echoes ? logprobCount : nil].compactMap(\.self)
            .max()
        return PreparedGeneration(
            model: model, request: shared.request(model: model, prompts: prompts.tokens), streams: shared.streams,
            includesUsage: shared.includesUsage, reportsUsageContinuously: shared.reportsUsageContinuously,
            logprobCount: logprobCount, promptLogprobCount: shared.promptLogprobCount,
            echoedPrompts: echoes ? prompts.texts(model) : nil)
    }

    /// Making several answers and keeping the best needs a judgement that sampling here does not make.
    static func checkBestOf(_ fields: FieldReader, choiceCount: Int) throws(APIError) {
        guard let bestOf = try fields.integer("best_of", in: 1...Int(Int32.max)) else { return }
        guard bestOf == 1, choiceCount == 1 else { throw .unsupported("best_of", "use n") }
    }
}

/// `prompt` or `input`: a string, strings, token ids, or lists of token ids.
struct CompletionPrompts {
    var tokens: [[TokenID]] = []
    private var strings: [String]?

    init(
        _ fields: FieldReader, named name: String, suffix: String? = nil, countMax: Int, model: ServedModel
    ) throws(APIError) {
        guard let value = fields.value(name) else { throw fields.missing(name) }
        let addsBOS = try fields.bool("add_special_tokens") ?? true
        switch value {
        case .string(let text): strings = [text]
        case .array(let elements):
            guard let first = elements.first else {
                throw .invalid(name, code: "empty_array", "\(name) is empty.")
            }
            switch first {
            case .integer, .unsigned, .double:
                tokens = [try Self.tokenIDs(elements, at: name, model)]
            case .string:
                strings = try FieldReader.strings(
                    Self.fewEnough(elements, name, fields, countMax), at: name, wanted: "a string like the first")
            case .null, .bool, .array, .object:
                tokens = try Self.tokenLists(Self.fewEnough(elements, name, fields, countMax), name, model)
            }
        case .null, .bool, .integer, .unsigned, .double, .object:
            throw fields.wrongKind(name, wanted: "a string, a list of strings or a list of token ids", value)
        }
        if let strings, let suffix {
            tokens = try InfillPrompt.encode(
                strings, suffix: suffix, addsBOS: addsBOS, promptField: name, model: model)
        } else if suffix != nil {
            throw .invalid("suffix", code: "invalid_value", "suffix is only allowed with a prompt of text.")
        } else if let strings {
            tokens = try PreparedGeneration.encode(strings, addsBOS: addsBOS, promptField: name, model: model)
        }
        try PreparedGeneration.checkNotEmpty(tokens, promptField: name)
    }

    /// The prompts as text: as they were given, or decoded.
    func texts(_ model: ServedModel) -> [String] {
        strings ?? tokens.map { model.tokenizer.decode($0, skipsSpecialTokens: false) }
    }

    private static func fewEnough(
        _ prompts: [JSONValue], _ name: String, _ fields: FieldReader, _ countMax: Int
    ) throws(APIError) -> [JSONValue] {
        guard prompts.count <= countMax else {
            throw fields.tooMany(name, count: prompts.count, countMax: countMax)
        }
        return prompts
    }

    private static func tokenLists(
        _ elements: [JSONValue], _ name: String, _ model: ServedModel
    ) throws(APIError) -> [[TokenID]] {
        var lists: [[TokenID]] = []
        for (index, element) in elements.enumerated() {
            guard case .array(let ids) = element else {
                throw FieldReader.wrongKind(
                    "\(name)[\(index)]",
                    wanted: index == 0
                        ? "a string, a token id or a list of token ids"
                        : "a list of token ids like the first", element)
            }
            lists.append(try tokenIDs(ids, at: "\(name)[\(index)]", model))
        }
        return lists
    }

    static func tokenIDs(
        _ elements: [JSONValue], at path: String, _ model: ServedModel
    ) throws(APIError) -> [TokenID] {
        var tokens: [TokenID] = []
        tokens.reserveCapacity(elements.count)
        for (index, element) in elements.enumerated() {
            tokens.append(try SamplingFields.tokenID(element, at: "\(path)[\(index)]", model))
        }
        return tokens
    }
}
