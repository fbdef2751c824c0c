import JSON
import Weights

/// What decoder-only families share of Hugging Face's config.json. Fields that are missing are what transformers takes
/// for them; where that differs by family, they must be there.
struct DecoderConfig {
    let fields: HuggingFaceFields

    init(_ fields: HuggingFaceFields) {
        self.fields = fields
    }

    /// Pre-norm blocks with RMSNorm, rotary positions and a gate: what most families begin with.
    /// - Parameters:
    ///   - architecture: GGUF's name of the family.
    ///   - tiesOutput: where the config does not say.
    ///   - rope: given the size of heads.
    func spec(
        _ architecture: String, tiesOutput: Bool = false, rope: ((Int) throws(ModelError) -> RopeSpec)? = nil
    ) throws(ModelError) -> ModelSpec {
        try refuse(["attention_bias", "mlp_bias", "use_bidirectional_attention"])
        let (width, headCount) = (try fields.requiredCount("hidden_size"), try headCount("num_attention_heads"))
        let headDimension = try fields.count("head_dim") ?? width / headCount
        let rotation = if let rope { try rope(headDimension) } else { try self.rope(headDimension, base: 10_000) }
        return ModelSpec(
            architecture: architecture, name: nil, vocabularySize: try fields.requiredCount("vocab_size"),
            contextLength: try contextLength(), layerCount: try fields.requiredCount("num_hidden_layers"), width: width,
            headCount: headCount, kvHeadCount: try fields.count("num_key_value_heads") ?? headCount,
            headDimension: headDimension, normEpsilon: Float(try fields.requiredNumber("rms_norm_eps")),
            positions: .rotary(rotation), attentionScale: 1 / Float(headDimension).squareRoot(),
            feedForward: ModelSpec.FeedForward(
                gate: .swiglu, width: try fields.requiredCount("intermediate_size"), experts: nil),
            tiesOutput: try fields.flag("tie_word_embeddings") ?? tiesOutput, hasAttentionBias: false)
    }

    func headCount(_ name: String) throws(ModelError) -> Int {
        let count = try fields.requiredCount(name)
        guard count > 0 else { throw fields.bad(name, "1 to 1024") }
        return count
    }

    /// These are false, or the model computes what Apus does not.
    func refuse(_ flags: [String]) throws(ModelError) {
        for name in flags where try fields.flag(name) == true { throw fields.bad(name, "false") }
        // Weights that another program has quantized.
        if fields.value("quantization_config") != nil { throw fields.bad("quantization_config", "none") }
    }

    /// Layers that see the last `sliding_window` tokens only.
    /// - Parameter otherwise: by layer, where `layer_types` does not say.
    func readWindow(into spec: inout ModelSpec, otherwise: (Int) -> Bool) throws(ModelError) {
        guard (1...1024).contains(spec.layerCount) else { return }
        var isWindowed = (0..<spec.layerCount).map(otherwise)
        if let kinds = try fields.strings("layer_types") {
            guard kinds.count == spec.layerCount else {
                throw fields.bad("layer_types", "a list of \(spec.layerCount) kinds of layers")
            }
            isWindowed = []
            for kind in kinds {
                guard ["full_attention", "sliding_attention"].contains(kind) else {
                    throw fields.bad("layer_types", "a list of full_attention and sliding_attention")
                }
                isWindowed.append(kind == "sliding_attention")
            }
        }
        guard isWindowed.contains(true) else { return }
        guard let size = try fields.count("sliding_window"), size > 0 else { return }
        guard size <= 1_048_576 else { throw fields.bad("sliding_window", "1 to 1048576") }
        spec.window = ModelSpec.SlidingWindow(size: size, isWindowed: isWindowed)
    }

    /// A bound of scores or logits; null and 0 are none.
    func cap(_ name: String, otherwise fallback: Double?) throws(ModelError) -> Float? {
        if fields.object[name] == .null { return nil }
        guard let value = try fields.number(name) ?? fallback, value != 0 else { return nil }
        guard value > 1e-3, value < 1e6 else { throw fields.bad(name, "0.001 to 1000000") }
        return Float(value)
    }

    /// One of GGUF's keys as config.json has it, with the file's path.
    func spelled(_ key: String) -> String {
        let ours = [
            "embedding_length": ["hidden_size", "n_embd"], "feed_forward_length": ["intermediate_size", "n_inner"],
            "expert_feed_forward_length": ["moe_intermediate_size", "intermediate_size"],
            "block_count": ["num_hidden_layers", "n_layer"], "attention.head_count": ["num_attention_heads", "n_head"],
            "attention.head_count_kv": ["num_key_value_heads"], "attention.key_length": ["head_dim"],
            "context_length": ["max_position_embeddings", "n_positions"],
            "attention.layer_norm_rms_epsilon": ["rms_norm_eps"],
            "attention.layer_norm_epsilon": ["layer_norm_epsilon"],
            "expert_count": ["num_local_experts", "num_experts"], "expert_used_count": ["num_experts_per_tok"],
            "rope.dimension_count": ["partial_rotary_factor"], "rope.freq_base": ["rope_theta"],
            "rope.scaling.factor": ["rope_scaling.factor"],
        ]
        let names = ours[key] ?? [key]
        return "\(fields.path)'s " + (names.first { fields.value($0) != nil } ?? names[0])
    }
}
