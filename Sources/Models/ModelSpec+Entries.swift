import Weights

extension ModelSpec {
    /// As a GGUF file has the same model: experts stacked, matrices by rows, rows of Q and K in the family's order.
    func inGGUF() -> ModelSpec {
        var spec = self
        (spec.storesExpertsApart, spec.storesTransposed, spec.name) = (false, false, nil)
        if case .rotary(var rope, let windowed) = positions, ArchitectureTable.interleaved.contains(architecture) {
            rope.pairing = .interleaved
            spec.positions = .rotary(rope, windowed: windowed)
        }
        return spec
    }
}

extension GGUFEntries {
    /// The keys from which a family's reader makes a spec.
    ///
    /// Not every spec of a folder can be said in them, as with YaRN: who writes a file reads it again.
    mutating func set(_ spec: ModelSpec) {
        let family = spec.architecture
        func key(_ name: String) -> String { "\(family).\(name)" }
        func count(_ name: String, _ value: Int) { set(key(name), to: UInt32(clamping: value)) }
        func number(_ name: String, _ value: Double) { set(key(name), number: value) }

        set("general.architecture", to: family)
        count("vocab_size", spec.vocabularySize)
        count("context_length", spec.contextLength)
        count("embedding_length", spec.width)
        count("block_count", spec.layerCount)
        count("feed_forward_length", spec.feedForward.width)
        if let experts = spec.feedForward.experts {
            count("expert_count", experts.count)
            count("expert_used_count", experts.usedCount)
            count("expert_feed_forward_length", spec.feedForward.width)
        }
        count("attention.head_count", spec.headCount)
        count("attention.head_count_kv", spec.kvHeadCount)
        count("attention.key_length", spec.headDimension)
        count("attention.value_length", spec.headDimension)
        number(
            spec.norm == .layer ? "attention.layer_norm_epsilon" : "attention.layer_norm_rms_epsilon",
            Double(spec.normEpsilon))
        if let window = spec.window { count("attention.sliding_window", window.size) }
        // The Gemma families, whose files have keys for these.
        if spec.hasBranchNorms {
            if spec.window == nil { count("attention.sliding_window", 0) }
            if let period = spec.window?.period { count("attention.sliding_window_pattern", period) }
            number("attention.scale", Double(spec.attentionScale))
            number("attn_logit_softcapping", Double(spec.scoreCap ?? 0))
            number("final_logit_softcapping", Double(spec.logitCap ?? 0))
        }
        setRotation(spec.ropes, key)
    }

    private mutating func setRotation(_ ropes: [RopeSpec], _ key: (String) -> String) {
        guard let rope = ropes.first else { return }
        set(key("rope.dimension_count"), to: UInt32(clamping: rope.dimensionCount))
        set(key("rope.freq_base"), number: rope.base)
        if rope.linearFactor != 1 {
            set(key("rope.scaling.type"), to: "linear")
            set(key("rope.scaling.factor"), number: rope.linearFactor)
        }
        if let long = rope.longFactors {
            set(key("rope.scaling.type"), to: "longrope")
            set(key("rope.scaling.original_context_length"), to: UInt32(clamping: long.originalContextLength))
            set(key("rope.scaling.attn_factor"), number: rope.magnitude)
        }
        if ropes.count > 1 { set(key("rope.freq_base_swa"), number: ropes[1].base) }
    }
}

extension ModelSpec.SlidingWindow {
    /// All layers but the last of so many see the window; nil where that is not so.
    fileprivate var period: Int? {
        (Array(2...1024) + [1]).first { period in
            isWindowed.enumerated().allSatisfy { layer, isWindowed in
                isWindowed == (period == 1 || layer % period < period - 1)
            }
        }
    }
}
