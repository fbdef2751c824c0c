import Foundation
import TestSupport
import Weights

/// The same random model as a folder of Hugging Face: other names, rows, columns and signs of what the file holds.
extension RandomModel {
    var modelType: String {
        switch architecture {
        case "llama": experts != nil ? "mixtral" : window != nil ? "mistral" : "llama"
        case "gemma3": "gemma3_text"
        case "qwen3moe": "qwen3_moe"
        default: architecture
        }
    }

    var config: [String: Any] {
        if architecture == "gpt2" {
            return [
                "model_type": "gpt2", "architectures": ["GPT2LMHeadModel"], "n_embd": width, "n_layer": layerCount,
                "n_head": headCount, "n_positions": contextLength, "n_inner": feedForwardWidth,
                "vocab_size": vocabularySize, "layer_norm_epsilon": 1e-5, "activation_function": "gelu_new",
                "bos_token_id": 0, "eos_token_id": 0,
            ]
        }
        var config: [String: Any] = [
            "model_type": modelType, "hidden_size": width, "num_hidden_layers": layerCount,
            "num_attention_heads": headCount, "num_key_value_heads": kvHeadCount, "head_dim": headDimension,
            "intermediate_size": feedForwardWidth, "vocab_size": vocabularySize,
            "max_position_embeddings": contextLength, "rms_norm_eps": 1e-5, "rope_theta": Double(ropeBase),
            "hidden_act": "silu", "tie_word_embeddings": tiesOutput, "bos_token_id": 0, "eos_token_id": 0,
            "pad_token_id": 0, "sliding_window": window?.size ?? NSNull(),
        ]
        if let linearFactor { config["rope_scaling"] = ["rope_type": "linear", "factor": Double(linearFactor)] }
        switch modelType {
        case "mixtral":
            (config["num_local_experts"], config["num_experts_per_tok"]) = (experts?.count, experts?.used)
        case "qwen3_moe":
            (config["num_experts"], config["num_experts_per_tok"]) = (experts?.count, experts?.used)
            (config["moe_intermediate_size"], config["norm_topk_prob"]) = (feedForwardWidth, true)
        case "gemma2", "gemma3_text":
            config["hidden_act"] = nil
            config["hidden_activation"] = "gelu_pytorch_tanh"
            config["query_pre_attn_scalar"] = headDimension
            func number(_ cap: Float?) -> Any { cap.map { Double($0) } ?? NSNull() }
            (config["attn_logit_softcapping"], config["final_logit_softcapping"]) = (number(scoreCap), number(logitCap))
            config["layer_types"] = (0..<layerCount).map {
                $0 % (window?.period ?? 1) == (window?.period ?? 1) - 1 ? "full_attention" : "sliding_attention"
            }
        case "phi3": config["head_dim"] = nil
        default: break
        }
        return config
    }

    /// What GGUF's converter does, the other way round.
    func storedTensors() -> [SafetensorsWriter.Tensor] {
        writer().tensors.filter { !$0.name.hasPrefix("rope_") }.flatMap { tensor -> [SafetensorsWriter.Tensor] in
            let type = GGUFTensorType(rawValue: tensor.type)?.name ?? ""
            let shape = tensor.dimensions.reversed().map { Int($0) }
            var stored = SafetensorsWriter.Tensor(stored(tensor.name), shape, type: type, tensor.bytes)
            let size = tensor.bytes.count / shape.reduce(1, *)
            if isGemma, tensor.name.hasSuffix("norm.weight") {
                stored.bytes = stride(from: 0, to: tensor.bytes.count, by: 4).flatMap { start -> [UInt8] in
                    let value = tensor.bytes[start..<start + 4].reversed().reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
                    return GGUFWriter.little((Float(bitPattern: value) - 1).bitPattern)
                }
            } else if architecture == "gpt2", shape.count == 2, tensor.name.hasPrefix("blk.") {
                stored.shape = shape.reversed()
                stored.bytes = (0..<shape[1]).flatMap { column in
                    (0..<shape[0]).flatMap { row -> ArraySlice<UInt8> in
                        tensor.bytes[((row * shape[1] + column) * size)...].prefix(size)
                    }
                }
            } else if architecture == "llama",
                ["attn_q.weight", "attn_k.weight"].contains(where: tensor.name.hasSuffix)
            {
                let (rowByteCount, half) = (shape[1] * size, headDimension / 2)
                stored.bytes = (0..<shape[0]).flatMap { row -> ArraySlice<UInt8> in
                    let (head, within) = (row / headDimension, row % headDimension)
                    let source = head * headDimension + 2 * (within % half) + within / half
                    return tensor.bytes[(source * rowByteCount)...].prefix(rowByteCount)
                }
            } else if tensor.name.hasSuffix("_exps.weight") {
                let count = tensor.bytes.count / shape[0]
                return (0..<shape[0]).map { expert in
                    SafetensorsWriter.Tensor(
                        stored.name.replacingOccurrences(of: "EXPERT", with: "\(expert)"), Array(shape[1...]),
                        type: type, Array(tensor.bytes[(expert * count)...].prefix(count)))
                }
            }
            return [stored]
        }
    }

