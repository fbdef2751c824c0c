import Inference
import JSON
import Serving
import Text

/// A v2 request that has been read, checked and tokenized, with what its answer will need.
struct PreparedInference: PreparedRequest {
    var generation: PreparedGeneration
    var id: String
    /// In the order of the answer.
    var outputs: [TextOutput]
    /// Those that are sent as bytes.
    var binaryOutputs: Set<TextOutput>
    /// Of outputs with one element for each answer.
    var answerShape: [Int]
    /// Datatype and rank of `output_ids`: those of `input_ids`.
    var tokenType: TensorType
    var tokenRank: Int
    var wantsEmptyFinalResponse: Bool

    var model: ServedModel { generation.model }
    var serviceRequest: GenerationRequest? { generation.request }
}

extension TextModelRequest {
    /// How the call may answer.
    enum Delivery {
        /// One response: `infer`, `generate`.
        case whole
        /// As many as it takes: `generate_stream`, `ModelStreamInfer`.
        case stream
    }

    func prepare(_ delivery: Delivery, model: ServedModel, _ preparation: Preparation) throws(APIError)
        -> PreparedInference
    {
        guard model.pooledOutput == nil else { return try prepareReading(model, preparation.options) }
        let options = preparation.options
        let fields = FieldReader(sampling)
        let streams = try streams(delivery)
        try RefusedFields.check(fields, against: Self.refused)
        var shared = try SamplingFields(fields, model: model, preparation: preparation)
        try Completions.checkBestOf(fields, choiceCount: shared.choiceCount)
        let wanted = try fields.integer("max_tokens", in: 1...Int(Int32.max))
        let logprobCount = try fields.integer("logprobs", in: 0...options.logprobCountMax)
        let outputs = try chosenOutputs(model)

        let field = promptField
        let prompts = try prompts(model, addsBOS: try fields.bool("add_special_tokens") ?? true, options)
        let answerCount = try PreparedGeneration.answerCount(
            promptCount: prompts.count, choiceCount: shared.choiceCount, options: options)
        if answerCount > 1 {
            guard !streams else {
                throw .unsupported(TextInput.stream.rawValue, "this request makes \(answerCount) answers, not one")
            }
            guard !outputs.contains(.tokens) else {
                throw .unsupported(TextOutput.tokens.rawValue, "\(answerCount) answers differ in length")
            }
        }
        try shared.setOutputTokenCount(
            try PreparedGeneration.outputTokenCount(
                prompts: prompts, wanted: wanted, fallback: options.defaultCompletionTokens, promptField: field,
                model: model, options: options), fields)
        let showsLogprobs = outputs.contains(.logprobs) || outputs.contains(.cumulativeLogprob)
        shared.sampling.logprobs = showsLogprobs ? logprobCount ?? 0 : nil
        var request = shared.request(model: model, prompts: prompts)
        request.queueTimeoutSeconds = queueTimeoutSeconds
        let generation = PreparedGeneration(
            model: model, request: request, streams: streams, logprobCount: shared.sampling.logprobs,
            echoedPrompts: flag(.excludesPrompt) == false ? texts(of: prompts, model) : nil)
        return PreparedInference(
            generation: generation, id: id, outputs: outputs, binaryOutputs: binaryOutputs(outputs),
            answerShape: answerShape(promptCount: prompts.count, choiceCount: shared.choiceCount),
            tokenType: tokenType, tokenRank: max(shape.count, 1), wantsEmptyFinalResponse: wantsEmptyFinalResponse)
    }

    /// Of a model that reads whole texts: a vector for each.
    private func prepareReading(_ model: ServedModel, _ options: APIOptions) throws(APIError) -> PreparedInference {
        guard case .vector = model.pooledOutput else {
            throw .invalid(
                "model", code: "model_does_not_embed",
                "The model \"\(model.name)\" scores pairs of texts: ask /v1/score or /v1/rerank.")
        }
        guard flag(.stream) != true else {
            throw .unsupported(TextInput.stream.rawValue, "vectors come whole")
        }
        let fields = FieldReader(sampling)
        try RefusedFields.check(fields, against: RefusedFields.embedding)
        let outputs = try chosenOutputs(model)
        let prompts = try prompts(model, addsBOS: try fields.bool("add_special_tokens") ?? true, options)
        let reading = try PreparedReading(fields, prompts.map { ($0, Pooling()) }, model: model) {
            prompts.count == 1 ? promptField : "\(promptField)[\($0)]"
        }
        var request = reading.request
        request.queueTimeoutSeconds = queueTimeoutSeconds
        return PreparedInference(
            generation: PreparedGeneration(model: model, request: request, streams: false), id: id, outputs: outputs,
            binaryOutputs: binaryOutputs(outputs), answerShape: [prompts.count], tokenType: tokenType,
            tokenRank: max(shape.count, 1), wantsEmptyFinalResponse: wantsEmptyFinalResponse)
    }

