import Weights

/// Names of tensors in GGUF files of decoder-only transformers.
enum TensorName {
    static let embedding = "token_embd.weight"
    static let outputNorm = "output_norm.weight"
    static let output = "output.weight"
    static let ropeFactors = "rope_freqs.weight"

    static func attentionNorm(_ layer: Int) -> String { "blk.\(layer).attn_norm.weight" }
    static func query(_ layer: Int) -> String { "blk.\(layer).attn_q.weight" }
    static func key(_ layer: Int) -> String { "blk.\(layer).attn_k.weight" }
    static func value(_ layer: Int) -> String { "blk.\(layer).attn_v.weight" }
    static func queryBias(_ layer: Int) -> String { "blk.\(layer).attn_q.bias" }
    static func keyBias(_ layer: Int) -> String { "blk.\(layer).attn_k.bias" }
    static func valueBias(_ layer: Int) -> String { "blk.\(layer).attn_v.bias" }
    static func queryNorm(_ layer: Int) -> String { "blk.\(layer).attn_q_norm.weight" }
    static func keyNorm(_ layer: Int) -> String { "blk.\(layer).attn_k_norm.weight" }
    static func attentionOutput(_ layer: Int) -> String { "blk.\(layer).attn_output.weight" }
    static func feedForwardNorm(_ layer: Int) -> String { "blk.\(layer).ffn_norm.weight" }
    static func gate(_ layer: Int) -> String { "blk.\(layer).ffn_gate.weight" }
    static func up(_ layer: Int) -> String { "blk.\(layer).ffn_up.weight" }
    static func down(_ layer: Int) -> String { "blk.\(layer).ffn_down.weight" }
}

extension ModelSpec {
    /// Each tensor the forward pass needs and its shape, from the innermost dimension.
    var tensorShapes: [(name: String, dimensions: [Int])] {
        var shapes = [(TensorName.embedding, [width, vocabularySize]), (TensorName.outputNorm, [width])]
        if !tiesOutput { shapes.append((TensorName.output, [width, vocabularySize])) }
        if let factors = rope.frequencyFactors { shapes.append((TensorName.ropeFactors, [factors.count])) }
        for layer in 0..<layerCount {
            shapes += [
                (TensorName.attentionNorm(layer), [width]), (TensorName.query(layer), [width, queryWidth]),
                (TensorName.key(layer), [width, keyWidth]), (TensorName.value(layer), [width, keyWidth]),
                (TensorName.attentionOutput(layer), [queryWidth, width]),
                (TensorName.feedForwardNorm(layer), [width]), (TensorName.gate(layer), [width, feedForwardWidth]),
                (TensorName.up(layer), [width, feedForwardWidth]),
                (TensorName.down(layer), [feedForwardWidth, width]),
            ]
            if hasHeadNorms {
                shapes += [
                    (TensorName.queryNorm(layer), [headDimension]), (TensorName.keyNorm(layer), [headDimension]),
                ]
            }
            guard hasAttentionBias else { continue }
            shapes += [
                (TensorName.queryBias(layer), [queryWidth]), (TensorName.keyBias(layer), [keyWidth]),
                (TensorName.valueBias(layer), [keyWidth]),
            ]
        }
        return shapes
    }

    /// The file has exactly these tensors: one more would mean a computation we do not do.
    func checkTensors(_ file: GGUFFile) throws(ModelError) {
        if let factors = rope.frequencyFactors, factors.count != rope.dimensionCount / 2 {
            throw .wrongShape(
                tensor: TensorName.ropeFactors, found: [factors.count], expected: [rope.dimensionCount / 2])
        }
        if let factors = rope.frequencyFactors, let bad = factors.first(where: { !($0 > 1e-6 && $0 < 1e6) }) {
            throw .badValue(key: TensorName.ropeFactors, value: "\(bad)", expected: "a positive number")
        }
        var known: Set<String> = []
        for (name, dimensions) in tensorShapes {
            guard let tensor = file.tensor(named: name) else { throw .missingTensor(name) }
            guard tensor.dimensions == dimensions else {
                throw .wrongShape(tensor: name, found: tensor.dimensions, expected: dimensions)
            }
            if dimensions.count == 1, tensor.type != .f32 {
                throw .wrongType(tensor: name, found: tensor.type, expected: "F32")
            }
            known.insert(name)
        }
        // Files of older converters carry the rotary frequencies, which follow from the keys.
        for tensor in file.tensors where !known.contains(tensor.name) && !tensor.name.hasSuffix("attn.rot_embd") {
            throw .unexpectedTensor(tensor.name, architecture: architecture)
        }
    }
}
