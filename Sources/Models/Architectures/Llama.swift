/// The Llama family: SmolLM2, Llama 2 and 3, TinyLlama, Mistral, and Mixtral with its experts. Pre-norm blocks, RMSNorm,
/// grouped-query attention, rotary positions on interleaved pairs (GGUF permutes Q and K for it), SwiGLU.
///
/// Sources: Touvron et al., "LLaMA", 2023; Jiang et al., "Mixtral of Experts", 2024; keys as in GGUF's specification.
enum Llama {
    static func spec(_ source: SpecSource) throws(ModelError) -> ModelSpec {
        let keys = DecoderKeys(source, "llama")
        var spec = try keys.spec(pairing: .interleaved)
        // Llama 3 stores its frequency scaling as one divisor for each pair.
        spec.setFrequencyFactors(try source.vector(TensorName.ropeFactors))
        // Mistral 7B's first version.
        try keys.readWindow(into: &spec, period: 1, otherwise: nil)
        return spec
    }

    static func spec(_ config: DecoderConfig) throws(ModelError) -> ModelSpec {
        try config.fields.expect("hidden_act", "silu")
        var spec = try config.spec("llama")
        try config.readWindow(into: &spec) { _ in true }
        return spec
    }

    static func specOfExperts(_ config: DecoderConfig) throws(ModelError) -> ModelSpec {
        var spec = try spec(config)
        spec.feedForward.experts = ModelSpec.Experts(
            count: try config.fields.requiredCount("num_local_experts"),
            usedCount: try config.fields.requiredCount("num_experts_per_tok"))
        spec.storesExpertsApart = true
        return spec
    }

    static var namesOfExperts: HuggingFaceNames {
        var names = HuggingFaceNames()
        names.inside["ffn_gate_inp"] = "block_sparse_moe.gate"
        names.experts = .init(folder: "block_sparse_moe.experts", gate: "w1", up: "w3", down: "w2")
        return names
    }
}
