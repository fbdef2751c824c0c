import Weights

/// Phi 3 and Phi 4: as Llama, with rotary positions on halves; query, key and value are one tensor, gate and up
/// another. Long contexts have frequency factors of their own.
///
/// Source: "Phi-3 Technical Report", 2024; keys as in GGUF's specification.
enum Phi3 {
    static func spec(_ source: SpecSource) throws(ModelError) -> ModelSpec {
        let keys = DecoderKeys(source, "phi3")
        var spec = try keys.spec(pairing: .halves, own: ["rope.scaling.attn_factor"])
        spec.fusesQueryKeyValue = source.file.tensor(named: TensorName.queryKeyValue(0)) != nil
        spec.fusesGateUp = true
        try keys.readWindow(into: &spec, period: 1, otherwise: nil)
        guard case .rotary(var rope, _) = spec.positions else { return spec }
        rope.frequencyFactors = try source.vector(TensorName.shortRopeFactors)
        if let factors = try source.vector(TensorName.longRopeFactors) {
            let original = try source.requiredCount(keys.key("rope.scaling.original_context_length"))
            rope.longFactors = RopeSpec.LongFactors(factors: factors, originalContextLength: original)
            rope.magnitude = try keys.cap("rope.scaling.attn_factor", otherwise: nil).map(Double.init) ?? 1
        } else if try source.string(keys.key("rope.scaling.type")) == "longrope" {
            throw .missingTensor(TensorName.longRopeFactors)
        }
        spec.positions = .rotary(rope)
        return spec
    }

    static func spec(_ config: DecoderConfig) throws(ModelError) -> ModelSpec {
        try config.fields.expect("hidden_act", "silu")
        var spec = try config.spec("phi3") { size throws(ModelError) in
            try config.rope(size, base: 10_000, isPartial: true)
        }
        (spec.fusesQueryKeyValue, spec.fusesGateUp) = (true, true)
        try config.readWindow(into: &spec) { _ in true }
        return spec
    }

    static var names: HuggingFaceNames {
        var names = HuggingFaceNames()
        names.inside["attn_qkv"] = "self_attn.qkv_proj"
        names.inside["ffn_up"] = "mlp.gate_up_proj"
        return names
    }
}