    /// What completions refuse, and what only they have.
    private static let refused = RefusedFields.Table(
        RefusedFields.completion.rows + [
            .init("suffix", .empty, "ask /v1/completions"),
            .init("echo", .isFalse, "set exclude_input_in_output to false"),
            .init("prompt_logprobs", .nothing, "no output holds them"),
            .init("stream_options", .nothing, "ask for the outputs num_input_tokens and num_output_tokens"),
            .init("details", .isFalse, "ask for the outputs finish_reason and logprobs"),
        ])

    private func streams(_ delivery: Delivery) throws(APIError) -> Bool {
        let stream = TextInput.stream.rawValue
        guard delivery == .stream else {
            guard flag(.stream) != true else {
                throw .invalid(
                    stream, code: "invalid_value",
                    "\(stream) must be false here: generate_stream and ModelStreamInfer answer in pieces.")
            }
            return false
        }
        let streams = flag(.stream) ?? true
        guard !streams || flag(.excludesPrompt) != false else {
            let field = TextInput.excludesPrompt.rawValue
            throw .invalid(field, code: "invalid_value", "\(field) must not be false when \(stream) is true.")
        }
        return streams
    }
}

// Outputs.
extension TextModelRequest {
    /// Those named, else the text, token ids for token ids, and what `return_…` asks for.
    private func chosenOutputs(_ model: ServedModel) throws(APIError) -> [TextOutput] {
        guard outputs.isEmpty else {
            var chosen: [TextOutput] = []
            for requested in outputs {
                let known = model.tensorOutputs
                guard let output = TextOutput(rawValue: requested.name), known.contains(output) else {
                    let names = known.map(\.rawValue).joined(separator: ", ")
                    let kind = model.pooledOutput == nil ? "a text model" : "an embedding model"
                    throw .invalid(
                        "outputs", code: "unknown_output",
                        "\"\(requested.name.prefix(64))\" is no output of \(kind). Outputs are \(names).")
                }
                if !chosen.contains(output) { chosen.append(output) }
            }
            return chosen
        }
        var chosen: [TextOutput] = [model.pooledOutput == nil ? .text : .embedding]
        if case .tokens = prompt, model.pooledOutput == nil { chosen.append(.tokens) }
        for input in TextInput.allCases where flag(input) == true {
            if let output = input.output, model.tensorOutputs.contains(output) { chosen.append(output) }
        }
        return chosen
    }

    private func binaryOutputs(_ chosen: [TextOutput]) -> Set<TextOutput> {
        Set(
            chosen.filter { output in
                outputs.first { $0.name == output.rawValue }?.isBinary ?? isBinaryWanted
            })
    }

    /// [n] for n answers; [n,1] for prompts in a tensor of [n,1]; [n,m] for n prompts with m answers each.
    private func answerShape(promptCount: Int, choiceCount: Int) -> [Int] {
        if shape.count == 2 { return [promptCount, choiceCount] }
        if promptCount == 1 || choiceCount == 1 { return [promptCount * choiceCount] }
        return [promptCount, choiceCount]
    }

    private var tokenType: TensorType {
        if case .tokens(_, let type) = prompt { return type }
        return .int64
    }
}

// Prompts.
extension TextModelRequest {
    private var promptField: String {
        if case .tokens = prompt { TextInput.tokens.rawValue } else { TextInput.text.rawValue }
    }

    private func prompts(
        _ model: ServedModel, addsBOS: Bool, _ options: APIOptions
    ) throws(APIError) -> [[TokenID]] {
        let field = promptField
        var prompts: [[TokenID]] = []
        switch prompt {
        case nil: throw Self.noPrompt
        case .tokens(let ids, _):
            var tokens: [TokenID] = []
            tokens.reserveCapacity(ids.count)
            for (index, id) in ids.enumerated() {
                tokens.append(try SamplingFields.tokenID(.integer(id), at: "\(field)[\(index)]", model))
            }
            prompts = [tokens]
        case .texts(let texts):
            guard texts.count <= options.promptCountMax else {
                throw FieldReader(JSONObject()).tooMany(field, count: texts.count, countMax: options.promptCountMax)
            }
            prompts = try PreparedGeneration.encode(texts, addsBOS: addsBOS, promptField: field, model: model)
        }
        try PreparedGeneration.checkNotEmpty(prompts, promptField: field)
        return prompts
    }

    /// As they were given, or decoded.
    private func texts(of prompts: [[TokenID]], _ model: ServedModel) -> [String] {
        if case .texts(let texts) = prompt { return texts }
        return prompts.map { model.tokenizer.decode($0, skipsSpecialTokens: false) }
    }
}
