import Inference

extension AdmittedSequence {
    init(_ wire: WireAdmit) throws(WireError) {
        guard wire.hasSampling else { throw .missing(field: "admit.sampling") }
        let tokens = try FieldChecks.tokens("admit.tokens", wire.tokens)
        guard !tokens.isEmpty else { throw .missing(field: "admit.tokens") }
        self.init(
            id: SequenceID(wire.sequence), tokens: tokens,
            promptTokenCount: try FieldChecks.integer(
                "admit.prompt_token_count", wire.promptTokenCount, in: 1...tokens.count),
            sampling: try SamplingParameters(wire.sampling), priority: Int(wire.priority), salt: wire.salt)
    }

    var wire: WireAdmit {
        var wire = WireAdmit()
        wire.sequence = id.rawValue
        wire.tokens = tokens.map { UInt32(bitPattern: $0) }
        wire.promptTokenCount = UInt32(count: promptTokenCount)
        wire.sampling = sampling.wire
        wire.priority = Int32(clamping: priority)
        wire.salt = salt
        return wire
    }
}

extension SamplingParameters {
    init(_ wire: WireSampling) throws(WireError) {
        self.init()
        temperature = try FieldChecks.number("sampling.temperature", wire.temperature, in: 0...2)
        topK = try FieldChecks.integer("sampling.top_k", wire.topK, in: 0...Int(Int32.max))
        topP = try FieldChecks.number("sampling.top_p", wire.topP, in: .leastNonzeroMagnitude...1)
        minP = try FieldChecks.number("sampling.min_p", wire.minP, in: 0...1)
        repetitionPenalty = try FieldChecks.number(
            "sampling.repetition_penalty", wire.repetitionPenalty,
            in: .leastNormalMagnitude...Float.greatestFiniteMagnitude)
        presencePenalty = try FieldChecks.number("sampling.presence_penalty", wire.presencePenalty, in: -2...2)
        frequencyPenalty = try FieldChecks.number("sampling.frequency_penalty", wire.frequencyPenalty, in: -2...2)
        logitBias = try Self.logitBias(wire)
        seed = wire.seed
        maxTokens = try FieldChecks.integer("sampling.max_tokens", wire.maxTokens, in: 0...Int(UInt32.max))
        minTokens = try FieldChecks.integer("sampling.min_tokens", wire.minTokens, in: 0...Int(UInt32.max))
        try FieldChecks.ascending("sampling.stop_tokens", wire.stopTokens)
        stopTokens = try FieldChecks.tokens("sampling.stop_tokens", wire.stopTokens)
        if wire.hasLogprobs {
            logprobs = try FieldChecks.integer("sampling.logprobs", wire.logprobs, in: 0...WireLimits.alternativesMax)
        }
        if wire.hasPromptLogprobs {
            promptLogprobs = try FieldChecks.integer(
                "sampling.prompt_logprobs", wire.promptLogprobs, in: 0...WireLimits.alternativesMax)
        }
        if wire.hasConstraint { constraint = try OutputConstraint(wire.constraint) }
    }

    private static func logitBias(_ wire: WireSampling) throws(WireError) -> [LogitBias] {
        try FieldChecks.count("sampling.biases", wire.biases.count, equals: wire.biasTokens.count)
        try FieldChecks.ascending("sampling.bias_tokens", wire.biasTokens)
        try FieldChecks.finite("sampling.biases", wire.biases)
        let tokens = try FieldChecks.tokens("sampling.bias_tokens", wire.biasTokens)
        return zip(tokens, wire.biases).map { LogitBias(token: $0, bias: $1) }
    }

    var wire: WireSampling {
        var wire = WireSampling()
        wire.temperature = temperature
        wire.topK = UInt32(count: topK)
        wire.topP = topP
        wire.minP = minP
        wire.repetitionPenalty = repetitionPenalty
        wire.presencePenalty = presencePenalty
        wire.frequencyPenalty = frequencyPenalty
        wire.biasTokens = logitBias.map { UInt32(bitPattern: $0.token) }
        wire.biases = logitBias.map(\.bias)
        wire.seed = seed
        wire.maxTokens = UInt32(count: maxTokens)
        wire.minTokens = UInt32(count: minTokens)
        wire.stopTokens = stopTokens.map { UInt32(bitPattern: $0) }
        if let logprobs { wire.logprobs = UInt32(count: logprobs) }
        if let promptLogprobs { wire.promptLogprobs = UInt32(count: promptLogprobs) }
        if let constraint { wire.constraint = constraint.wire }
        return wire
    }
}

extension OutputConstraint {
    init(_ wire: WireConstraint) throws(WireError) {
        guard let code = UInt8(exactly: wire.kind.rawValue), let kind = Kind(rawValue: code) else {
            throw .unknownValue(field: "constraint.kind", value: wire.kind.rawValue)
        }
        self.init(
            kind,
            try FieldChecks.name("constraint.source", wire.source, byteMax: WireLimits.constraintByteMax))
    }

    var wire: WireConstraint {
        var wire = WireConstraint()
        wire.kind = WireConstraintKind(rawValue: Int(kind.rawValue)) ?? .unspecified
        wire.source = source
        return wire
    }
}
