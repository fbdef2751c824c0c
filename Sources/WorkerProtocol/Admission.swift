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
            sampling: try SamplingParameters(wire.sampling), priority: Int(wire.priority), salt: wire.salt,
            resumes: wire.resumes)
        if wire.hasTrace { trace = try TraceContext(wire.trace) }
        guard wire.hasPooling else { return }
        pooling = Pooling()
        if wire.pooling.hasSecondStart {
            pooling?.secondStart = try FieldChecks.integer(
                "pooling.second_start", wire.pooling.secondStart, in: 0...tokens.count)
        }
    }

    /// About what `write` writes: nearly all tokens take three bytes at most.
    var wireByteCount: Int {
        160 + tokens.count * 3 + sampling.logitBias.count * 9 + sampling.stopTokens.count * 3
    }

    /// As `Admit` of worker.proto.
    func write(into writer: inout WireWriter) {
        writer.write(id.rawValue, 1)
        writer.write(tokens, 2)
        writer.write(UInt64(UInt32(count: promptTokenCount)), 3)
        writer.write(4) { sampling.write(into: &$0) }
        writer.write(signed: Int32(clamping: priority), 5)
        writer.write(fixed: salt, 6)
        if let pooling { writer.write(7) { pooling.write(into: &$0) } }
        if let trace { writer.write(message: trace.wire.encoded(), 8) }
        if resumes { writer.write(UInt64(1), 9) }
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

    /// As `Sampling` of worker.proto.
    fileprivate func write(into writer: inout WireWriter) {
        writer.write(temperature, 1)
        writer.write(UInt64(UInt32(count: topK)), 2)
        writer.write(topP, 3)
        writer.write(minP, 4)
        writer.write(repetitionPenalty, 5)
        writer.write(presencePenalty, 6)
        writer.write(frequencyPenalty, 7)
        writer.write(logitBias.map(\.token), 8)
        writer.write(logitBias.map(\.bias), 9)
        writer.write(fixed: seed, 10)
        writer.write(UInt64(UInt32(count: maxTokens)), 11)
        writer.write(UInt64(UInt32(count: minTokens)), 12)
        writer.write(stopTokens, 13)
        if let logprobs { writer.write(present: UInt64(UInt32(count: logprobs)), 14) }
        if let promptLogprobs { writer.write(present: UInt64(UInt32(count: promptLogprobs)), 15) }
        if let constraint { writer.write(message: constraint.wire.encoded(), 16) }
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

extension TraceContext {
    init(_ wire: WireTrace) throws(WireError) {
        guard let traceID = TraceID(high: wire.traceIDHigh, low: wire.traceIDLow) else {
            throw .missing(field: "trace.trace_id_high and trace.trace_id_low")
        }
        guard let spanID = SpanID(wire.spanID) else { throw .missing(field: "trace.span_id") }
        let state =
            wire.state.isEmpty
            ? "" : try FieldChecks.name("trace.state", wire.state, byteMax: Self.stateByteMax)
        self.init(traceID: traceID, spanID: spanID, isSampled: true, state: state)
    }

    var wire: WireTrace {
        var wire = WireTrace()
        wire.traceIDHigh = traceID.high
        wire.traceIDLow = traceID.low
        wire.spanID = spanID.rawValue
        wire.state = state
        return wire
    }
}

extension Pooling {
    /// As `Pooling` of worker.proto.
    fileprivate func write(into writer: inout WireWriter) {
        if let secondStart { writer.write(present: UInt64(UInt32(count: secondStart)), 1) }
    }
}
