import Weights

/// The keys that decoder-only families share, under the architecture's name.
struct DecoderKeys {
    let source: SpecSource
    let architecture: String

    init(_ source: SpecSource, _ architecture: String) {
        self.source = source
        self.architecture = architecture
    }

    /// Pre-norm blocks with RMSNorm, rotary positions and SwiGLU: what most families begin with.
    /// - Parameter own: further keys that the family's reader honours.
    func spec(pairing: RopeSpec.Pairing, own: Set<String> = []) throws(ModelError) -> ModelSpec {
        let (width, headCount, headDimension) = try attentionSizes()
        let epsilon = try source.requiredNumber(key("attention.layer_norm_rms_epsilon"))
        try checkMeaning(own: own)
        return try spec(
            width, headCount, headDimension, epsilon,
            positions: .rotary(try rope(headDimension, pairing, ownMagnitude: own.contains("rope.scaling.attn_factor")))
        )
    }

    /// Blocks with LayerNorm and a vector for each position.
    func specOfLearnedPositions() throws(ModelError) -> ModelSpec {
        let (width, headCount, headDimension) = try attentionSizes()
        let epsilon = try source.requiredNumber(key("attention.layer_norm_epsilon"))
        try checkMeaning(own: [])
        return try spec(width, headCount, headDimension, epsilon, positions: .learned)
    }

    func key(_ name: String) -> String { "\(architecture).\(name)" }

    private func attentionSizes() throws(ModelError) -> (width: Int, headCount: Int, headDimension: Int) {
        let width = try source.requiredCount(key("embedding_length"))
        let headCount = try source.requiredCount(key("attention.head_count"))
        guard headCount > 0 else {
            throw .badValue(key: key("attention.head_count"), value: "0", expected: "1 to 1024")
        }
        let headDimension = try source.count(key("attention.key_length")) ?? width / headCount
        guard try source.count(key("attention.value_length")) ?? headDimension == headDimension else {
            throw .unsupported("The model's keys and values have heads of different sizes, which is not supported.")
        }
        return (width, headCount, headDimension)
    }

    private func spec(
        _ width: Int, _ headCount: Int, _ headDimension: Int, _ epsilon: Double, positions: ModelSpec.Positions
    ) throws(ModelError) -> ModelSpec {
        var contextLength = try source.requiredCount(key("context_length"))
        if let window = try source.count(key("attention.sliding_window")), window > 0 {
            // Up to the window's length a sliding window changes nothing.
            contextLength = min(contextLength, window)
        }
        let experts = try experts()
        let innerWidth =
            if experts != nil, let width = try source.count(key("expert_feed_forward_length")) { width } else {
                try source.requiredCount(key("feed_forward_length"))
            }
        return ModelSpec(
            architecture: architecture, name: try source.string("general.name"),
            vocabularySize: try source.vocabularySize(), contextLength: contextLength,
            layerCount: try source.requiredCount(key("block_count")), width: width, headCount: headCount,
            kvHeadCount: try source.count(key("attention.head_count_kv")) ?? headCount, headDimension: headDimension,
            normEpsilon: Float(epsilon), positions: positions,
            attentionScale: 1 / Float(headDimension).squareRoot(),
            feedForward: ModelSpec.FeedForward(
                gate: .swiglu, width: innerWidth, experts: experts),
            tiesOutput: source.file.tensor(named: TensorName.output) == nil,
            hasAttentionBias: source.file.tensor(named: TensorName.queryBias(0)) != nil)
    }

    private func experts() throws(ModelError) -> ModelSpec.Experts? {
        guard let count = try source.count(key("expert_count")), count > 0 else { return nil }
        return ModelSpec.Experts(count: count, usedCount: try source.requiredCount(key("expert_used_count")))
    }

    private func rope(
        _ headDimension: Int, _ pairing: RopeSpec.Pairing, ownMagnitude: Bool
    ) throws(ModelError) -> RopeSpec {
        let scaling = try source.string(key("rope.scaling.type")) ?? "linear"
        guard ["none", "linear"].contains(scaling) || ownMagnitude && scaling == "longrope" else {
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
            linearFactor: scaling != "linear" || factor == 0 ? 1 : factor, pairing: pairing)
    }
}
