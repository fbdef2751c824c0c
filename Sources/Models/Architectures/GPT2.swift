/// GPT-2: LayerNorm, a vector for each position, GELU without a gate, biases everywhere; query, key and value are one
/// tensor.
///
/// Source: Radford et al., "Language Models are Unsupervised Multitask Learners", 2019; keys as in GGUF's specification.
enum GPT2 {
    static func spec(_ source: SpecSource) throws(ModelError) -> ModelSpec {
        var spec = try DecoderKeys(source, "gpt2").specOfLearnedPositions()
        spec.norm = .layer
        spec.feedForward.gate = .gelu
        spec.fusesQueryKeyValue = true
        spec.hasAttentionBias = true
        spec.hasBranchBias = true
        return spec
    }
}
