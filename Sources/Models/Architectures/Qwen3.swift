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
}
