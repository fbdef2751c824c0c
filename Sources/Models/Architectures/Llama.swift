/// The Llama family: SmolLM2, Llama 2 and 3, TinyLlama, Mistral. Pre-norm blocks, RMSNorm, grouped-query attention,
/// rotary positions on interleaved pairs (GGUF permutes Q and K for it), SwiGLU.
///
/// Source: Touvron et al., "LLaMA", 2023; keys as in GGUF's specification.
enum Llama {
    static func spec(_ source: SpecSource) throws(ModelError) -> ModelSpec {
        var spec = try DecoderKeys(source, "llama").spec(pairing: .interleaved)
        // Llama 3 stores its frequency scaling as one divisor for each pair.
        spec.rope.frequencyFactors = try source.vector("rope_freqs.weight")
        return spec
    }
}
