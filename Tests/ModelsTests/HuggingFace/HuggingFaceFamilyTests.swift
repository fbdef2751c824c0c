import Foundation
import Inference
import Models
import TestSupport
import Testing
import Weights

/// Families in folders of Hugging Face: against transformers, in Fixtures/huggingface.json that make_huggingface.py keeps,
/// and against GGUF files with the same numbers.
@Suite struct HuggingFaceFamilyTests {
    struct Reference: Decodable {
        var name: String
        /// Of the weights' file that the numbers are of.
        var byteSum: Int
        var tokens: [Int32]
        /// Of every sixth token from the last, every ninth from the first: transformers', in float32.
        var logits: [[Double]]
        /// The same with keys and values rounded to f16, as pages hold them.
        var rounded: [[Double]]
    }

    struct Case: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var model: RandomModel
        var config: @Sendable (inout [String: Any]) -> Void
        var storesBF16 = false

        init(
            _ name: String, _ architecture: String, model change: (inout RandomModel) -> Void = { _ in },
            config: @escaping @Sendable (inout [String: Any]) -> Void = { _ in }
        ) {
            var model = RandomModel.family(architecture)
            change(&model)
            (testDescription, self.model, self.config) = (name, model, config)
        }

        func folder(at url: URL? = nil) throws -> TemporaryFolder {
            try model.folder(at: url, config) { tensors in
                guard storesBF16 else { return }
                for index in tensors.indices where tensors[index].type == "F32" {
                    tensors[index].type = "BF16"
                    tensors[index].bytes = stride(from: 0, to: tensors[index].bytes.count, by: 4).flatMap {
                        tensors[index].bytes[$0 + 2..<$0 + 4]
                    }
                }
            }
        }
    }

    private static func longRope(original: Int) -> @Sendable (inout [String: Any]) -> Void {
        { config in
            config["original_max_position_embeddings"] = original
            config["rope_scaling"] = [
                "type": "longrope", "short_factor": (0..<8).map { 1 + Double($0) / 8 },
                "long_factor": (0..<8).map { 2 + Double($0) },
            ]
        }
    }

    static let cases: [Case] = [
        Case("llama", "llama"), Case("llama-untied", "llama", model: { $0.tiesOutput = false }),
        Case("llama-linear", "llama", model: { $0.linearFactor = 4 }),
        Case(
            "llama-3", "llama",
            config: {
                $0["rope_scaling"] = [
                    "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                    "original_max_position_embeddings": 64,
                ]
            }),
        Case("mistral", "llama", model: { $0.window = (5, 1) }),
        Case("mixtral", "llama", model: { $0.experts = (4, 2) }),
        Case("qwen2", "qwen2"),
        Case(
            "qwen2-yarn", "qwen2",
            config: { $0["rope_scaling"] = ["type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32] }),
        Case(
            "qwen2-window", "qwen2",
            config: { ($0["use_sliding_window"], $0["sliding_window"], $0["max_window_layers"]) = (true, 6, 1) }),
        bf16, Case("qwen3", "qwen3"), Case("qwen3-moe", "qwen3moe"), Case("gemma2", "gemma2"), Case("gemma3", "gemma3"),
        Case(
            "gemma3-parameters", "gemma3", model: { $0.linearFactor = nil },
            config: {
                ($0["rope_theta"], $0["rope_scaling"]) = (nil, nil)
                $0["rope_parameters"] = [
                    "full_attention": ["rope_type": "linear", "factor": 4.0, "rope_theta": 500_000.0],
                    "sliding_attention": ["rope_type": "default", "rope_theta": 20_000.0],
                ]
            }),
        Case("phi3", "phi3", model: { $0.window = (11, 1) }),
        Case("phi3-short", "phi3", config: longRope(original: 128)),
        Case("phi3-long", "phi3", config: longRope(original: 24)),
        Case(
            "phi4", "phi3", model: { ($0.headDimension, $0.width) = (32, 128) },
            config: { $0["partial_rotary_factor"] = 0.75 }),
        Case("gpt2", "gpt2"),
    ]

    private static var bf16: Case {
        var value = Case("qwen2-bf16", "qwen2")
        value.storesBF16 = true
        return value
    }

    /// Only where the folder is told for which `make_huggingface.py` asks.
    @Test func `the folders can be had`() throws {
        guard let path = ProcessInfo.processInfo.environment["APUS_HUGGINGFACE_FOLDER"] else { return }
        for value in Self.cases { _ = try value.folder(at: URL(filePath: path).appending(path: value.testDescription)) }
    }

    private static func logits(_ path: String, _ tokens: [Int32], _ quantization: WeightQuantization? = nil) throws -> (
        model: Transformer, rows: [[Float]]
    ) {
        let model = try Transformer(
            path: path,
            options: TransformerOptions(
                threadCount: 2, kvMemory: .pages(4), stepTokenMax: 64, quantization: quantization))
        let slice = StepSlice(tokens: tokens, startPosition: 0, pages: [2, 1], logits: .all)
        return (model, rows(model.execute([slice]), model).map { Array($0) })
    }

    @Test(arguments: cases) func `logits are those of transformers`(_ value: Case) throws {
        let url = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appending(path: "Fixtures/huggingface.json")
        let references = try JSONDecoder().decode([Reference].self, from: Data(contentsOf: url))
        let reference = try #require(references.first { $0.name == value.testDescription })
        let folder = try value.folder()
        let sum = try Data(contentsOf: folder.url.appending(path: "model.safetensors")).reduce(0) { $0 + Int($1) }
        try #require(sum == reference.byteSum, "the file is another one by now")

        let all = try Self.logits(folder.path, reference.tokens).rows
        let found = stride(from: all.count - 1, through: 0, by: -6).map { row in
            stride(from: 0, to: all[row].count, by: 9).map { Double(all[row][$0]) }
        }

        // Pages hold keys and values as f16, which is nearly all of the difference to exact logits: transformers' own differ
        // as much when it holds them so. From those ours differ where a number lies between two of f16 and falls to the
        // other side.
        let rounded = Self.worst(found, reference.rounded)
        let exact = Self.worst(found, reference.logits)
        let ofCache = Self.worst(reference.rounded, reference.logits)
        print(
            "\(reference.name): \(rounded) beside the same cache, \(exact) beside none, of which the cache \(ofCache)")
        #expect(rounded <= 1e-3)
        #expect(exact <= max(1e-3, 1.25 * ofCache))
    }

    /// Root mean square of the difference over that of the logits, of the worst row.
    private static func worst(_ found: [[Double]], _ wanted: [[Double]]) -> Double {
        guard found.count == wanted.count else { return 1 }
        return zip(found, wanted).map { found, wanted in
            let difference = zip(found, wanted).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
            return (difference / wanted.reduce(0) { $0 + $1 * $1 }).squareRoot()
        }.max() ?? 1
    }

    static let twins = cases.filter { !$0.storesBF16 && !$0.testDescription.contains("-") }

    @Test(arguments: twins, [nil, .q8_0, .q4_0] as [WeightQuantization?])
    func `logits are those of a GGUF file with the same numbers, bit for bit`(
        _ value: Case, _ quantization: WeightQuantization?
    ) throws {
        guard value.testDescription != "phi4" else { return }
        let tokens = (0..<40).map { Int32($0 * 37 % 100) }
        let folder = try value.folder()
        let file = try TemporaryFile(value.model.writer().bytes())

        let ours = try Self.logits(folder.path, tokens, quantization)
        let theirs = try Self.logits(file.path, tokens, quantization)

        #expect(ours.rows.map { $0.map(\.bitPattern) } == theirs.rows.map { $0.map(\.bitPattern) })
        #expect(ours.model.plan.totalByteCount == theirs.model.plan.totalByteCount)
        #expect(ours.model.description.numericsID != theirs.model.description.numericsID)
    }

    @Test(arguments: [1, 3]) func `shards make the same model`(count: Int) throws {
        let value = Case("mixtral", "llama", model: { $0.experts = (4, 2) })
        let tokens = (0..<40).map { Int32($0 * 37 % 100) }
        let (whole, shards) = (try value.folder(), try value.model.folder(shardCount: count))

        #expect(try Self.logits(shards.path, tokens).rows == Self.logits(whole.path, tokens).rows)
    }
}
