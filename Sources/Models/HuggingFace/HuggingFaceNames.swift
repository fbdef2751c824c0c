import Weights

/// How the files of a family at Hugging Face spell GGUF's names of tensors.
struct HuggingFaceNames: Sendable {
    /// Where experts' matrices are, below a block.
    struct Experts: Sendable {
        var folder: String
        var gate: String
        var up: String
        var down: String
    }

    /// In front of everything but the output matrix: the first with which the file has the token embedding.
    var prefixes = ["model."]
    var blocks = "layers"
    /// Names of tensors that no block has, without their last part.
    var outside = ["token_embd": "embed_tokens", "output_norm": "norm"]
    /// Names within a block, without their last part.
    var inside = [
        "attn_norm": "input_layernorm", "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj",
        "attn_v": "self_attn.v_proj", "attn_q_norm": "self_attn.q_norm", "attn_k_norm": "self_attn.k_norm",
        "attn_output": "self_attn.o_proj", "ffn_norm": "post_attention_layernorm", "ffn_gate": "mlp.gate_proj",
        "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj",
    ]
    var experts: Experts?
    /// RMSNorms multiply by 1 more than the file says.
    var addsOneToNorms = false
    /// Ends of names that are no weights: what older programs stored beside them.
    var unused = [".rotary_emb.inv_freq"]

    /// With the prefix that a file's names have.
    func fitted(to file: SafetensorsShards) -> HuggingFaceNames {
        var names = self
        names.prefixes = prefixes.filter { prefix in
            var names = self
            names.prefixes = [prefix]
            return file.tensor(named: names.stored(TensorName.embedding)) != nil
        }
        if names.prefixes.isEmpty { names.prefixes = prefixes }
        return names
    }

    func stored(_ name: String) -> String {
        guard name != TensorName.output else { return "lm_head.weight" }
        let (prefix, parts) = (prefixes.first ?? "", name.split(separator: ".").map(String.init))
        if parts.count == 2, let stem = outside[parts[0]] { return "\(prefix)\(stem).\(parts[1])" }
        guard parts.count >= 4, parts[0] == "blk" else { return name }
        let block = "\(prefix)\(blocks).\(parts[1])."
        if parts.count == 5, let experts {
            let stem =
                switch parts[2] {
                case "ffn_gate": experts.gate
                case "ffn_up": experts.up
                default: experts.down
                }
            return "\(block)\(experts.folder).\(parts[3]).\(stem).\(parts[4])"
        }
        return inside[parts[2]].map { "\(block)\($0).\(parts[3])" } ?? name
    }

    /// Whether a tensor that the forward pass does not need may be there all the same.
    func isUnused(_ name: String, _ spec: ModelSpec) -> Bool {
        spec.tiesOutput && name == "lm_head.weight" || unused.contains { name.hasSuffix($0) }
    }
}

/// Tensors of a folder under GGUF's names. Only names differ: bytes stay where they are.
final class HuggingFaceTensors: TensorFile {
    private let file: SafetensorsShards
    private let names: HuggingFaceNames

    init(_ file: SafetensorsShards, _ names: HuggingFaceNames) {
        self.file = file
        self.names = names
    }

    func tensor(named name: String) -> GGUFTensor? { file.tensor(named: names.stored(name)) }
    func bytes(of tensor: GGUFTensor) -> UnsafeRawBufferPointer { file.bytes(of: tensor) }
    func contentDigest() -> ContentDigest { file.contentDigest() }
    func marks() -> [FileMark] { file.marks() }

    func values(of tensor: GGUFTensor) -> [Float] {
        let stored = Dequantization.values(of: file.bytes(of: tensor), type: tensor.type)
        guard names.addsOneToNorms, tensor.dimensions.count == 1, tensor.name.hasSuffix("norm.weight") else {
            return stored
        }
        return stored.map { $0 + 1 }
    }
}
