import TestSupport
import Testing
import Weights

@testable import Models

/// What a file may not say of itself: each refusal names what is wrong, before anything is loaded.
@Suite struct ModelSpecTests {
    struct Refusal: Sendable, CustomTestStringConvertible {
        var name: String
        var bytes: [UInt8]
        var isExpected: @Sendable (ModelError) -> Bool
        /// Words the sentence must have.
        var words: String
        var testDescription: String { name }

        init(
            _ name: String, words: String, _ change: (inout GGUFWriter) -> Void,
            _ isExpected: @escaping @Sendable (ModelError) -> Bool
        ) {
            var writer = RandomModel().writer()
            change(&writer)
            (self.name, bytes, self.isExpected, self.words) = (name, writer.bytes(), isExpected, words)
        }

        static func key(
            _ name: String, _ key: String, _ value: GGUFWriter.Value?, words: String,
            _ isExpected: @escaping @Sendable (ModelError) -> Bool
        ) -> Refusal {
            Refusal(
                name, words: words,
                {
                    $0.entries.removeAll { $0.key == key }
                    if let value { $0.entries.append((key, value)) }
                }, isExpected)
        }
    }

    static let isBadValue: @Sendable (ModelError) -> Bool = { if case .badValue = $0 { true } else { false } }
    static let isUnsupported: @Sendable (ModelError) -> Bool = { if case .unsupported = $0 { true } else { false } }

