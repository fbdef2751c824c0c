import Inference
import Models
import TestSupport
import Testing
import Weights

/// Weights quantized at load compute what a quantized file does.
@Suite struct WeightQuantizationTests {
    private static func options(_ quantization: WeightQuantization?) -> TransformerOptions {
        TransformerOptions(
            threadCount: 2, kvMemory: .pages(4), stepTokenMax: 64, quantization: quantization)
    }

    private static func bits(_ model: Transformer) -> [UInt32] {
        var random = SeededRandom(seed: 5)
        let tokens = (0..<40).map { _ in
            Int32.random(in: 0..<Int32(model.description.vocabularySize), using: &random)
        }
        let slice = StepSlice(tokens: tokens, startPosition: 0, pages: [2, 1], logits: .all)
        return model.execute([slice]).map(\.bitPattern)
    }

    struct Case: Sendable, CustomTestStringConvertible {
        var name: String
        var model = RandomModel.wide
        var testDescription: String { name }

        init(_ name: String, _ change: (inout RandomModel) -> Void) {
            self.name = name
            change(&model)
        }
    }

    static let cases = [
        Case("F32") { $0.type = .f32 },
        Case("F16, an output matrix of its own") { ($0.type, $0.tiesOutput) = (.f16, false) },
        Case("BF16, biases") { ($0.type, $0.hasBias) = (.bf16, true) },
    ]

    @Test(arguments: cases, WeightQuantization.allCases)
    func `logits are those of the file that a conversion writes, bit for bit`(
        test: Case, quantization: WeightQuantization
    ) throws {
        let source = try TemporaryFile(test.model.writer().bytes())
        let file = try GGUFFile(path: source.path)
        let target = try TemporaryFile()
        let wanted = try #require(GGUFConversion.Target(rawValue: quantization.rawValue))
        _ = try GGUFConversion(file, to: wanted).write(to: target.path, threads: 1)

        let plain = try Transformer(path: source.path, options: Self.options(nil))
        let loaded = try Transformer(path: source.path, options: Self.options(quantization))
        let converted = try Transformer(path: target.path, options: Self.options(nil))

        #expect(Self.bits(loaded) == Self.bits(converted))
        #expect(Self.bits(loaded) != Self.bits(plain))
        #expect(loaded.plan.weightByteCount == converted.plan.weightByteCount)
        #expect(loaded.plan.weightByteCount < plain.plan.weightByteCount)
        #expect(loaded.plan.totalByteCount == converted.plan.totalByteCount)
        let ids = [plain, loaded, converted].map(\.description.numericsID)
        #expect(Set(ids).count == 3)
    }

    @Test func `what is quantized already stays, and then the numerics id too`() throws {
        var model = RandomModel.wide
        model.type = .q4_K
        let source = try TemporaryFile(model.writer().bytes())
        let plain = try Transformer(path: source.path, options: Self.options(nil))
        let loaded = try Transformer(path: source.path, options: Self.options(.q8_0))
        #expect(loaded.description.numericsID == plain.description.numericsID)
        #expect(loaded.plan == plain.plan)
        #expect(Self.bits(loaded) == Self.bits(plain))

        // One matrix of floats among them is enough.
        model.typesByName = ["1.ffn_down.weight": .f16]
        let mixedSource = try TemporaryFile(model.writer().bytes())
        let mixed = try Transformer(path: mixedSource.path, options: Self.options(.q8_0))
        let mixedPlain = try Transformer(path: mixedSource.path, options: Self.options(nil))
        #expect(mixed.description.numericsID != mixedPlain.description.numericsID)
        #expect(mixed.plan.weightByteCount < mixedPlain.plan.weightByteCount)
    }

    @Test(arguments: [Float.nan, .infinity, -.greatestFiniteMagnitude])
    func `a weight that cannot be quantized ends the load with the tensor's name`(bad: Float) throws {
        let name = "blk.1.ffn_up.weight"
        var writer = RandomModel().writer()
        let index = try #require(writer.tensors.firstIndex { $0.name == name })
        writer.tensors[index].bytes.replaceSubrange(400..<404, with: GGUFWriter.little(bad.bitPattern))
        let source = try TemporaryFile(writer.bytes())
        for quantization in WeightQuantization.allCases {
            #expect(throws: ModelError.unholdable(tensor: name, type: quantization.type)) {
                try Transformer(path: source.path, options: Self.options(quantization))
            }
        }
        _ = try Transformer(path: source.path, options: Self.options(nil))
    }
}
