/// Qwen 3: as Qwen 2, with norms of query and key heads in place of the biases; with experts or without.
///
/// Source: "Qwen3 Technical Report", 2025; keys as in GGUF's specification.
enum Qwen3 {
    static func spec(_ source: SpecSource) throws(ModelError) -> ModelSpec { try spec(source, "qwen3") }

    static func specOfExperts(_ source: SpecSource) throws(ModelError) -> ModelSpec {
        let spec = try spec(source, "qwen3moe")
        guard spec.feedForward.experts != nil else { throw .missingKey("qwen3moe.expert_count") }
        return spec
    }

    private static func spec(_ source: SpecSource, _ architecture: String) throws(ModelError) -> ModelSpec {
        var spec = try DecoderKeys(source, architecture).spec(pairing: .halves)
        spec.hasHeadNorms = true
        return spec
    }

    static func spec(_ config: DecoderConfig) throws(ModelError) -> ModelSpec {
        var spec = try spec(config, "qwen3")
        try config.readQwenWindow(into: &spec)
        return spec
    }

    static func specOfExperts(_ config: DecoderConfig) throws(ModelError) -> ModelSpec {
        let fields = config.fields
        guard try fields.count("decoder_sparse_step") ?? 1 == 1 else { throw fields.bad("decoder_sparse_step", "1") }
        if let layers = try fields.numbers("mlp_only_layers"), !layers.isEmpty {
            throw fields.bad("mlp_only_layers", "an empty list")
        }
        // Weights of the chosen experts add up to 1; transformers' own default is that they do not.
        guard try fields.flag("norm_topk_prob") == true else { throw fields.bad("norm_topk_prob", "true") }
        var spec = try spec(config, "qwen3moe")
        try config.readQwenWindow(into: &spec, isEverywhere: true)
        spec.feedForward.width = try fields.requiredCount("moe_intermediate_size")
        // Newer files call them as Mixtral's do.
        let (local, count) = (try fields.count("num_local_experts"), try fields.count("num_experts"))
        guard let count = count ?? local else { throw fields.bad("num_experts", "a whole number") }
        spec.feedForward.experts = ModelSpec.Experts(
            count: count, usedCount: try fields.requiredCount("num_experts_per_tok"))
        spec.storesExpertsApart = true
        return spec
    }

    private static func spec(_ config: DecoderConfig, _ architecture: String) throws(ModelError) -> ModelSpec {
        try config.fields.expect("hidden_act", "silu")
        var spec = try config.spec(architecture)
        spec.hasHeadNorms = true
        return spec
    }

    static var namesOfExperts: HuggingFaceNames {
        var names = HuggingFaceNames()
        names.inside["ffn_gate_inp"] = "mlp.gate"
        names.experts = .init(folder: "mlp.experts", gate: "gate_proj", up: "up_proj", down: "down_proj")
        return names
    }
}
