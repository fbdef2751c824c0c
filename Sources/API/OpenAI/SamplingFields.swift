import Inference
import JSON
import Serving
import Text

/// The fields that chats and completions share.
struct SamplingFields {
    var sampling = SamplingParameters()
    var choiceCount = 1
    var stopStrings: [String] = []
    var includesStopString = false
    var skipsSpecialTokens = true
    var priority = 0
    var salt: UInt64 = 0
    var promptLogprobCount: Int?
    var streams = false
    var includesUsage = false
    var reportsUsageContinuously = false

    /// Reads all but the limits of the output, which need the prompt's length.
    init(_ fields: FieldReader, model: ServedModel, preparation: borrowing Preparation) throws(APIError) {
        try readSampling(fields, preparation.options)
        sampling.seed =
            try fields.integer("seed", in: Int.min...Int.max).map { UInt64(bitPattern: Int64($0)) } ?? preparation.seed
        sampling.logitBias = try Self.logitBias(fields, model, countMax: preparation.options.logitBiasCountMax)
        sampling.stopTokens = try Self.stopTokens(fields, model, countMax: preparation.options.stopTokenCountMax)
        sampling.constraint = try ConstraintFields.read(fields, ends: sampling.stopTokens, preparation)
        stopStrings = try Self.stopStrings(fields, "stop", preparation.options)
        choiceCount = try fields.integer("n", in: 1...preparation.options.choiceCountMax) ?? 1
        includesStopString = try fields.bool("include_stop_str_in_output") ?? false
        skipsSpecialTokens = try fields.bool("skip_special_tokens") ?? true
        // vLLM's meaning: lower goes first. Ours is the other way round.
        priority = try Self.priority(fields)
        salt = try Self.salt(fields)
        promptLogprobCount = try fields.integer("prompt_logprobs", in: 0...preparation.options.logprobCountMax)
        try readStream(fields)
        _ = try fields.string("user")
        _ = try fields.object("metadata")
    }

    private mutating func readSampling(_ fields: FieldReader, _ options: APIOptions) throws(APIError) {
        sampling.temperature = try fields.number("temperature", in: 0...2) ?? options.defaultTemperature
        // 0 is allowed by OpenAI and means the likeliest token alone, as any share does that is small enough.
        sampling.topP = max(try fields.number("top_p", in: 0...1) ?? options.defaultTopP, 1e-6)
        sampling.topK = max(try fields.integer("top_k", in: -1...Int(Int32.max)) ?? options.defaultTopK, 0)
        sampling.minP = try fields.number("min_p", in: 0...1) ?? 0
        sampling.repetitionPenalty = try fields.number("repetition_penalty", in: 0.01...10) ?? 1
        sampling.presencePenalty = try fields.number("presence_penalty", in: -2...2) ?? 0
        sampling.frequencyPenalty = try fields.number("frequency_penalty", in: -2...2) ?? 0
    }

    private mutating func readStream(_ fields: FieldReader) throws(APIError) {
        streams = try fields.bool("stream") ?? false
        if let streamOptions = try fields.object("stream_options") {
            guard streams else {
                throw .invalid(
                    "stream_options", code: "invalid_value", "stream_options is only allowed when stream is true.")
            }
            includesUsage = try streamOptions.bool("include_usage") ?? false
            reportsUsageContinuously =
                try streamOptions.bool("continuous_usage_stats") ?? false && includesUsage
        }
        guard !streams || promptLogprobCount == nil else {
            throw .invalid(
                "prompt_logprobs", code: "invalid_value", "prompt_logprobs is only allowed when stream is false.")
        }
    }

    /// vLLM's order: lower goes first.
    static func priority(_ fields: FieldReader) throws(APIError) -> Int {
        -(try fields.integer("priority", in: -1_000...1_000) ?? 0)
    }

    /// Reads `min_tokens` once the output's limit is known.
    mutating func setOutputTokenCount(_ count: Int, _ fields: FieldReader) throws(APIError) {
        sampling.maxTokens = count
        let minimum = try fields.integer("min_tokens", in: 0...Int(Int32.max)) ?? 0
        guard minimum <= count else {
            throw .invalid(
                "min_tokens", code: "integer_above_max_value",
                "min_tokens is \(minimum), but the answer has at most \(count) tokens.")
        }
        sampling.minTokens = minimum
    }

