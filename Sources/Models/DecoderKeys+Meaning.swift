import Weights

/// Keys that change what a model computes. A family's reader honours some; the others must say what is computed anyway,
/// or answers would be wrong without anyone being told.
extension DecoderKeys {
    /// Numbers, and the values that change nothing.
    private static let neutralNumbers: [(key: String, values: [Double])] = [
        ("attn_logit_softcapping", [0]), ("final_logit_softcapping", [0]), ("router_logit_softcapping", [0]),
        ("logit_scale", [0, 1]), ("embedding_scale", [0, 1]), ("residual_scale", [0, 1]), ("attention.scale", [0]),
        ("attention.output_scale", [0, 1]), ("attention.clamp_kqv", [0]), ("attention.max_alibi_bias", [0]),
        ("attention.temperature_scale", [0]), ("expert_weights_scale", [0, 1]), ("rope.scaling.attn_factor", [0, 1]),
        ("swiglu_clamp_exp", [0]), ("swiglu_clamp_shexp", [0]), ("rope.freq_base_swa", []),
    ]

    /// Counts, and the values that change nothing.
    private static let neutralCounts: [(key: String, values: [Int])] = [
        ("expert_shared_count", [0]), ("expert_group_count", [0, 1]), ("expert_gating_func", [0, 1]),
        ("leading_dense_block_count", [0]), ("interleave_moe_layer_step", [0, 1]), ("moe_every_n_layers", [0, 1]),
        ("nextn_predict_layers", [0]), ("attention.shared_kv_layers", [0]), ("attention.temperature_length", [0]),
        ("attention.kv_lora_rank", [0]), ("attention.key_length_swa", []), ("attention.value_length_swa", []),
        ("rope.dimension_count_swa", []), ("attention.sliding_window_pattern", []),
        ("embedding_length_per_layer_input", [0]), ("pooling_type", [0]),
    ]

    private static let neutralFlags: [(key: String, value: Bool)] = [
        ("attention.causal", true), ("use_parallel_residual", false), ("expert_weights_norm", true),
        ("swin_norm", false),
    ]

    /// - Parameter own: keys that the family's reader honours.
    func checkMeaning(own: Set<String>) throws(ModelError) {
        for (name, values) in Self.neutralNumbers where !own.contains(name) {
            if let value = try source.number(key(name)), !values.contains(value) { throw refusal(name, "\(value)") }
        }
        for (name, values) in Self.neutralCounts where !own.contains(name) {
            if let value = try source.count(key(name)), !values.contains(value) { throw refusal(name, "\(value)") }
        }
        for (name, value) in Self.neutralFlags where !own.contains(name) {
            if let found = try source.flag(key(name)), found != value { throw refusal(name, "\(found)") }
        }
        if source.file.metadata.keys.contains(key("rope.dimension_sections")) {
            throw .unsupported(
                "The model file's \(key("rope.dimension_sections")) asks for positions in several dimensions, which are "
                    + "not supported.")
        }
    }

    private func refusal(_ name: String, _ value: String) -> ModelError {
        .unsupported("The model file's \(key(name)) is \(value), which is not supported for \(architecture).")
    }
}
