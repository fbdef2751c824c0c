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
}
