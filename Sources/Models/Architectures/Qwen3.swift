/// Qwen 3: as Qwen 2, with norms of query and key heads in place of the biases.
///
/// Source: "Qwen3 Technical Report", 2025; keys as in GGUF's specification.
enum Qwen3 {
    static func spec(_ source: SpecSource) throws(ModelError) -> ModelSpec {
        var spec = try DecoderKeys(source, "qwen3").spec(pairing: .halves)
        spec.hasHeadNorms = true
        return spec
    }
}
