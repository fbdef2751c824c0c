/// Qwen 2 and 2.5: as Llama, with a bias on query, key and value, and rotary positions on halves.
///
/// Source: "Qwen2 Technical Report", 2024; keys as in GGUF's specification.
enum Qwen2 {
    static func spec(_ source: SpecSource) throws(ModelError) -> ModelSpec {
        try DecoderKeys(source, "qwen2").spec(pairing: .halves)
    }

    static func spec(_ config: DecoderConfig) throws(ModelError) -> ModelSpec {
        try config.fields.expect("hidden_act", "silu")
        var spec = try config.spec("qwen2")
        spec.hasAttentionBias = true
        try config.readQwenWindow(into: &spec)
        return spec
    }
}

extension DecoderConfig {
    /// Layers see a window only where `use_sliding_window` says that some do.
    /// - Parameter isEverywhere: in all layers, and not only from `max_window_layers` on.
    func readQwenWindow(into spec: inout ModelSpec, isEverywhere: Bool = false) throws(ModelError) {
        guard try fields.flag("use_sliding_window") == true else { return }
        let first = isEverywhere ? 0 : try fields.requiredCount("max_window_layers")
        try readWindow(into: &spec) { $0 >= first }
    }
}