    static let refusals: [Refusal] = [
        .key("no architecture", "general.architecture", nil, words: "general.architecture") {
            $0 == .missingKey("general.architecture")
        },
        .key("an architecture of no table", "general.architecture", .string("mamba"), words: "llama, phi3, qwen2") {
            $0
                == .unsupportedArchitecture(
                    "mamba",
                    supported: ["bert", "gemma2", "gemma3", "gpt2", "llama", "phi3", "qwen2", "qwen3", "qwen3moe"])
        },
        .key("a key of the wrong type", "llama.block_count", .string("two"), words: "llama.block_count") {
            if case .file(let error) = $0, case .wrongValueType = error.fault { true } else { false }
        },
        .key("no layer count", "llama.block_count", nil, words: "llama.block_count") {
            $0 == .missingKey("llama.block_count")
        },
        .key("no layers", "llama.block_count", .uint32(0), words: "1 to 1024", isBadValue),
        .key("a million layers", "llama.block_count", .uint32(1_000_000), words: "1 to 1024", isBadValue),
        .key("no heads", "llama.attention.head_count", .uint32(0), words: "head_count", isBadValue),
        .key("kv heads that do not divide", "llama.attention.head_count_kv", .uint32(3), words: "divisor", isBadValue),
        .key("no kv heads", "llama.attention.head_count_kv", .uint32(0), words: "divisor", isBadValue),
        .key("an odd width", "llama.embedding_length", .uint32(255), words: "multiple of 32", isBadValue),
        .key("a width beyond all", "llama.embedding_length", .uint32(.max), words: "multiple of 32", isBadValue),
        .key("no context", "llama.context_length", .uint32(0), words: "context_length", isBadValue),
        .key("a head of 24", "llama.attention.key_length", .uint32(24), words: "multiple of 16", isBadValue),
        .key("no epsilon", "llama.attention.layer_norm_rms_epsilon", .float(0), words: "epsilon", isBadValue),
        .key("epsilon not a number", "llama.attention.layer_norm_rms_epsilon", .float(.nan), words: "finite") {
            if case .file = $0 { true } else { false }
        },
        .key("a base below 1", "llama.rope.freq_base", .float(0.5), words: "freq_base", isBadValue),
        .key("an odd rotation", "llama.rope.dimension_count", .uint32(33), words: "even", isBadValue),
        .key("experts without how many", "llama.expert_count", .uint32(8), words: "expert_used_count") {
            $0 == .missingKey("llama.expert_used_count")
        },
        .key("shared experts", "llama.expert_shared_count", .uint32(1), words: "expert_shared_count", isUnsupported),
        .key("bounded scores", "llama.attn_logit_softcapping", .float(50), words: "softcapping", isUnsupported),
        .key("scaled logits", "llama.logit_scale", .float(0.25), words: "logit_scale is 0.25", isUnsupported),
        .key("experts' weights as they are", "llama.expert_weights_norm", .bool(0), words: "norm", isUnsupported),
        .key("attention both ways", "llama.attention.causal", .bool(0), words: "causal is false", isUnsupported),
        .key(
            "a pattern of windows", "llama.attention.sliding_window_pattern", .uint32(2), words: "pattern",
            isUnsupported),
        .key("yarn", "llama.rope.scaling.type", .string("yarn"), words: "yarn", isUnsupported),
        .key("a split file", "split.count", .uint32(3), words: "several files", isUnsupported),
        .key("values of another size", "llama.attention.value_length", .uint32(32), words: "sizes", isUnsupported),
        .key("a negative scaling", "llama.rope.scaling.factor", .float(-2), words: "factor", isBadValue),
        Refusal(
            "a missing tensor", words: "blk.1.ffn_up.weight",
            {
                $0.tensors.removeAll { $0.name == "blk.1.ffn_up.weight" }
            }
        ) { $0 == .missingTensor("blk.1.ffn_up.weight") },
        Refusal(
            "a tensor of the wrong shape", words: "64 × 32",
            { writer in
                for index in writer.tensors.indices where writer.tensors[index].name == "blk.0.attn_k.weight" {
                    writer.tensors[index].dimensions = [32, 64]
                }
            }
        ) { $0 == .wrongShape(tensor: "blk.0.attn_k.weight", found: [32, 64], expected: [64, 32]) },
        Refusal(
            "a tensor nobody computes", words: "blk.0.attn_sinks.weight",
            {
                $0.add("blk.0.attn_sinks.weight", [4], floats: [1, 2, 3, 4])
            }
        ) { $0 == .unexpectedTensor("blk.0.attn_sinks.weight", architecture: "llama") },
        Refusal(
            "a norm that is not F32", words: "F32",
            { writer in
                for index in writer.tensors.indices where writer.tensors[index].name == "output_norm.weight" {
                    writer.tensors[index].type = 1
                    writer.tensors[index].bytes = [UInt8](repeating: 60, count: 128)
                }
            }
        ) { if case .wrongType("output_norm.weight", .f16, _) = $0 { true } else { false } },
        Refusal(
            "rope factors that are too few", words: "rope_freqs.weight",
            {
                $0.add("rope_freqs.weight", [4], floats: [1, 1, 1, 1])
            }
        ) { $0 == .wrongShape(tensor: "rope_freqs.weight", found: [4], expected: [8]) },
        Refusal(
            "a rope factor of 0", words: "rope_freqs.weight",
            {
                $0.add("rope_freqs.weight", [8], floats: [Float](repeating: 0, count: 8))
            }, isBadValue),
    ]

    @Test(arguments: refusals) func `a model that cannot be served is refused in one sentence`(_ refusal: Refusal)
        throws
    {
        let source = try TemporaryFile(refusal.bytes)
        let file = try GGUFFile(path: source.path)

        let error = try #require(throws: ModelError.self) { try ModelSpec(file) }

        #expect(refusal.isExpected(error), "\(error)")
        #expect(error.description.contains(refusal.words), "\(error)")
        #expect(error.description.hasSuffix("."))
    }

    @Test func `the spec is what the file says`() throws {
        var model = RandomModel()
        model.ropeFactors = (0..<8).map { 1 + Float($0) }
        model.tiesOutput = false
        let source = try TemporaryFile(model.writer().bytes())

        let spec = try ModelSpec(GGUFFile(path: source.path))

        #expect(spec.architecture == "llama")
        #expect((spec.vocabularySize, spec.contextLength, spec.layerCount) == (100, 128, 2))
        #expect((spec.width, spec.headCount, spec.kvHeadCount, spec.headDimension) == (64, 4, 2, 16))
        #expect(spec.groupSize == 2)
        #expect(spec.ropes.map(\.frequencyFactors) == [model.ropeFactors])
        #expect(spec.isInterleaved)
        #expect(!spec.tiesOutput)
        #expect(!spec.hasAttentionBias)
    }

