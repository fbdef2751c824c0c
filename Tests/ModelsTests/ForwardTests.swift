import Foundation
import Inference
import Models
import TestSupport
import Testing
import Weights

/// The forward pass against one written as the papers write it, on small models of random weights.
@Suite struct ForwardTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var name: String
        var model: RandomModel
        /// Root mean square of the difference over that of the logits. int8 activations are
        /// the only rounding that shows; a wrong row, pair or head makes it about 1.
        var tolerance: Double
        var testDescription: String { name }

        init(
            _ name: String, of model: RandomModel = RandomModel(), tolerance: Double = 0.003,
            _ change: (inout RandomModel) -> Void
        ) {
            var model = model
            change(&model)
            (self.name, self.model, self.tolerance) = (name, model, tolerance)
        }
    }

    static let quantized: [GGUFTensorType] = [.q4_0, .q4_1, .q5_0, .q5_1, .q8_0, .q4_K, .q5_K, .q6_K]

    /// Every family with what it alone has, and variations of that.
    static let families: [Case] =
        ["qwen2", "qwen3", "gemma2", "gemma3", "phi3", "gpt2", "qwen3moe"].map { name in
            Case(name, of: .family(name), tolerance: 0.001) { _ in }
        }
        + [
            Case("Mixtral: experts on interleaved pairs", tolerance: 0.001) { $0.experts = (4, 2) },
            Case("Mistral: a window in every layer", tolerance: 0.001) { $0.window = (5, 1) },
            Case("all experts", of: .family("qwen3moe"), tolerance: 0.001) { $0.experts = (3, 3) },
            Case("one expert of 70", of: .family("qwen3moe"), tolerance: 0.001) { $0.experts = (70, 1) },
            Case("Phi 3 with a window, one key for two heads", of: .family("phi3"), tolerance: 0.001) {
                $0.window = (11, 1)
            },
            Case("Phi 3's short factors", of: .family("phi3"), tolerance: 0.001) {
                $0.longRope = ((0..<8).map { 1 + Float($0) / 8 }, (0..<8).map { 2 + Float($0) }, 128, 1.19)
            },
            Case("Phi 3's long factors", of: .family("phi3"), tolerance: 0.001) {
                $0.longRope = ((0..<8).map { 1 + Float($0) / 8 }, (0..<8).map { 2 + Float($0) }, 64, 1.19)
            },
            Case("Phi 4: a rotary part of a head", of: .family("phi3"), tolerance: 0.001) {
                $0.ropeDimensionCount = 12
            },
            Case("Gemma 2 with heads of 80", of: .family("gemma2"), tolerance: 0.001) { $0.headDimension = 80 },
        ]

    static let cases: [Case] =
        families + [GGUFTensorType.f32, .f16, .bf16].map { type in Case(type.name) { $0.type = type } }
        + quantized.map { type in Case(type.name, of: .wide, tolerance: 0.06) { $0.type = type } }
        + [
            Case("Llama 3 frequency factors") { $0.ropeFactors = (0..<8).map { 1 + Float($0) / 4 } },
            Case("linear rope scaling") { $0.linearFactor = 4 },
            Case("rotary part of a head") { $0.ropeDimensionCount = 8 },
            Case("every head its own key") { $0.kvHeadCount = 4 },
            Case("one key for all heads") { $0.kvHeadCount = 1 },
            Case("heads of 16 whose keys fill half a panel") {
                ($0.headCount, $0.kvHeadCount, $0.headDimension) = (4, 1, 16)
            },
            Case("heads of 128") { ($0.headCount, $0.kvHeadCount, $0.headDimension) = (2, 1, 128) },
            Case("an output matrix of its own") { $0.tiesOutput = false },
            Case("three layers, another seed") { ($0.layerCount, $0.seed) = (3, 77) },
            Case("biases on interleaved pairs") { $0.hasBias = true },
            Case("formats mixed in fused matrices", of: .wide, tolerance: 0.06) {
                $0.type = .q4_K
                $0.typesByName = [
                    "attn_v.weight": .q6_K, "ffn_up.weight": .q8_0, "ffn_down.weight": .f16, "attn_k.weight": .f32,
                ]
            },
            Case("Gemma 2, quantized", of: .family("gemma2"), tolerance: 0.06) { $0.type = .q8_0 },
            Case("GPT-2, quantized", of: .family("gpt2"), tolerance: 0.06) { $0.type = .q8_0 },
            // All of them: rounding sends some rows to others where a row has a choice.
            Case("experts, quantized", of: .family("qwen3moe"), tolerance: 0.06) {
                ($0.type, $0.experts, $0.typesByName) = (.q8_0, (3, 3), ["ffn_gate_inp.weight": .f32])
            },
            Case("a wide feed-forward", tolerance: 0.06) { ($0.feedForwardWidth, $0.type) = (1024, .q8_0) },
        ]

    @Test(arguments: cases) func `logits are those of the plain forward pass`(_ test: Case) throws {
        let source = try TemporaryFile(test.model.writer().bytes())
        var random = SeededRandom(seed: 9)
        let tokens = (0..<36).map { _ in Int32.random(in: 0..<Int32(test.model.vocabularySize), using: &random) }
        var plain = PlainForward(test.model, try GGUFFile(path: source.path))
        let expected = tokens.map { plain.step($0) }

        let model = try Transformer(
            path: source.path,
            options: TransformerOptions(threadCount: 2, kvMemory: .pages(4), stepTokenMax: 64))
        let prompt = StepSlice(tokens: Array(tokens[..<34]), startPosition: 0, pages: [2, 1], logits: .all)
        var found = rows(model.execute([prompt]), model)
        for position in 34..<tokens.count {
            let next = StepSlice(tokens: [tokens[position]], startPosition: position, pages: [2, 1], logits: .last)
            found += rows(model.execute([next]), model)
        }

        #expect(found.count == expected.count)
        let worst =
            zip(found, expected).map { found, expected in
                let difference = zip(found, expected).reduce(0) { $0 + pow(Double($1.0) - $1.1, 2) }
                return (difference / expected.reduce(0) { $0 + $1 * $1 }).squareRoot()
            }.max() ?? 1
        #expect(worst <= test.tolerance)
    }

    @Test(arguments: [1, 2]) func `a step is heard of several times in each layer`(threads: Int) throws {
        var source = RandomModel()
        source.layerCount = 5
        let file = try TemporaryFile(source.writer().bytes())
        let model = try Transformer(
            path: file.path, options: TransformerOptions(threadCount: threads, kvMemory: .pages(4), stepTokenMax: 64))
        let pulse = try #require(model.pulse)

        _ = model.execute([StepSlice(tokens: [1, 2, 3], startPosition: 0, pages: [0], logits: .last)])

        #expect(pulse.beatCount >= 4 * UInt64(source.layerCount))
    }
}
