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

    static func spec(_ config: DecoderConfig) throws(ModelError) -> ModelSpec {
        let fields = config.fields
        try config.refuse(["scale_attn_by_inverse_layer_idx", "add_cross_attention"])
        if try fields.flag("scale_attn_weights") == false { throw fields.bad("scale_attn_weights", "true") }
        try fields.expect("activation_function", "gelu_new")
        let (width, headCount) = (try fields.requiredCount("n_embd"), try config.headCount("n_head"))
        guard width <= 65_536 else { throw fields.bad("n_embd", "a multiple of 32 up to 65536") }
        return ModelSpec(
            architecture: "gpt2", name: nil, vocabularySize: try fields.requiredCount("vocab_size"),
            contextLength: try fields.requiredCount("n_positions"), layerCount: try fields.requiredCount("n_layer"),
            width: width, headCount: headCount, kvHeadCount: headCount, headDimension: width / headCount,
            normEpsilon: Float(try fields.requiredNumber("layer_norm_epsilon")), norm: .layer, positions: .learned,
            attentionScale: 1 / Float(width / headCount).squareRoot(),
            feedForward: ModelSpec.FeedForward(
                gate: .gelu, width: try fields.count("n_inner") ?? 4 * width, experts: nil),
            tiesOutput: try fields.flag("tie_word_embeddings") ?? true, hasAttentionBias: true, hasBranchBias: true,
            fusesQueryKeyValue: true, storesTransposed: true)
    }

    static let names = HuggingFaceNames(
        prefixes: ["transformer.", ""], blocks: "h",
        outside: ["token_embd": "wte", "position_embd": "wpe", "output_norm": "ln_f"],
        inside: [
            "attn_norm": "ln_1", "attn_qkv": "attn.c_attn", "attn_output": "attn.c_proj", "ffn_norm": "ln_2",
            "ffn_up": "mlp.c_fc", "ffn_down": "mlp.c_proj",
        ], unused: [".attn.bias", ".attn.masked_bias"])
}