    @Test func `a sliding window bounds the context, up to which it changes nothing`() throws {
        var writer = RandomModel.family("qwen2").writer()
        writer.entries.append(("qwen2.attention.sliding_window", .uint32(64)))
        let source = try TemporaryFile(writer.bytes())

        #expect(try ModelSpec(GGUFFile(path: source.path)).contextLength == 64)
    }

    private func spec(_ model: RandomModel, _ entries: [(String, GGUFWriter.Value)] = []) throws -> ModelSpec {
        var writer = model.writer()
        writer.entries.removeAll { entry in entries.contains { $0.0 == entry.key } }
        writer.entries += entries.map { (key: $0.0, value: $0.1) }
        let source = try TemporaryFile(writer.bytes())
        return try ModelSpec(GGUFFile(path: source.path))
    }

    @Test func `Gemma's keys have the values that files leave out`() throws {
        var model = RandomModel.family("gemma2")
        (model.window, model.scoreCap, model.logitCap) = (nil, nil, nil)
        let small = try spec(model)
        #expect(small.window == ModelSpec.SlidingWindow(size: 4096, isWindowed: [true, false, true]))
        #expect(small.scoreCap == 50 && small.logitCap == 30 && small.embeddingScale == 8)
        #expect(small.attentionScale == 0.25)
        (model.layerCount, model.headDimension) = (46, 32)
        #expect(try spec(model).attentionScale == 0.25, "64 numbers over 4 heads, not 32")
        #expect(try spec(model, [("gemma2.attention.scale", .float(0.5))]).attentionScale == 0.5)
        #expect(try spec(model, [("gemma2.attn_logit_softcapping", .float(0))]).scoreCap == nil)

        let gemma3 = try spec(.family("gemma3"), [("gemma3.attention.sliding_window_pattern", .uint32(4))])
        #expect(gemma3.window?.isWindowed == [true, true, true, false, true, true, true])
        #expect(gemma3.scoreCap == nil && gemma3.logitCap == nil)
        #expect(gemma3.ropes.map(\.base) == [1_000_000, 10_000] && gemma3.ropes.map(\.linearFactor) == [8, 1])
        let other = try spec(.family("gemma3"), [("gemma3.rope.freq_base_swa", .float(20_000))])
        #expect(other.ropes.map(\.base) == [1_000_000, 20_000])
    }

    @Test func `Phi 3's long contexts are refused without their factors`() throws {
        let error = #expect(throws: ModelError.self) {
            try spec(.family("phi3"), [("phi3.rope.scaling.type", .string("longrope"))])
        }
        #expect(error == .missingTensor("rope_factors_long.weight"))
        let yarn = #expect(throws: ModelError.self) {
            try spec(.family("phi3"), [("phi3.rope.scaling.type", .string("yarn"))])
        }
        #expect(yarn?.description.contains("\"yarn\" is not supported") == true)
    }

    @Test func `long factors are part of the numerics id`() throws {
        var model = RandomModel.family("phi3")
        model.longRope = ([Float](repeating: 1, count: 8), [Float](repeating: 2, count: 8), 64, 1)
        let source = try TemporaryFile(model.writer().bytes())
        func id(_ contextLength: Int) throws -> String {
            try Transformer(
                path: source.path,
                options: TransformerOptions(threadCount: 1, kvMemory: .pages(4), contextLength: contextLength)
            ).description.numericsID
        }

        #expect(try id(65).hasSuffix("-long") && !id(64).hasSuffix("-long"))
    }

    @Test func `a path that is no file is refused with its reason`() {
        let error = #expect(throws: ModelError.self) { try Transformer(path: "/nowhere/model.gguf") }
        #expect(error?.description == "/nowhere/model.gguf: the file cannot be read: No such file or directory.")
    }
}
