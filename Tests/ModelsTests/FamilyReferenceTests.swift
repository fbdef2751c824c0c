import Foundation
import Models
import TestSupport
import Testing
import Weights

/// The families against another program: logits that llama.cpp computes from the same files, which
/// Fixtures/make_families.py keeps in Fixtures/families.json.
@Suite struct FamilyReferenceTests {
    struct Reference: Decodable {
        var name: String
        /// Of the file that the numbers are of.
        var byteSum: Int
        var tokens: [Int32]
        /// Of every sixth token from the last, every ninth from the first.
        var logits: [[Double]]
    }

    static let models: [(name: String, model: RandomModel)] =
        ["llama", "qwen2", "qwen3", "gemma2", "gemma3", "phi3", "gpt2", "qwen3moe"].map { ($0, .family($0)) }
        + [
            changed("mixtral", .family("llama")) { $0.experts = (4, 2) },
            changed("phi3-short", .family("phi3")) {
                $0.longRope = ((0..<8).map { 1 + Float($0) / 8 }, (0..<8).map { 2 + Float($0) }, 256, 1.19)
            },
            changed("phi3-long", .family("phi3")) {
                $0.longRope = ((0..<8).map { 1 + Float($0) / 8 }, (0..<8).map { 2 + Float($0) }, 64, 1.19)
            },
        ]

    private static func changed(
        _ name: String, _ model: RandomModel, _ change: (inout RandomModel) -> Void
    ) -> (name: String, model: RandomModel) {
        var model = model
        change(&model)
        return (name, model)
    }

    static func bytes(_ model: RandomModel) -> [UInt8] {
        var writer = model.writer()
        writer.entries += [
            ("tokenizer.ggml.model", .string("no_vocab")),
            ("\(model.architecture).vocab_size", .uint32(UInt32(model.vocabularySize))),
        ]
        return writer.bytes()
    }

    /// Only where the folder is told for which `make_families.py` asks.
    @Test func `the files can be had`() throws {
        guard let folder = ProcessInfo.processInfo.environment["APUS_FAMILY_FOLDER"] else { return }
        for (name, model) in Self.models {
            try Data(Self.bytes(model)).write(to: URL(filePath: folder).appending(path: "\(name).gguf"))
        }
    }

    @Test(arguments: models.map(\.name)) func `logits are those of llama.cpp`(_ name: String) throws {
        let url = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appending(path: "Fixtures/families.json")
        let references = try JSONDecoder().decode([Reference].self, from: Data(contentsOf: url))
        let reference = try #require(references.first { $0.name == name })
        let random = try #require(Self.models.first { $0.name == name }).model
        let bytes = Self.bytes(random)
        try #require(bytes.reduce(0) { $0 + Int($1) } == reference.byteSum, "the file is another one by now")
        let source = try TemporaryFile(bytes)
        let model = try Transformer(
            path: source.path, options: TransformerOptions(threadCount: 2, kvMemory: .pages(4), stepTokenMax: 64))

        let slice = StepSlice(tokens: reference.tokens, startPosition: 0, pages: [2, 1], logits: .all)
        let all = rows(model.execute([slice]), model)
        let found = stride(from: all.count - 1, through: 0, by: -6).map { row in
            stride(from: 0, to: all[row].count, by: 9).map { all[row][$0] }
        }

        #expect(found.count == reference.logits.count)
        let worst = zip(found, reference.logits).map { found, expected in
            let difference = zip(found, expected).reduce(0) { $0 + pow(Double($1.0) - $1.1, 2) }
            return (difference / expected.reduce(0) { $0 + $1 * $1 }).squareRoot()
        }
        let most = worst.max() ?? 1
        // Pages hold keys and values as f16, which is nearly all of it; a wrong row, pair or head makes it about 1.
        #expect(most <= 0.004)
    }
}
