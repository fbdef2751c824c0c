/// Qwen 2 and 2.5: as Llama, with a bias on query, key and value, and rotary positions on halves.
///
/// Source: "Qwen2 Technical Report", 2024; keys as in GGUF's specification.
enum Qwen2 {
    static func spec(_ source: SpecSource) throws(ModelError) -> ModelSpec {
        try DecoderKeys(source, "qwen2").spec(pairing: .halves)
    }
}
