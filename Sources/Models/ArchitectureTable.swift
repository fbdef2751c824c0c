package import Weights

/// The families of models: one file and one row each.
enum ArchitectureTable {
    /// Name in `general.architecture` → how to read its spec.
    static let readers: [String: @Sendable (SpecSource) throws(ModelError) -> ModelSpec] = [
        "gemma2": Gemma2.spec,
        "gemma3": Gemma3.spec,
        "gpt2": GPT2.spec,
        "llama": Llama.spec,
        "phi3": Phi3.spec,
        "qwen2": Qwen2.spec,
        "qwen3": Qwen3.spec,
        "qwen3moe": Qwen3.specOfExperts,
    ]

    /// Families whose rows of Q and K GGUF files have in interleaved pairs.
    static let interleaved: Set = ["llama"]

    /// `model_type` in config.json → how to read its spec, and how its tensors are called.
    static let huggingFace: [String: HuggingFaceFamily] = [
        "gemma2": HuggingFaceFamily(read: Gemma2.spec, names: .gemma),
        "gemma3_text": HuggingFaceFamily(read: Gemma3.spec, names: .gemma),
        "gpt2": HuggingFaceFamily(read: GPT2.spec, names: GPT2.names),
        "llama": HuggingFaceFamily(read: Llama.spec, names: HuggingFaceNames()),
        "mistral": HuggingFaceFamily(read: Llama.spec, names: HuggingFaceNames()),
        "mixtral": HuggingFaceFamily(read: Llama.specOfExperts, names: Llama.namesOfExperts),
        "phi3": HuggingFaceFamily(read: Phi3.spec, names: Phi3.names),
        "qwen2": HuggingFaceFamily(read: Qwen2.spec, names: HuggingFaceNames()),
        "qwen3": HuggingFaceFamily(read: Qwen3.spec, names: HuggingFaceNames()),
        "qwen3_moe": HuggingFaceFamily(read: Qwen3.specOfExperts, names: Qwen3.namesOfExperts),
    ]

    /// All that can be served, those among them that read whole texts too.
    static var names: [String] { (Array(readers.keys) + BertFile.architectures).sorted() }
}

extension ModelSpec {
    /// Reads and checks what the file says of itself: keys and values, then every tensor's shape.
    package init(_ file: GGUFFile) throws(ModelError) {
        let source = SpecSource(file)
        let architecture = try source.architecture()
        guard let read = ArchitectureTable.readers[architecture] else {
            throw .unsupportedArchitecture(architecture, supported: ArchitectureTable.names)
        }
        self = try read(source)
        let prefix = architecture + "."
        try checkSizes { prefix + $0 }
        try checkTensors(file)
    }

    /// - Parameter spelled: how the file spells one of GGUF's keys.
    func checkSizes(_ spelled: (String) -> String) throws(ModelError) {
        try Self.check(
            width % 32 == 0 && (32...65_536).contains(width), spelled("embedding_length"), width,
            "a multiple of 32 up to 65536")
        try checkFeedForward(spelled)
        try Self.check((1...1024).contains(layerCount), spelled("block_count"), layerCount, "1 to 1024")
        try Self.check((1...1024).contains(headCount), spelled("attention.head_count"), headCount, "1 to 1024")
        try Self.check(
            (1...headCount).contains(kvHeadCount) && headCount % kvHeadCount == 0, spelled("attention.head_count_kv"),
            kvHeadCount, "a divisor of the \(headCount) heads")
        try Self.check(
            headDimension % 16 == 0 && (16...256).contains(headDimension) && queryWidth % 32 == 0,
            spelled("attention.key_length"), headDimension,
            "a multiple of 16 up to 256, and of 32 with all heads together")
        try Self.check(
            (1...1_048_576).contains(contextLength), spelled("context_length"), contextLength, "1 to 1048576")
        try Self.check(
            normEpsilon > 0 && normEpsilon < 1,
            spelled(norm == .layer ? "attention.layer_norm_epsilon" : "attention.layer_norm_rms_epsilon"), normEpsilon,
            "0 to 1")
        for rope in ropes {
            try Self.check(
                rope.dimensionCount % 2 == 0 && (2...headDimension).contains(rope.dimensionCount),
                spelled("rope.dimension_count"), rope.dimensionCount, "an even number up to the head's \(headDimension)"
            )
            try Self.check(rope.base > 1 && rope.base < 1e12, spelled("rope.freq_base"), rope.base, "a number above 1")
            try Self.check(
                rope.linearFactor >= 1e-3 && rope.linearFactor <= 1e6, spelled("rope.scaling.factor"),
                rope.linearFactor,
                "0.001 to 1000000")
        }
    }

    private func checkFeedForward(_ spelled: (String) -> String) throws(ModelError) {
        let width = feedForward.width
        guard let experts = feedForward.experts else {
            return try Self.check(
                width % 32 == 0 && (32...1_048_576).contains(width), spelled("feed_forward_length"), width,
                "a multiple of 32 up to 1048576")
        }
        try Self.check(
            width % 32 == 0 && (32...1_048_576).contains(width), spelled("expert_feed_forward_length"), width,
            "a multiple of 32 up to 1048576")
        try Self.check((1...1024).contains(experts.count), spelled("expert_count"), experts.count, "1 to 1024")
        try Self.check(
            (1...min(experts.count, 64)).contains(experts.usedCount), spelled("expert_used_count"), experts.usedCount,
            "1 to \(min(experts.count, 64))")
    }

    /// - Parameter key: as the file spells it.
    private static func check(
        _ isGood: Bool, _ key: @autoclosure () -> String, _ value: some Any, _ expected: String
    ) throws(ModelError) {
        guard isGood else { throw .badValue(key: key(), value: "\(value)", expected: expected) }
    }
}
