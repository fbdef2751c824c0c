/// Names of tensors in GGUF files of decoder-only transformers.
enum TensorName {
    static let embedding = "token_embd.weight"
    static let positions = "position_embd.weight"
    static let outputNorm = "output_norm.weight"
    static let outputNormBias = "output_norm.bias"
    static let output = "output.weight"
    static let ropeFactors = "rope_freqs.weight"
    static let longRopeFactors = "rope_factors_long.weight"
    static let shortRopeFactors = "rope_factors_short.weight"

    static func attentionNorm(_ layer: Int) -> String { "blk.\(layer).attn_norm.weight" }
    static func attentionNormBias(_ layer: Int) -> String { "blk.\(layer).attn_norm.bias" }
    static func queryKeyValue(_ layer: Int) -> String { "blk.\(layer).attn_qkv.weight" }
    static func queryKeyValueBias(_ layer: Int) -> String { "blk.\(layer).attn_qkv.bias" }
    static func query(_ layer: Int) -> String { "blk.\(layer).attn_q.weight" }
    static func key(_ layer: Int) -> String { "blk.\(layer).attn_k.weight" }
    static func value(_ layer: Int) -> String { "blk.\(layer).attn_v.weight" }
    static func queryBias(_ layer: Int) -> String { "blk.\(layer).attn_q.bias" }
    static func keyBias(_ layer: Int) -> String { "blk.\(layer).attn_k.bias" }
    static func valueBias(_ layer: Int) -> String { "blk.\(layer).attn_v.bias" }
    static func queryNorm(_ layer: Int) -> String { "blk.\(layer).attn_q_norm.weight" }
    static func keyNorm(_ layer: Int) -> String { "blk.\(layer).attn_k_norm.weight" }
    static func attentionOutput(_ layer: Int) -> String { "blk.\(layer).attn_output.weight" }
    static func attentionOutputBias(_ layer: Int) -> String { "blk.\(layer).attn_output.bias" }
    static func attentionBranchNorm(_ layer: Int) -> String { "blk.\(layer).post_attention_norm.weight" }
    static func feedForwardNorm(_ layer: Int) -> String { "blk.\(layer).ffn_norm.weight" }
    static func feedForwardNormBias(_ layer: Int) -> String { "blk.\(layer).ffn_norm.bias" }
    static func gate(_ layer: Int) -> String { "blk.\(layer).ffn_gate.weight" }
    static func up(_ layer: Int) -> String { "blk.\(layer).ffn_up.weight" }
    static func upBias(_ layer: Int) -> String { "blk.\(layer).ffn_up.bias" }
    static func down(_ layer: Int) -> String { "blk.\(layer).ffn_down.weight" }
    static func downBias(_ layer: Int) -> String { "blk.\(layer).ffn_down.bias" }
    static func feedForwardBranchNorm(_ layer: Int) -> String { "blk.\(layer).post_ffw_norm.weight" }
    static func router(_ layer: Int) -> String { "blk.\(layer).ffn_gate_inp.weight" }
    static func expertGates(_ layer: Int) -> String { "blk.\(layer).ffn_gate_exps.weight" }
    static func expertUps(_ layer: Int) -> String { "blk.\(layer).ffn_up_exps.weight" }
    static func expertDowns(_ layer: Int) -> String { "blk.\(layer).ffn_down_exps.weight" }
    static func gate(_ layer: Int, expert: Int) -> String { "blk.\(layer).ffn_gate.\(expert).weight" }
    static func up(_ layer: Int, expert: Int) -> String { "blk.\(layer).ffn_up.\(expert).weight" }
    static func down(_ layer: Int, expert: Int) -> String { "blk.\(layer).ffn_down.\(expert).weight" }

    /// Tensors of rows that are no weights of a large product: never quantized. A router's rounding would send tokens to
    /// other experts.
    static func staysAsStored(_ name: String) -> Bool { name == positions || name.hasSuffix("ffn_gate_inp.weight") }
}
