/// Gemma 2: GeGLU, norms before and behind each branch, scaled embeddings, bounded scores and logits; every other layer,
/// from the first, sees a window only. The 1 that Gemma adds to its norms' weights is in the file's numbers already.
///
/// Source: "Gemma 2", 2024; keys and what they are when missing as in GGUF files.
enum Gemma2 {
    private static let ownKeys: Set = [
        "attn_logit_softcapping", "final_logit_softcapping", "attention.scale", "attention.sliding_window_pattern",
    ]

    static func spec(_ source: SpecSource) throws(ModelError) -> ModelSpec {
        let keys = DecoderKeys(source, "gemma2")
        var spec = try keys.spec(pairing: .halves, own: ownKeys)
        spec.takeGemmaBlocks()
        spec.scoreCap = try keys.cap("attn_logit_softcapping", otherwise: 50)
        spec.logitCap = try keys.cap("final_logit_softcapping", otherwise: 30)
        try keys.readWindow(into: &spec, period: 2, otherwise: 4096)
        // The 27B's heads are smaller than its width tells.
        try keys.readAttentionScale(into: &spec, isScaledByWidth: spec.layerCount == 46)
        return spec
    }

    static func spec(_ config: DecoderConfig) throws(ModelError) -> ModelSpec {
        var spec = try config.gemmaSpec("gemma2") { size throws(ModelError) in try config.rope(size, base: 10_000) }
        spec.scoreCap = try config.cap("attn_logit_softcapping", otherwise: 50)
        spec.logitCap = try config.cap("final_logit_softcapping", otherwise: 30)
        try config.readWindow(into: &spec) { $0 % 2 == 0 }
        return spec
    }
}

extension DecoderConfig {
    /// What the Gemma families share.
    func gemmaSpec(
        _ architecture: String, rope: @escaping (Int) throws(ModelError) -> RopeSpec
    ) throws(ModelError) -> ModelSpec {
        try fields.expect("hidden_activation", "gelu_pytorch_tanh")
        guard fields.value("head_dim") != nil else { throw fields.bad("head_dim", "a multiple of 16 up to 256") }
        var spec = try self.spec(architecture, tiesOutput: true, rope: rope)
        spec.takeGemmaBlocks()
        let scale = try fields.requiredNumber("query_pre_attn_scalar")
        guard scale > 1e-3, scale < 1e6 else { throw fields.bad("query_pre_attn_scalar", "0.001 to 1000000") }
        spec.attentionScale = 1 / Float(scale).squareRoot()
        return spec
    }
}

extension HuggingFaceNames {
    /// What the Gemma families share.
    static var gemma: HuggingFaceNames {
        var names = HuggingFaceNames()
        names.inside["post_attention_norm"] = "post_attention_layernorm"
        names.inside["ffn_norm"] = "pre_feedforward_layernorm"
        names.inside["post_ffw_norm"] = "post_feedforward_layernorm"
        names.addsOneToNorms = true
        return names
    }
}
