import Weights

/// The keys that plain decoder-only families share, under the architecture's name.
struct DecoderKeys {
    let source: SpecSource
    let architecture: String

    init(_ source: SpecSource, _ architecture: String) {
        self.source = source
        self.architecture = architecture
    }

    private func key(_ name: String) -> String { "\(architecture).\(name)" }

    func spec(pairing: RopeSpec.Pairing) throws(ModelError) -> ModelSpec {
        guard try source.count(key("expert_count")) ?? 0 == 0 else {
            throw .unsupported("The model is a mixture of experts, which is not supported.")
        }
        let width = try source.requiredCount(key("embedding_length"))
        let headCount = try source.requiredCount(key("attention.head_count"))
        guard headCount > 0 else {
            throw .badValue(key: key("attention.head_count"), value: "0", expected: "1 to 1024")
        }
        let headDimension = try source.count(key("attention.key_length")) ?? width / headCount
        guard try source.count(key("attention.value_length")) ?? headDimension == headDimension else {
            throw .unsupported("The model's keys and values have heads of different sizes, which is not supported.")
        }
        var contextLength = try source.requiredCount(key("context_length"))
        if let window = try source.count(key("attention.sliding_window")), window > 0 {
            // Up to the window's length a sliding window changes nothing.
            contextLength = min(contextLength, window)
        }
        return ModelSpec(
            architecture: architecture, name: try source.string("general.name"),
            vocabularySize: try source.vocabularySize(), contextLength: contextLength,
            layerCount: try source.requiredCount(key("block_count")), width: width, headCount: headCount,
            kvHeadCount: try source.count(key("attention.head_count_kv")) ?? headCount, headDimension: headDimension,
            feedForwardWidth: try source.requiredCount(key("feed_forward_length")),
            normEpsilon: Float(try source.requiredNumber(key("attention.layer_norm_rms_epsilon"))),
            rope: try rope(headDimension, pairing), tiesOutput: source.file.tensor(named: TensorName.output) == nil,
            hasAttentionBias: source.file.tensor(named: TensorName.queryBias(0)) != nil,
            hasHeadNorms: false)
    }

    private func rope(_ headDimension: Int, _ pairing: RopeSpec.Pairing) throws(ModelError) -> RopeSpec {
        let scaling = try source.string(key("rope.scaling.type")) ?? "linear"
        guard ["none", "linear"].contains(scaling) else {
            throw .unsupported(
                "The model's rope scaling \"\(scaling)\" is not supported; none, linear and Llama 3's are.")
        }
        let factor =
            if let current = try source.number(key("rope.scaling.factor")) { current } else {
                try source.number(key("rope.scale_linear")) ?? 1
            }
        return RopeSpec(
            dimensionCount: try source.count(key("rope.dimension_count")) ?? headDimension,
            base: try source.number(key("rope.freq_base")) ?? 10_000,
            linearFactor: scaling == "none" || factor == 0 ? 1 : factor, frequencyFactors: nil,
            pairing: pairing)
    }
}