    private func stored(_ name: String) -> String {
        let isMixtral = modelType == "mixtral"
        let (moe, gate, up, down) =
            isMixtral ? ("block_sparse_moe", "w1", "w3", "w2") : ("mlp", "gate_proj", "up_proj", "down_proj")
        var renamed = name.replacingOccurrences(of: "blk.", with: "layers.")
        let gpt2 = [
            ("layers.", "h."), ("attn_norm", "ln_1"), ("attn_qkv", "attn.c_attn"), ("attn_output", "attn.c_proj"),
            ("ffn_norm", "ln_2"), ("ffn_up", "mlp.c_fc"), ("ffn_down", "mlp.c_proj"), ("token_embd", "wte"),
            ("position_embd", "wpe"), ("output_norm", "ln_f"),
        ]
        let gemma = [
            ("post_attention_norm", "post_attention_layernorm"), ("ffn_norm", "pre_feedforward_layernorm"),
            ("post_ffw_norm", "post_feedforward_layernorm"),
        ]
        let others = [
            ("token_embd", "embed_tokens"), ("output_norm", "norm"), ("attn_norm", "input_layernorm"),
            ("ffn_norm", "post_attention_layernorm"), ("attn_q_norm", "self_attn.q_norm"),
            ("attn_k_norm", "self_attn.k_norm"), ("attn_qkv", "self_attn.qkv_proj"), ("attn_q", "self_attn.q_proj"),
            ("attn_k", "self_attn.k_proj"), ("attn_v", "self_attn.v_proj"), ("attn_output", "self_attn.o_proj"),
            ("ffn_gate_inp", "\(moe).gate"), ("ffn_gate_exps", "\(moe).experts.EXPERT.\(gate)"),
            ("ffn_up_exps", "\(moe).experts.EXPERT.\(up)"), ("ffn_down_exps", "\(moe).experts.EXPERT.\(down)"),
            ("ffn_gate", "mlp.gate_proj"), ("ffn_up", architecture == "phi3" ? "mlp.gate_up_proj" : "mlp.up_proj"),
            ("ffn_down", "mlp.down_proj"),
        ]
        if renamed == "output.weight" { return "lm_head.weight" }
        for (ours, theirs) in architecture == "gpt2" ? gpt2 : isGemma ? gemma + others : others
        where renamed.contains(ours + ".") || ours.hasSuffix(".") {
            renamed = renamed.replacingOccurrences(of: ours, with: theirs)
        }
        return (architecture == "gpt2" ? "transformer." : "model.") + renamed
    }

    // MARK: - Files

    /// - Parameters:
    ///   - shardCount: files that the tensors are spread over, with an index beside them; 0 is one file without.
    ///   - change: of the config.
    ///   - changeTensors: of what is stored.
    func folder(
        at url: URL? = nil, shardCount: Int = 0, _ change: (inout [String: Any]) -> Void = { _ in },
        tensors changeTensors: (inout [SafetensorsWriter.Tensor]) -> Void = { _ in }
    ) throws -> TemporaryFolder {
        let folder = try url.map { try TemporaryFolder(keeping: $0) } ?? TemporaryFolder()
        var (config, writer) = (config, SafetensorsWriter(storedTensors()))
        change(&config)
        changeTensors(&writer.tensors)
        try folder.write("config.json", json: config)
        try writer.write(to: folder, shardCount: shardCount)
        return folder
    }
}
