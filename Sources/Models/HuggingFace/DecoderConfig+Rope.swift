/// Rotary positions and how they are scaled, as `rope_parameters` says, or `rope_theta` and `rope_scaling` in older files.
///
/// Sources: Chen et al., "Position Interpolation", 2023; Peng et al., "YaRN", 2023; Ding et al., "LongRoPE", 2024; the
/// constants where fields are missing as in transformers' `modeling_rope_utils.py`.
extension DecoderConfig {
    /// - Parameters:
    ///   - base: where the config has none.
    ///   - kind: which layers' rotation is meant, in files that have one for each kind.
    ///   - isPartial: the family honours `partial_rotary_factor`.
    func rope(
        _ headDimension: Int, base: Double, kind: String? = nil, isPartial: Bool = false
    ) throws(ModelError) -> RopeSpec {
        let scaling = try scaling(kind)
        let (ownShare, share) = (
            try scaling?.number("partial_rotary_factor"), try fields.number("partial_rotary_factor")
        )
        let (ownBase, wholeBase) = (try scaling?.number("rope_theta"), try fields.number("rope_theta"))
        let turned = ownShare ?? share ?? 1
        guard turned == 1 || isPartial && turned > 0 && turned < 1 else {
            throw fields.bad("partial_rotary_factor", isPartial ? "0 to 1" : "1")
        }
        var rope = RopeSpec(
            dimensionCount: headDimension < 65_536 ? Int(Double(headDimension) * turned) : headDimension,
            base: ownBase ?? wholeBase ?? base, linearFactor: 1, pairing: .halves)
        // Sizes beyond belief are refused when the whole is known.
        guard let scaling, (2...65_536).contains(rope.dimensionCount), rope.base > 1, rope.base < 1e12 else {
            return rope
        }
        switch try type(scaling) {
        case nil, "default": break
        case "linear": rope.linearFactor = try scaling.requiredNumber("factor")
        case "llama3": try readLlama3(scaling, into: &rope)
        case "yarn": try readYaRN(scaling, into: &rope)
        case "longrope", "su": try readLongRope(scaling, into: &rope)
        default: throw scaling.bad("rope_type", "default, linear, llama3, yarn or longrope")
        }
        return rope
    }

    private func type(_ scaling: HuggingFaceFields) throws(ModelError) -> String? {
        let (type, former) = (try scaling.string("rope_type"), try scaling.string("type"))
        return type ?? former
    }

    private func scaling(_ kind: String?) throws(ModelError) -> HuggingFaceFields? {
        guard let parameters = try fields.nested("rope_parameters") else { return try fields.nested("rope_scaling") }
        guard let kind, parameters.value("rope_theta") == nil else { return parameters }
        return try parameters.nested(kind)
    }

    /// Tokens a sequence may have: YaRN's are as many times more as its factor says.
    func contextLength() throws(ModelError) -> Int {
        let count = try fields.requiredCount("max_position_embeddings")
        guard let scaling = try scaling(nil), try type(scaling) == "yarn",
            let original = try scaling.count("original_max_position_embeddings"),
            let factor = try scaling.number("factor"), factor > 1, Double(original) * factor <= 1_048_576
        else { return count }
        return max(count, Int(Double(original) * factor))
    }

    private func positive(
        _ scaling: HuggingFaceFields, _ name: String, otherwise fallback: Double? = nil
    ) throws(ModelError) -> Double {
        guard let value = try scaling.number(name) ?? fallback, value > 1e-6, value < 1e9 else {
            throw scaling.bad(name, "a positive number")
        }
        return value
    }

    /// Of each pair, radians per position before scaling.
    private func frequencies(_ rope: RopeSpec) -> [Double] {
        let logBase = FixedMath.log(rope.base)
        return (0..<rope.dimensionCount / 2).map {
            FixedMath.exp(-2 * Double($0) / Double(rope.dimensionCount) * logBase)
        }
    }

