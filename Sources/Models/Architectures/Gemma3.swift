/// Gemma 3's text models: as Gemma 2, with norms of query and key heads in place of bounded scores. Five layers of six
/// see a window only, and turn at a base of their own, unscaled.
///
/// Source: "Gemma 3 Technical Report", 2025; keys and what they are when missing as in GGUF files.
enum Gemma3 {
    private static let ownKeys: Set = [
        "final_logit_softcapping", "attention.scale", "attention.sliding_window_pattern", "rope.freq_base_swa",
    ]

    static func spec(_ source: SpecSource) throws(ModelError) -> ModelSpec {
        let keys = DecoderKeys(source, "gemma3")
        var spec = try keys.spec(pairing: .halves, own: ownKeys)
        spec.takeGemmaBlocks()
        spec.hasHeadNorms = true
        spec.logitCap = try keys.cap("final_logit_softcapping", otherwise: nil)
        try keys.readWindow(into: &spec, period: 6, otherwise: nil)
        if case .rotary(let rope, _) = spec.positions {
            var windowed = rope
            windowed.base = try source.number(keys.key("rope.freq_base_swa")) ?? 10_000
            windowed.linearFactor = 1
            spec.positions = .rotary(rope, windowed: spec.window == nil ? nil : windowed)
        }
        // As with Gemma 2, the 27B's heads are smaller than its width tells.
        try keys.readAttentionScale(into: &spec, isScaledByWidth: spec.layerCount == 62)
        return spec
    }

    static func spec(_ config: DecoderConfig) throws(ModelError) -> ModelSpec {
        let fields = config.fields
        func rope(_ kind: String, _ size: Int) throws(ModelError) -> RopeSpec {
            try config.rope(size, base: 1_000_000, kind: kind)
        }
        var spec = try config.gemmaSpec("gemma3") { size throws(ModelError) in try rope("full_attention", size) }
        spec.hasHeadNorms = true
        spec.scoreCap = try config.cap("attn_logit_softcapping", otherwise: nil)
        spec.logitCap = try config.cap("final_logit_softcapping", otherwise: nil)
        let named = try fields.count("sliding_window_pattern")
        let period = if let named { named } else { try fields.count("_sliding_window_pattern") ?? 6 }
        guard (1...1024).contains(period) else { throw fields.bad("sliding_window_pattern", "1 to 1024") }
        try config.readWindow(into: &spec) { $0 % period < period - 1 }
        guard spec.window != nil, case .rotary(let whole, _) = spec.positions else { return spec }
        if fields.value("rope_parameters") == nil {
            // Older files tell the base alone: what scales the others' positions leaves these as they are.
            let base = try fields.number("rope_local_base_freq") ?? 10_000
            let windowed = RopeSpec(
                dimensionCount: whole.dimensionCount, base: base, linearFactor: 1, pairing: .halves)
            spec.positions = .rotary(whole, windowed: windowed)
        } else {
            spec.positions = .rotary(whole, windowed: try rope("sliding_attention", spec.headDimension))
        }
        return spec
    }
}

extension ModelSpec {
    /// What the Gemma families share.
    mutating func takeGemmaBlocks() {
        feedForward.gate = .geglu
        hasBranchNorms = true
        embeddingScale = Float(width).squareRoot()
    }

    mutating func setFrequencyFactors(_ factors: [Float]?) {
        guard case .rotary(var rope, let windowed) = positions else { return }
        rope.frequencyFactors = factors
        positions = .rotary(rope, windowed: windowed)
    }
}

extension DecoderKeys {
    /// A bound of scores or logits; 0 is none.
    func cap(_ name: String, otherwise fallback: Double?) throws(ModelError) -> Float? {
        guard let value = try source.number(key(name)) ?? fallback, value != 0 else { return nil }
        guard value > 1e-3, value < 1e6 else {
            throw .badValue(key: key(name), value: "\(value)", expected: "0.001 to 1000000")
        }
        return Float(value)
    }

    /// Every layer but the last of each `period` sees a window only. The context is the model's, whatever the window.
    func readWindow(into spec: inout ModelSpec, period: Int, otherwise fallback: Int?) throws(ModelError) {
        spec.contextLength = try source.requiredCount(key("context_length"))
        guard let size = try source.count(key("attention.sliding_window")) ?? fallback, size > 0 else { return }
        guard size <= 1_048_576 else {
            throw .badValue(key: key("attention.sliding_window"), value: "\(size)", expected: "0 to 1048576")
        }
        let name = "attention.sliding_window_pattern"
        let period = try source.count(key(name)) ?? period
        guard (1...1024).contains(period) else {
            throw .badValue(key: key(name), value: "\(period)", expected: "1 to 1024")
        }
        guard (1...1024).contains(spec.layerCount) else { return }
        spec.window = ModelSpec.SlidingWindow(
            size: size, isWindowed: (0..<spec.layerCount).map { period == 1 || $0 % period < period - 1 })
    }

    func readAttentionScale(into spec: inout ModelSpec, isScaledByWidth: Bool) throws(ModelError) {
        let name = "attention.scale"
        if let scale = try source.number(key(name)), scale != 0 {
            guard scale > 1e-6, scale < 1e3 else {
                throw .badValue(key: key(name), value: "\(scale)", expected: "0.000001 to 1000")
            }
            spec.attentionScale = Float(scale)
        } else if isScaledByWidth {
            spec.attentionScale = 1 / (Float(spec.width) / Float(spec.headCount)).squareRoot()
        }
    }
}
