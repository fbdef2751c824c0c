import Foundation
import TestSupport
import Testing
import Text
import Weights

@testable import Models

/// GGUF files that are written of folders.
@Suite struct FolderConversionTests {
    private static let tokenizer = #"""
        {"model":{"type":"BPE","vocab":{"a":0,"b":1,"ab":2},"merges":["a b"]},
         "pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false},"decoder":{"type":"ByteLevel"},
         "added_tokens":[{"id":3,"content":"<s>","special":true}]}
        """#

    private static func logits(
        _ path: String, _ quantization: WeightQuantization? = nil
    ) throws -> (model: Transformer, bits: [UInt32]) {
        let model = try Transformer(
            path: path,
            options: TransformerOptions(
                threadCount: 2, kvMemory: .pages(4), stepTokenMax: 64, quantization: quantization))
        let tokens = (0..<40).map { Int32($0 * 37 % 100) }
        let slice = StepSlice(tokens: tokens, startPosition: 0, pages: [2, 1], logits: .all)
        return (model, model.execute([slice]).map(\.bitPattern))
    }

    /// What GGUF's keys, as Apus reads them, cannot say.
    static let unspeakable: [String: String] = [
        "qwen2-yarn": "rope_freqs.weight", "qwen2-window": "another model",
    ]

    @Test(arguments: HuggingFaceFamilyTests.cases, WeightQuantization.allCases)
    func `a file is the model that a folder is when it is quantized at load, bit for bit`(
        _ value: HuggingFaceFamilyTests.Case, _ quantization: WeightQuantization
    ) throws {
        let folder = try value.folder()
        try folder.write("tokenizer.json", Data(Self.tokenizer.utf8))
        let target = try #require(GGUFConversion.Target(rawValue: quantization.rawValue))
        let result = try TemporaryFile()
        let conversion = try FolderConversion(path: folder.path, to: target)
        if let reason = Self.unspeakable[value.testDescription] {
            let error = try #require(throws: ModelError.self) { try conversion.write(to: result.path, threads: 1) }
            #expect("\(error)".contains("config.json") && "\(error)".contains(reason), "\(error)")
            return
        }

        let byteCount = try conversion.write(to: result.path, threads: 2)

        let loaded = try Self.logits(folder.path, quantization)
        let written = try Self.logits(result.path)
        #expect(loaded.bits == written.bits)
        #expect(loaded.model.plan.totalByteCount == written.model.plan.totalByteCount)
        let file = try GGUFFile(path: result.path)
        #expect(file.fileByteCount == byteCount && file.tensors.map(\.name) == conversion.tensors.map(\.name))
        let spec = try DecoderFile(file).tokenizer()
        #expect(spec.tokens.prefix(4) == ["a", "b", "ab", "<s>"] && spec.tokens.count == 100 && spec.eosToken == 0)
    }

    @Test func `threads change no byte, and neither does how a folder is cut into files`() throws {
        let value = HuggingFaceFamilyTests.Case("mixtral", "llama", model: { $0.experts = (4, 2) })
        let files = try [(0, 1), (0, 3), (3, 2)].map { shards, threads in
            let folder = try value.model.folder(shardCount: shards)
            try folder.write("tokenizer.json", Data(Self.tokenizer.utf8))
            let result = try TemporaryFile()
            _ = try FolderConversion(path: folder.path, to: .q4_0).write(to: result.path, threads: threads)
            return try Data(contentsOf: URL(filePath: result.path))
        }
        #expect(files[0] == files[1] && files[0] == files[2])
    }

    /// Kinds of tokenizers that a file's other keys could not tell apart.
    @Test(arguments: TokenizerJSONTests.names) func `a file's tokenizer is the folder's`(_ name: String) throws {
        let fixture = try TokenizerJSONTests.Fixture()
        let kind = try #require(fixture.kinds.first { $0.name == name })
        var model = RandomModel()
        model.vocabularySize = 600
        let folder = try model.folder()
        try folder.write("tokenizer.json", JSONSerialization.data(withJSONObject: kind.file))
        try folder.write("tokenizer_config.json", json: ["eos_token": "<|end|>", "chat_template": "{{ messages }}"])
        try folder.write("generation_config.json", json: ["eos_token_id": [5, 3]])
        let wanted = try DecoderFile(path: folder.path).tokenizer()
        let result = try TemporaryFile()
        _ = try FolderConversion(path: folder.path, to: .f16).write(to: result.path, threads: 1)

        let file = try GGUFFile(path: result.path)
        var found = try DecoderFile(file).tokenizer()
        let others = wanted.endOfTurnTokens.filter { $0 != wanted.eosToken }
        #expect(found.endOfTurnTokens == others && !others.isEmpty)
        #expect(try Tokenizer(found).endTokens == Tokenizer(wanted).endTokens)
        found.endOfTurnTokens = wanted.endOfTurnTokens
        #expect(found == wanted)
        // What other programs read.
        #expect(try file.metadata.strings("tokenizer.ggml.tokens")?.count == 600)
        #expect(try file.metadata.ints("tokenizer.ggml.token_type")?.count == 600)
        #expect(try file.metadata.string("tokenizer.chat_template") == "{{ messages }}")
        if wanted.kind == .sentencePiece {
            #expect(try file.metadata.floats("tokenizer.ggml.scores")?.count == 600)
        } else {
            #expect(try file.metadata.strings("tokenizer.ggml.merges") == wanted.merges)
        }
    }

    @Test func `what cannot be written is refused in a sentence, and leaves what was there`() throws {
        let folder = try RandomModel().folder()
        func refusal(_ result: TemporaryFile, stops: Bool = false) throws -> String {
            let conversion = try FolderConversion(path: folder.path, to: .q8_0)
            return try conversion.write(to: result.path, threads: 1) { stops } == nil ? "stopped" : "written"
        }
        let result = try TemporaryFile([7])

        #expect(throws: ModelError.self) { try refusal(result) }
        try folder.write("tokenizer.json", Data(Self.tokenizer.utf8))
        #expect(try refusal(result, stops: true) == "stopped")
        let conversion = try FolderConversion(path: folder.path, to: .q8_0)
        let own = folder.url.appending(path: "model.safetensors").path
        let error = try #require(throws: ModelError.self) { try conversion.write(to: own, threads: 1) }
        #expect("\(error)".contains("is a file to be read"))
        try folder.write("generation_config.json", json: ["eos_token_id": [0, 1, 2, 3]])
        let ends = try #require(throws: ModelError.self) { try refusal(result) }
        #expect("\(ends)".contains("keys for three"), "\(ends)")
        #expect(try [UInt8](Data(contentsOf: URL(filePath: result.path))) == [7])
        #expect(!FileManager.default.fileExists(atPath: "\(result.path).\(getpid()).part"))
    }

    @Test func `a weight that cannot be quantized ends the conversion with the tensor's name`() throws {
        let folder = try RandomModel().folder(tensors: { tensors in
            let index = tensors.firstIndex { $0.name == "model.layers.1.mlp.up_proj.weight" } ?? 0
            tensors[index].bytes.replaceSubrange(400..<404, with: GGUFWriter.little(Float.nan.bitPattern))
        })
        try folder.write("tokenizer.json", Data(Self.tokenizer.utf8))
        let result = try TemporaryFile()
        let conversion = try FolderConversion(path: folder.path, to: .q4_0)

        #expect(throws: ModelError.unholdable(tensor: "blk.1.ffn_up.weight", type: .q4_0)) {
            try conversion.write(to: result.path, threads: 2)
        }
    }
}