    func request(model: ServedModel, prompts: [[TokenID]]) -> GenerationRequest {
        var request = GenerationRequest(model: model.name, prompts: prompts, sampling: sampling)
        request.choiceCount = choiceCount
        request.stopStrings = stopStrings
        request.includesStopString = includesStopString
        request.skipsSpecialTokens = skipsSpecialTokens
        request.priority = priority
        request.salt = salt
        return request
    }
}

extension SamplingFields {
    private static func logitBias(
        _ fields: FieldReader, _ model: ServedModel, countMax: Int
    ) throws(APIError) -> [LogitBias] {
        guard let biases = try fields.object("logit_bias")?.object.members else { return [] }
        guard biases.count <= countMax else {
            throw fields.tooMany("logit_bias", count: biases.count, countMax: countMax)
        }
        var list: [LogitBias] = []
        for member in biases {
            // Only the plain decimal spelling, so that no token can come twice.
            guard let token = TokenID(member.name), String(token) == member.name else {
                throw .invalid(
                    "logit_bias", code: "invalid_value",
                    "logit_bias is keyed by token ids, but has a key that is not one.")
            }
            let parameter = "logit_bias.\(member.name)"
            _ = try tokenID(.integer(Int64(token)), at: parameter, model)
            list.append(
                LogitBias(token: token, bias: try FieldReader.number(member.value, at: parameter, in: -100...100)))
        }
        return list.sorted { $0.token < $1.token }
    }

    private static func stopTokens(
        _ fields: FieldReader, _ model: ServedModel, countMax: Int
    ) throws(APIError) -> [TokenID] {
        let ends = try fields.bool("ignore_eos") ?? false ? [] : model.tokenizer.endTokens
        guard let wanted = try fields.array("stop_token_ids", countMax: countMax), !wanted.isEmpty else { return ends }
        var tokens = Set(ends)
        for (index, value) in wanted.enumerated() {
            tokens.insert(try tokenID(value, at: "stop_token_ids[\(index)]", model))
        }
        return tokens.sorted()
    }

    /// A token id from outside: whole, and in the model's vocabulary.
    static func tokenID(
        _ value: JSONValue, at parameter: @autoclosure () -> String, _ model: ServedModel
    ) throws(APIError) -> TokenID {
        if case .integer(let number) = value, number >= 0, number < model.tokenizer.vocabularySize,
            let token = TokenID(exactly: number)
        {
            return token
        }
        let last = max(min(model.tokenizer.vocabularySize, Int(TokenID.max)) - 1, 0)
        return TokenID(
            truncatingIfNeeded: try FieldReader.integer(value, at: parameter(), in: 0...last))
    }

    /// A string or a list of strings.
    static func stopStrings(
        _ fields: FieldReader, _ name: String, _ options: APIOptions
    ) throws(APIError) -> [String] {
        guard let value = fields.value(name) else { return [] }
        let path = fields.parameter(name)
        var strings: [String] = []
        switch value {
        case .string(let string):
            try check(stopString: string, at: path, options)
            strings.append(string)
        case .array:
            for (index, element) in (try fields.array(name, countMax: options.stopStringCountMax) ?? []).enumerated() {
                let parameter = "\(path)[\(index)]"
                guard case .string(let string) = element else {
                    throw FieldReader.wrongKind(parameter, wanted: "a string", element)
                }
                try check(stopString: string, at: parameter, options)
                strings.append(string)
            }
        case .null, .bool, .integer, .unsigned, .double, .object:
            throw fields.wrongKind(name, wanted: "a string or a list of strings", value)
        }
        return strings
    }

    private static func check(
        stopString: String, at parameter: String, _ options: APIOptions
    ) throws(APIError) {
        let limit = options.stopStringByteCountMax
        guard !stopString.isEmpty else {
            throw .invalid(parameter, code: "invalid_value", "\(parameter) is empty.")
        }
        guard stopString.utf8.count <= limit else {
            throw .invalid(
                parameter, code: "string_above_max_length",
                "\(parameter) may have \(limit) bytes at most, but has \(stopString.utf8.count).")
        }
    }

    /// Requests with different salts share no cached prefixes.
    private static func salt(_ fields: FieldReader) throws(APIError) -> UInt64 {
        guard let text = try fields.string("cache_salt") else { return 0 }
        guard (1...256).contains(text.utf8.count) else {
            throw .invalid(
                "cache_salt", code: text.isEmpty ? "invalid_value" : "string_above_max_length",
                "cache_salt must have 1 to 256 bytes, but has \(text.utf8.count).")
        }
        return PrefixHash.next(after: 0, page: text.utf8.map { TokenID($0) }[...])
    }
}
