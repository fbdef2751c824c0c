import Foundation
import Inference
import TestSupport
import Testing
import Text
import Weights

@testable import Models

@Suite struct EncoderTests {
    static let limits = MachineLimits(cpuCount: 2, availableMemory: nil)

    static func load(
        _ path: String, threads: Int = 1, quantization: WeightQuantization? = nil, stepTokenMax: Int = 64
    ) throws -> Encoder {
        guard case .encoder(let file) = try ModelFile(path: path) else {
            throw ModelError.unsupported("The file is no encoder's.")
        }
        return try Encoder(
            file,
            options: TransformerOptions(
                threadCount: threads, stepTokenMax: stepTokenMax, quantization: quantization),
            limits: limits)
    }

    static func slice(_ tokens: [TokenID], secondStart: Int? = nil) -> StepSlice {
        StepSlice(
            tokens: tokens, startPosition: 0, pages: [], logits: .last, pooling: Pooling(secondStart: secondStart))
    }

    static func read(_ encoder: Encoder, _ slices: [StepSlice]) -> [[Float]] {
        let rows = Array(encoder.execute(slices))
        let size = encoder.description.rowWidth
        return slices.indices.map { Array(rows[$0 * size..<($0 + 1) * size]) }
    }

    /// Texts of many lengths, around pages and tiles.
    static func texts(_ seed: UInt64) -> [StepSlice] {
        var random = SeededRandom(seed: seed)
        return [1, 2, 3, 16, 17, 31, 32, 33, 47, 48, 49, 64, 79, 80].map { length in
            let tokens = (0..<length).map { _ in TokenID(random.below(RandomEncoder.vocabulary.count)) }
            return slice(tokens, secondStart: random.happens(0.3) ? random.below(length + 1) : nil)
        }
    }

    @Test(arguments: [GGUFTensorType.f32, .f16, .bf16], [1, 2, 3, 4])
    func `vectors and scores are those of the plain forward pass`(_ type: GGUFTensorType, _ pooling: Int) throws {
        var model = RandomEncoder()
        (model.type, model.pooling) = (type, pooling)
        let source = try TemporaryFile(model.writer().bytes())
        let plain = PlainEncoder(model, try GGUFFile(path: source.path))
        let encoder = try Self.load(source.path, threads: 2)
        let slices = Self.texts(3)

        for (slice, found) in zip(slices, Self.read(encoder, slices)) {
            let exact = plain.read(slice.tokens, secondStart: slice.pooling?.secondStart)
            #expect(found.count == exact.count)
            // Keys and values are kept in 16 bits.
            for (x, y) in zip(found, exact) { #expect(abs(Double(x) - y) < 2e-3, "\(slice.tokens.count) tokens") }
        }
        #expect(encoder.description.pooledOutput == (pooling == 4 ? .score : .vector(size: 64)))
    }

    @Test func `quantized at load, vectors stay near`() throws {
        let model = RandomEncoder()
        let source = try TemporaryFile(model.writer().bytes())
        let plain = PlainEncoder(model, try GGUFFile(path: source.path))
        let encoder = try Self.load(source.path, quantization: .q8_0)
        let slices = Self.texts(4)

        for (slice, found) in zip(slices, Self.read(encoder, slices)) {
            let exact = plain.read(slice.tokens, secondStart: slice.pooling?.secondStart)
            let cosine = zip(found, exact).reduce(0) { $0 + Double($1.0) * $1.1 }
            #expect(cosine > 0.99)
        }
        #expect(encoder.description.numericsID.hasSuffix("-q8_0"))
    }

    @Test(arguments: [WeightQuantization?.none, .q8_0])
    func `a text has the same bits alone and among others, on one thread and on three`(
        _ quantization: WeightQuantization?
    ) throws {
        let source = try TemporaryFile(RandomEncoder().writer().bytes())
        let slices = Self.texts(5)
        let alone = try Self.load(source.path, quantization: quantization)
        let expected = slices.map { Self.read(alone, [$0])[0] }

        for (threads, stepTokenMax) in [(1, 64), (3, 64), (2, 512)] {
            let encoder = try Self.load(
                source.path, threads: threads, quantization: quantization, stepTokenMax: stepTokenMax)
            #expect(Self.read(encoder, slices) == expected)
            #expect(Self.read(encoder, slices.reversed()) == expected.reversed())
        }
    }

    @Test(arguments: ["", "bert."], [1, 4])
    func `a folder and a GGUF file of the same weights give the same bits`(_ prefix: String, _ pooling: Int) throws {
        var model = RandomEncoder()
        model.pooling = pooling
        let file = try TemporaryFile(model.writer().bytes())
        let folder = try model.folder(prefix: prefix)
        let slices = Self.texts(6)

        #expect(
            Self.read(try Self.load(folder.path), slices) == Self.read(try Self.load(file.path), slices))
        guard case .encoder(let ours) = try ModelFile(path: file.path),
            case .encoder(let theirs) = try ModelFile(path: folder.path)
        else {
            Issue.record("one is no encoder")
            return
        }
        #expect(ours.tokenizer == theirs.tokenizer)
        #expect(ours.tokenizer.tokens == RandomEncoder.vocabulary)
    }

    @Test func `a probability is the logit's`() throws {
        var model = RandomEncoder()
        model.pooling = 4
        let logits = try model.folder()
        let probabilities = try model.folder { $0["sbert_ce_default_activation_function"] = nil }
        let slices = Self.texts(7)

        let pairs = zip(
            Self.read(try Self.load(logits.path), slices), Self.read(try Self.load(probabilities.path), slices))
        for (logit, probability) in pairs {
            #expect(abs(Double(probability[0]) - 1 / (1 + exp(-Double(logit[0])))) < 1e-6)
        }
    }

    @Test func `what the files around the weights say is part of the numerics id`() throws {
        let model = RandomEncoder()
        let ids = try [
            model.folder(), model.folder { $0["layer_norm_eps"] = 1e-5 }, model.folder(prefix: "bert."),
        ].map { try Self.load($0.path).description.numericsID }

        #expect(Set(ids).count == 3)
        #expect(ids.allSatisfy { $0.utf8.count < 200 })
    }

    @Test func `memory is planned before anything is loaded`() throws {
        let source = try TemporaryFile(RandomEncoder().writer().bytes())
        let file = try ModelFile(path: source.path)
        let use = try file.memoryUse(TransformerOptions(threadCount: 1, stepTokenMax: 64), Self.limits)

        #expect(use.kvByteCount == 0 && use.weightByteCount > 100_000 && use.activationByteCount > 100_000)
        let error = #expect(throws: ModelError.self) {
            try file.memoryUse(
                TransformerOptions(threadCount: 1), MachineLimits(cpuCount: 1, availableMemory: 100_000))
        }
        guard case .tooLittleMemory? = error else {
            Issue.record("\(String(describing: error))")
            return
        }
    }
}