    /// Fast pairs turn as they did, slow ones by the factor slower, those between them by something between.
    private func readLlama3(_ scaling: HuggingFaceFields, into rope: inout RopeSpec) throws(ModelError) {
        let factor = try positive(scaling, "factor")
        let low = try positive(scaling, "low_freq_factor")
        let high = try positive(scaling, "high_freq_factor")
        let original = try positive(scaling, "original_max_position_embeddings")
        guard low < high else { throw scaling.bad("low_freq_factor", "a number below high_freq_factor") }
        rope.frequencyFactors = frequencies(rope).map { frequency in
            // How often the pair turns in the original context.
            let turns = original * frequency / (2 * Double.pi)
            let share = min(1, max(0, (turns - low) / (high - low)))
            return Float(1 / ((1 - share) / factor + share))
        }
    }

    private func readYaRN(_ scaling: HuggingFaceFields, into rope: inout RopeSpec) throws(ModelError) {
        let factor = try positive(scaling, "factor")
        let original = try positive(
            scaling, "original_max_position_embeddings",
            otherwise: Double(try fields.requiredCount("max_position_embeddings")))
        let count = Double(rope.dimensionCount)
        /// The pair that turns so often in the original context.
        func pair(turns: Double) -> Double {
            count * FixedMath.log(original / (turns * 2 * Double.pi)) / (2 * FixedMath.log(rope.base))
        }
        var low = pair(turns: try positive(scaling, "beta_fast", otherwise: 32))
        var high = pair(turns: try positive(scaling, "beta_slow", otherwise: 1))
        if try scaling.flag("truncate") ?? true { (low, high) = (low.rounded(.down), high.rounded(.up)) }
        (low, high) = (max(low, 0), min(high, count - 1))
        if low == high { high += 0.001 }
        rope.frequencyFactors = (0..<rope.dimensionCount / 2).map { index in
            let slowed = min(1, max(0, (Double(index) - low) / (high - low)))
            return Float(1 / (slowed / factor + 1 - slowed))
        }
        func magnitude(_ scale: Double) -> Double { factor <= 1 ? 1 : 0.1 * scale * FixedMath.log(factor) + 1 }
        if scaling.value("attention_factor") != nil {
            rope.magnitude = try positive(scaling, "attention_factor")
        } else if let scale = try scaling.number("mscale"), let all = try scaling.number("mscale_all_dim"), scale != 0,
            all != 0
        {
            rope.magnitude = magnitude(scale) / magnitude(all)
        } else {
            rope.magnitude = magnitude(1)
        }
    }

    private func readLongRope(_ scaling: HuggingFaceFields, into rope: inout RopeSpec) throws(ModelError) {
        func factors(_ name: String) throws(ModelError) -> [Float] {
            guard let factors = try scaling.numbers(name), factors.count == rope.dimensionCount / 2 else {
                throw scaling.bad(name, "a list of \(rope.dimensionCount / 2) numbers")
            }
            return factors.map { Float($0) }
        }
        let most = try fields.requiredCount("max_position_embeddings")
        let own = try scaling.count("original_max_position_embeddings")
        let original = try fields.count("original_max_position_embeddings") ?? own ?? most
        guard original > 1 else { throw fields.bad("original_max_position_embeddings", "2 to 1048576") }
        rope.frequencyFactors = try factors("short_factor")
        rope.longFactors = RopeSpec.LongFactors(factors: try factors("long_factor"), originalContextLength: original)
        let factor = try positive(scaling, "factor", otherwise: Double(most) / Double(original))
        let magnitude =
            if scaling.value("attention_factor") != nil { try positive(scaling, "attention_factor") } else {
                factor <= 1
                    ? 1 : (1 + FixedMath.log(factor) / FixedMath.log(Double(original))).squareRoot()
            }
        // As GGUF files hold it.
        rope.magnitude = Double(Float(magnitude))
    }
}
