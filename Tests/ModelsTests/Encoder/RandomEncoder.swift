import Foundation
import TestSupport
import Weights

/// A small BERT of random weights, as a GGUF file or as a folder. `PlainEncoder` says what it means.
struct RandomEncoder {
    var layerCount = 2
    var width = 64
    var headCount = 4
    var feedForwardWidth = 96
    var positionCount = 80
    var segmentCount = 2
    /// GGUF's pooling_type: 1 mean, 2 CLS, 3 last, 4 rank.
    var pooling = 1
    var type = GGUFTensorType.f32
    var seed: UInt64 = 1

    static let vocabulary =
        ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] + (0..<20).map { "w\($0)" } + (0..<20).map { "##x\($0)" }

    /// Names as GGUF has them, dimensions from the innermost, numbers as floats.
    func tensors() -> [(name: String, dimensions: [Int], values: [Float])] {
        var random = SeededRandom(seed: seed)
        var tensors: [(name: String, dimensions: [Int], values: [Float])] = []
        func add(_ name: String, _ dimensions: [Int], around center: Float = 0, scale: Float) {
            tensors.append(
                (
                    name, dimensions,
                    (0..<dimensions.reduce(1, *)).map { _ in center + scale * Float.random(in: -1...1, using: &random) }
                ))
        }
        func linear(_ stem: String, _ columns: Int, _ rows: Int) {
            add(stem + ".weight", [columns, rows], scale: 2.5 / Float(columns).squareRoot())
            add(stem + ".bias", [rows], scale: 0.3)
        }
        func norm(_ stem: String) {
            add(stem + ".weight", [width], around: 1, scale: 0.3)
            add(stem + ".bias", [width], scale: 0.3)
        }
        add("token_embd.weight", [width, Self.vocabulary.count], scale: 1)
        add("position_embd.weight", [width, positionCount], scale: 0.5)
        add("token_types.weight", [width, segmentCount], scale: 0.5)
        norm("token_embd_norm")
        for layer in 0..<layerCount {
            for part in ["attn_q", "attn_k", "attn_v", "attn_output"] { linear("blk.\(layer).\(part)", width, width) }
            norm("blk.\(layer).attn_output_norm")
            linear("blk.\(layer).ffn_up", width, feedForwardWidth)
            linear("blk.\(layer).ffn_down", feedForwardWidth, width)
            norm("blk.\(layer).layer_output_norm")
        }
        if pooling == 4 {
            linear("cls", width, width)
            linear("cls.output", width, 1)
        }
        return tensors
    }

    private func encoded(_ values: [Float], _ type: GGUFTensorType) -> [UInt8] {
        values.flatMap { value in
            switch type {
            case .f16: GGUFWriter.little(Float16(value).bitPattern)
            case .bf16: GGUFWriter.little(UInt16(truncatingIfNeeded: value.bitPattern >> 16))
            default: GGUFWriter.little(value.bitPattern)
            }
        }
    }

    // MARK: - GGUF

    func writer() -> GGUFWriter {
        var writer = GGUFWriter()
        let words = Self.vocabulary.enumerated().map { index, token in
            index < 5 ? token : token.hasPrefix("##") ? String(token.dropFirst(2)) : "\u{2581}" + token
        }
        writer.entries = [
            ("general.architecture", .string("bert")), ("general.name", .string("random")),
            ("bert.context_length", .uint32(UInt32(positionCount))), ("bert.embedding_length", .uint32(UInt32(width))),
            ("bert.block_count", .uint32(UInt32(layerCount))),
            ("bert.feed_forward_length", .uint32(UInt32(feedForwardWidth))),
            ("bert.attention.head_count", .uint32(UInt32(headCount))),
            ("bert.attention.layer_norm_epsilon", .float(1e-12)), ("bert.attention.causal", .bool(0)),
            ("bert.pooling_type", .uint32(UInt32(pooling))), ("tokenizer.ggml.model", .string("bert")),
            ("tokenizer.ggml.tokens", .strings(words)),
            ("tokenizer.ggml.token_type", .ints(words.indices.map { $0 < 5 ? 3 : 1 })),
            ("tokenizer.ggml.unknown_token_id", .uint32(1)), ("tokenizer.ggml.seperator_token_id", .uint32(3)),
        ]
        for (name, dimensions, values) in tensors() {
            if dimensions.count == 1 {
                writer.add(name, dimensions, floats: values)
            } else {
                writer.add(name, dimensions, type: type.rawValue, encoded(values, type))
            }
        }
        return writer
    }

    // MARK: - A folder

    var config: [String: Any] {
        [
            "architectures": [pooling == 4 ? "BertForSequenceClassification" : "BertModel"], "model_type": "bert",
            "hidden_act": "gelu", "hidden_size": width, "intermediate_size": feedForwardWidth,
            "layer_norm_eps": 1e-12, "max_position_embeddings": positionCount, "num_attention_heads": headCount,
            "num_hidden_layers": layerCount, "type_vocab_size": segmentCount, "vocab_size": Self.vocabulary.count,
            "id2label": ["0": "LABEL_0"], "sbert_ce_default_activation_function": "torch.nn.modules.linear.Identity",
        ]
    }

    /// The folder's spelling of one of GGUF's names.
    static func stored(_ name: String, prefix: String) -> String {
        let whole = [
            "token_embd.weight": "embeddings.word_embeddings.weight",
            "position_embd.weight": "embeddings.position_embeddings.weight",
            "token_types.weight": "embeddings.token_type_embeddings.weight",
        ]
        if let name = whole[name] { return prefix + name }
        var renamed = name
        for (ours, theirs) in [
            ("token_embd_norm.", "embeddings.LayerNorm."), ("attn_output_norm.", "attention.output.LayerNorm."),
            ("attn_output.", "attention.output.dense."), ("attn_q.", "attention.self.query."),
            ("attn_k.", "attention.self.key."), ("attn_v.", "attention.self.value."),
            ("ffn_up.", "intermediate.dense."), ("ffn_down.", "output.dense."),
            ("layer_output_norm.", "output.LayerNorm."), ("blk.", "encoder.layer."),
        ] {
            renamed = renamed.replacingOccurrences(of: ours, with: theirs)
        }
        if renamed.hasPrefix("cls.output.") {
            return renamed.replacingOccurrences(of: "cls.output.", with: "classifier.")
        }
        if renamed.hasPrefix("cls.") { renamed = renamed.replacingOccurrences(of: "cls.", with: "pooler.dense.") }
        return prefix + renamed
    }

    func safetensors(prefix: String = "") -> [UInt8] {
        var (header, data): ([String: Any], [UInt8]) = (["__metadata__": ["format": "pt"]], [])
        let names: [GGUFTensorType: String] = [.f32: "F32", .f16: "F16", .bf16: "BF16"]
        for (name, dimensions, values) in tensors() {
            let type = dimensions.count == 1 ? .f32 : type
            let bytes = encoded(values, type)
            header[Self.stored(name, prefix: prefix)] = [
                "dtype": names[type] ?? "", "shape": Array(dimensions.reversed()),
                "data_offsets": [data.count, data.count + bytes.count],
            ]
            data += bytes
        }
        let text = (try? JSONSerialization.data(withJSONObject: header)) ?? Data()
        return GGUFWriter.little(UInt64(text.count)) + Array(text) + data
    }

    func folder(prefix: String = "", _ change: (inout [String: Any]) -> Void = { _ in }) throws -> TemporaryFolder {
        let folder = try TemporaryFolder()
        var config = config
        change(&config)
        try folder.write("config.json", JSONSerialization.data(withJSONObject: config))
        try folder.write("model.safetensors", Data(safetensors(prefix: prefix)))
        try folder.write("vocab.txt", Data(Self.vocabulary.joined(separator: "\n").utf8))
        let modes = ["mean_tokens": pooling == 1, "cls_token": pooling == 2, "lasttoken": pooling == 3]
        let pooling = Dictionary(uniqueKeysWithValues: modes.map { ("pooling_mode_" + $0, $1) })
        try folder.write("1_Pooling/config.json", JSONSerialization.data(withJSONObject: pooling))
        return folder
    }
}
