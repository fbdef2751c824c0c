import Foundation
import TestSupport
import Testing
import Text
import Weights

@testable import Models

/// Files and folders that cannot be served, each refused for what it is, in one sentence.
@Suite struct EncoderFileTests {
    struct Change: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var says: String
        var change: @Sendable (inout [String: Any]) -> Void

        init(_ name: String, says: String, _ change: @escaping @Sendable (inout [String: Any]) -> Void) {
            (testDescription, self.says, self.change) = (name, says, change)
        }
    }

    static let configs: [Change] = [
        Change("another kind of model", says: "model_type is \"roberta\"") { $0["model_type"] = "roberta" },
        Change("no kind", says: "model_type is missing") { $0["model_type"] = nil },
        Change("another gate", says: "hidden_act is \"relu\"") { $0["hidden_act"] = "relu" },
        Change("other positions", says: "position_embedding_type") {
            $0["position_embedding_type"] = "relative_key"
        },
        Change("a decoder", says: "is_decoder") { $0["is_decoder"] = true },
        Change("no width", says: "hidden_size is missing") { $0["hidden_size"] = nil },
        Change("a negative width", says: "hidden_size is -64") { $0["hidden_size"] = -64 },
        Change("a width that is text", says: "hidden_size is \"64\"") { $0["hidden_size"] = "64" },
        Change("a width that packs badly", says: "a multiple of 32") { $0["hidden_size"] = 65 },
        Change("heads that do not divide", says: "num_attention_heads is 5") { $0["num_attention_heads"] = 5 },
        Change("no heads", says: "num_attention_heads is 0") { $0["num_attention_heads"] = 0 },
        Change("too many layers", says: "num_hidden_layers is 5000") { $0["num_hidden_layers"] = 5000 },
        Change("a layer too many", says: "encoder.layer.2.attention.self.query.weight") { $0["num_hidden_layers"] = 3 },
        Change("a layer too few", says: "encoder.layer.1.") { $0["num_hidden_layers"] = 1 },
        Change("another vocabulary", says: "45") { $0["vocab_size"] = 44 },
        Change("another architecture", says: "BertForTokenClassification") {
            $0["architectures"] = ["BertForTokenClassification"]
        },
        Change("two architectures", says: "architectures") { $0["architectures"] = ["BertModel", "BertModel"] },
        Change("no norm", says: "layer_norm_eps") { $0["layer_norm_eps"] = "small" },
        Change("a wrong norm", says: "layer_norm_eps is 2") { $0["layer_norm_eps"] = 2 },
        Change("labels of a classifier", says: "2 labels") {
            $0["architectures"] = ["BertForSequenceClassification"]
            $0["id2label"] = ["0": "no", "1": "yes"]
        },
        Change("a score without its tensors", says: "pooler.dense.weight") {
            $0["architectures"] = ["BertForSequenceClassification"]
        },
        Change("an unknown activation", says: "Softmax") {
            $0["architectures"] = ["BertForSequenceClassification"]
            $0["sbert_ce_default_activation_function"] = "torch.nn.Softmax"
        },
    ]

    @Test(arguments: configs) func `a config that Apus does not compute is refused`(_ change: Change) throws {
        let folder = try RandomEncoder().folder(change.change)

        let error = try #require(throws: ModelError.self) { try ModelFile(path: folder.path) }

        #expect("\(error)".contains(change.says), "\(error)")
        #expect("\(error)".hasSuffix("."))
    }

    static let files: [(name: String, text: String?, says: String)] = [
        ("config.json", nil, "no config.json"), ("config.json", "[]", "a list and no object"),
        ("config.json", "{", "not valid JSON"), ("model.safetensors", nil, "cannot be read"),
        ("model.safetensors", "{}", "needs 8 bytes"), ("vocab.txt", nil, "neither tokenizer.json nor vocab.txt"),
        ("vocab.txt", "a\nb\n", "lacks the token [UNK]"), ("vocab.txt", "\u{feff}", "lacks the token"),
        ("1_Pooling/config.json", #"{"pooling_mode_max_tokens":true}"#, "pooling_mode_max_tokens is true"),
        ("1_Pooling/config.json", #"{"pooling_mode_cls_token":true,"pooling_mode_mean_tokens":true}"#, "one mode"),
        ("1_Pooling/config.json", #"{"pooling_mode_cls_token":1}"#, "true or false"),
        ("modules.json", #"[{"type":"sentence_transformers.models.Dense"}]"#, "the module Dense"),
        ("modules.json", #"[{"path":""}]"#, "has no type"), ("modules.json", "{}", "no list"),
        ("sentence_bert_config.json", #"{"max_seq_length":0}"#, "max_seq_length is 0"),
        ("tokenizer.json", "{}", "another type than WordPiece"),
        ("tokenizer.json", #"{"model":{"type":"BPE"}}"#, "another type than WordPiece"),
        ("tokenizer.json", #"{"model":{"type":"WordPiece","vocab":{"a":"b"}}}"#, "no whole number"),
        ("tokenizer.json", #"{"model":{"type":"WordPiece","vocab":{"a":1}}}"#, "each once"),
        (
            "tokenizer.json",
            #"{"model":{"type":"WordPiece","vocab":{"a":0},"unk_token":"a","continuing_subword_prefix":"@@"}}"#,
            "continuing_subword_prefix"
        ),
        (
            "tokenizer.json", #"{"model":{"type":"WordPiece","vocab":{"a":0},"unk_token":"a"}}"#, "no post_processor"
        ),
    ]

    @Test(arguments: files.indices) func `a file that is missing or says something else is refused`(_ index: Int) throws
    {
        let file = Self.files[index]
        let folder = try RandomEncoder().folder()
        if let text = file.text { try folder.write(file.name, Data(text.utf8)) } else { try folder.remove(file.name) }

        let error = try #require(throws: ModelError.self) { try ModelFile(path: folder.path) }

        #expect("\(error)".contains(file.says), "\(error)")
        #expect("\(error)".hasSuffix("."))
    }

    @Test func `a shorter length that the folder names is the context`() throws {
        let folder = try RandomEncoder().folder()
        try folder.write("sentence_bert_config.json", Data(#"{"max_seq_length":48}"#.utf8))

        #expect(try EncoderTests.load(folder.path).description.contextLength == 48)
    }

    static let keys: [(key: String, value: GGUFWriter.Value?, says: String)] = [
        ("bert.context_length", nil, "bert.context_length"), ("bert.context_length", .uint32(81), "1 to 80"),
        ("bert.attention.causal", .bool(1), "causal"), ("bert.pooling_type", .uint32(0), "pooling_type is 0"),
        ("bert.pooling_type", .uint32(4), "cls.weight"), ("bert.block_count", .uint32(3), "blk.2.attn_q.weight"),
        ("bert.block_count", .uint32(1), "blk.1."), ("bert.attention.head_count", .uint32(0), "head_count is 0"),
        ("bert.attention.layer_norm_epsilon", nil, "layer_norm_epsilon"),
        ("tokenizer.ggml.tokens", .strings(["a"]), "token types"), ("tokenizer.ggml.token_type", nil, "token_type"),
    ]

    @Test(arguments: keys.indices) func `a GGUF file that Apus does not compute is refused`(_ index: Int) throws {
        let (key, value, says) = Self.keys[index]
        var writer = RandomEncoder().writer()
        writer.entries.removeAll { $0.key == key }
        if let value { writer.entries.append((key, value)) }
        let source = try TemporaryFile(writer.bytes())

        let error = try #require(throws: ModelError.self) { try ModelFile(path: source.path) }

        #expect("\(error)".contains(says), "\(error)")
        #expect("\(error)".hasSuffix("."))
    }

    @Test func `a tensor that is not computed is refused by name`() throws {
        var writer = RandomEncoder().writer()
        writer.add("extra.weight", [32], floats: Array(repeating: 0, count: 32))
        let source = try TemporaryFile(writer.bytes())

        #expect(throws: ModelError.unexpectedTensor("extra.weight", architecture: "bert")) {
            try ModelFile(path: source.path)
        }
    }

    @Test func `a decoder's file is a decoder`() throws {
        let source = try TemporaryFile(RandomModel().writer().bytes())
        guard case .decoder = try ModelFile(path: source.path) else {
            Issue.record("it became an encoder")
            return
        }
    }
}
