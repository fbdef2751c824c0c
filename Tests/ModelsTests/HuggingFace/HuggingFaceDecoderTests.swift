import Foundation
import Models
import TestSupport
import Testing

/// Folders that cannot be served, each refused for what it is, in one sentence; and what tells folders apart.
@Suite struct HuggingFaceDecoderTests {
    struct Change: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var architecture: String
        var says: String
        var config: @Sendable (inout [String: Any]) -> Void

        init(
            _ name: String, of architecture: String = "llama", says: String,
            _ config: @escaping @Sendable (inout [String: Any]) -> Void
        ) {
            (testDescription, self.architecture, self.says, self.config) = (name, architecture, says, config)
        }
    }

    private static func scaling(_ fields: [String: any Sendable]) -> @Sendable (inout [String: Any]) -> Void {
        { $0["rope_scaling"] = fields }
    }

    static let changes: [Change] = [
        Change("an unknown family", says: "model_type is \"mamba\" where one of bert, gemma2,") {
            $0["model_type"] = "mamba"
        },
        Change("another gate", says: "hidden_act is \"gelu\"") { $0["hidden_act"] = "gelu" },
        Change("a bias of attention", says: "attention_bias is true") { $0["attention_bias"] = true },
        Change("a bias of the feed-forward", says: "mlp_bias is true") { $0["mlp_bias"] = true },
        Change("weights that were quantized", says: "quantization_config") {
            $0["quantization_config"] = ["quant_method": "gptq"]
        },
        Change("no width", says: "hidden_size is missing") { $0["hidden_size"] = nil },
        Change("a width that packs badly", says: "hidden_size is 65 where a multiple of 32") { $0["hidden_size"] = 65 },
        Change("no heads", says: "num_attention_heads is 0") { $0["num_attention_heads"] = 0 },
        Change("heads that do not divide", says: "num_key_value_heads is 3") { $0["num_key_value_heads"] = 3 },
        Change("a huge head", says: "head_dim is 9223372036854775807") { $0["head_dim"] = Int.max },
        Change("too many layers", says: "num_hidden_layers is 5000") { $0["num_hidden_layers"] = 5000 },
        Change("a layer too many", says: "lacks the tensor model.layers.2.input_layernorm.weight") {
            $0["num_hidden_layers"] = 3
        },
        Change("a layer too few", says: "holds the tensor model.layers.1.") { $0["num_hidden_layers"] = 1 },
        Change("another vocabulary", says: "model.embed_tokens.weight is 64 × 100 where 64 × 99") {
            $0["vocab_size"] = 99
        },
        Change("an output matrix that is not there", says: "lm_head.weight") { $0["tie_word_embeddings"] = false },
        Change("an unknown scaling", says: "rope_scaling.rope_type is \"dynamic\"", scaling(["rope_type": "dynamic"])),
        Change("a scaling without its factor", says: "rope_scaling.factor is missing", scaling(["type": "linear"])),
        Change("a scaling by nothing", says: "rope_scaling.factor is 0", scaling(["type": "linear", "factor": 0])),
        Change(
            "a scaling by a negative number", says: "rope_scaling.factor is -1",
            scaling(["type": "yarn", "factor": -1])),
        Change(
            "bounds in the wrong order", says: "low_freq_factor is 4",
            scaling([
                "rope_type": "llama3", "factor": 8, "low_freq_factor": 4, "high_freq_factor": 1,
                "original_max_position_embeddings": 64,
            ])),
        Change(
            "too few factors", of: "phi3", says: "rope_scaling.short_factor is a list where a list of 8 numbers",
            scaling(["type": "longrope", "short_factor": [1.0], "long_factor": [1.0]])),
        Change("a partly turned head", says: "partial_rotary_factor is 0.5 where 1") {
            $0["partial_rotary_factor"] = 0.5
        },
        Change("kinds of layers that are none", of: "qwen2", says: "layer_types") {
            ($0["use_sliding_window"], $0["max_window_layers"], $0["sliding_window"]) = (true, 0, 4)
            $0["layer_types"] = ["full_attention", "linear_attention"]
        },
        Change("kinds of too few layers", of: "gemma2", says: "a list of 3 kinds") {
            $0["layer_types"] = ["full_attention"]
        },
        Change("weights of experts that do not add up", of: "qwen3moe", says: "norm_topk_prob is false") {
            $0["norm_topk_prob"] = false
        },
        Change("layers without experts", of: "qwen3moe", says: "mlp_only_layers") { $0["mlp_only_layers"] = [0] },
        Change("an expert too many", of: "qwen3moe", says: "mlp.gate.weight is 64 × 8 where 64 × 9") {
            $0["num_experts"] = 9
        },
        Change("more experts than there are", of: "qwen3moe", says: "num_experts_per_tok is 9") {
            $0["num_experts_per_tok"] = 9
        },
        Change("no size of heads", of: "gemma3", says: "head_dim is missing") { $0["head_dim"] = nil },
        Change("another activation", of: "gemma2", says: "hidden_activation is \"relu\"") {
            $0["hidden_activation"] = "relu"
        },
        Change("attention both ways", of: "gemma3", says: "use_bidirectional_attention") {
            $0["use_bidirectional_attention"] = true
        },
        Change("scores by layer", of: "gpt2", says: "scale_attn_by_inverse_layer_idx") {
            $0["scale_attn_by_inverse_layer_idx"] = true
        },
        Change("another feed-forward", of: "gpt2", says: "h.0.mlp.c_proj.weight is 64 × 64 where 64 × 256") {
            $0["n_inner"] = nil
        },
    ]

    @Test(arguments: changes) func `a config that Apus does not compute is refused`(_ change: Change) throws {
        let folder = try RandomModel.family(change.architecture).folder(change.config)

        let error = try #require(throws: ModelError.self) { try ModelFile(path: folder.path) }

        #expect("\(error)".contains(change.says), "\(error)")
        #expect("\(error)".hasSuffix("."))
    }

    @Test func `tensors that are missing, in the way or of another type are refused by name`() throws {
        func error(_ change: (inout [SafetensorsWriter.Tensor]) -> Void) throws -> String {
            let folder = try RandomModel().folder(tensors: change)
            return "\(try #require(throws: ModelError.self) { try ModelFile(path: folder.path) })"
        }
        let name = "model.layers.1.self_attn.v_proj.weight"

        #expect(try error { $0.removeAll { $0.name == name } }.contains("lacks the tensor \(name)"))
        #expect(try error { $0.append(.init("model.extra.weight", [1], floats: [1])) }.contains("model.extra.weight"))
        let typed = try error { tensors in
            for index in tensors.indices where tensors[index].name == name { tensors[index].type = "I32" }
        }
        #expect(typed.contains("\(name) is stored as I32"))
    }

    @Test func `what belongs to no forward pass may be there`() throws {
        let folder = try RandomModel().folder(tensors: {
            $0.append(.init("model.layers.0.self_attn.rotary_emb.inv_freq", [2], floats: [1, 1]))
            $0.append(.init("lm_head.weight", [1], floats: [1]))
        })

        guard case .decoder(let file) = try ModelFile(path: folder.path) else {
            Issue.record("it became an encoder")
            return
        }
        #expect(file.spec.architecture == "llama")
    }

    @Test(arguments: [
        "config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "generation_config.json",
        "chat_template.jinja",
    ]) func `a folder with another file is another model`(name: String) throws {
        func identity(_ folder: TemporaryFolder) throws -> String {
            try Transformer(
                path: folder.path, options: TransformerOptions(threadCount: 1, kvMemory: .pages(1), stepTokenMax: 1)
            ).description.numericsID
        }
        let folder = try RandomModel().folder()
        let same = try RandomModel().folder()
        let before = try identity(folder)
        #expect(try identity(same) == before)

        if name == "model.safetensors" {
            var model = RandomModel()
            model.seed = 2
            try SafetensorsWriter(model.storedTensors()).write(to: folder)
        } else if name == "config.json" {
            var config = RandomModel().config
            config["rope_theta"] = 20_000
            try folder.write(name, json: config)
        } else {
            try folder.write(name, Data("{}".utf8))
        }

        #expect(try identity(folder) != before)
    }
}
