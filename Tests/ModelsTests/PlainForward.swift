import Foundation
import Weights

/// The forward pass as the papers write it, in double precision, token by token: what the fast one is compared with.
/// Shares nothing with it but the reader of files and the meaning of stored numbers.
struct PlainForward {
    let model: RandomModel
    private var tensors: [String: (columns: Int, values: [Double])] = [:]
    /// Per layer and position: all kv heads.
    private var keys: [[[Double]]]
    private var values: [[[Double]]]

    init(_ model: RandomModel, _ file: GGUFFile) {
        self.model = model
        for tensor in file.tensors {
            let stored = Dequantization.values(of: file.bytes(of: tensor), type: tensor.type)
            tensors[tensor.name] = (tensor.columnCount, stored.map(Double.init))
        }
        keys = Array(repeating: [], count: model.layerCount)
        values = Array(repeating: [], count: model.layerCount)
    }

    /// Logits after `token` at the next position.
    mutating func step(_ token: Int32) -> [Double] {
        let position = keys[0].count
        var x = row("token_embd.weight", Int(token))
        for layer in 0..<model.layerCount {
            let name = "blk.\(layer)."
            let h = norm(x, name + "attn_norm.weight")
            var q = product(name + "attn_q.weight", h, bias: name + "attn_q.bias")
            var k = product(name + "attn_k.weight", h, bias: name + "attn_k.bias")
            q = normHeads(q, name + "attn_q_norm.weight")
            k = normHeads(k, name + "attn_k_norm.weight")
            rotate(&q, position)
            rotate(&k, position)
            keys[layer].append(k)
            values[layer].append(product(name + "attn_v.weight", h, bias: name + "attn_v.bias"))
            x = sum(x, product(name + "attn_output.weight", attend(q, layer)))
            let f = norm(x, name + "ffn_norm.weight")
            let gate = product(name + "ffn_gate.weight", f)
            let up = product(name + "ffn_up.weight", f)
            x = sum(x, product(name + "ffn_down.weight", zip(gate, up).map { $0 / (1 + exp(-$0)) * $1 }))
        }
        return product(
            model.tiesOutput ? "token_embd.weight" : "output.weight", norm(x, "output_norm.weight"))
    }

    private func row(_ name: String, _ index: Int) -> [Double] {
        guard let (columns, values) = tensors[name] else { return [] }
        return Array(values[index * columns..<(index + 1) * columns])
    }

    private func product(_ name: String, _ x: [Double], bias: String? = nil) -> [Double] {
        guard let (columns, weights) = tensors[name] else { return [] }
        let offsets = bias.flatMap { tensors[$0]?.values }
        return (0..<weights.count / columns).map { row in
            var sum = offsets?[row] ?? 0
            for column in 0..<columns { sum += weights[row * columns + column] * x[column] }
            return sum
        }
    }

    private func norm(_ x: [Double], _ name: String) -> [Double] {
        let mean = x.reduce(0) { $0 + $1 * $1 } / Double(x.count)
        return zip(x, tensors[name]?.values ?? []).map { $0 / (mean + 1e-5).squareRoot() * $1 }
    }

    /// Each head by itself; as it is in models without such norms.
    private func normHeads(_ x: [Double], _ name: String) -> [Double] {
        guard tensors[name] != nil else { return x }
        return stride(from: 0, to: x.count, by: model.headDimension).flatMap {
            norm(Array(x[$0..<$0 + model.headDimension]), name)
        }
    }

    private func sum(_ a: [Double], _ b: [Double]) -> [Double] { zip(a, b).map { $0 + $1 } }

    private func rotate(_ x: inout [Double], _ position: Int) {
        let (size, turned) = (model.headDimension, model.ropeDimensionCount ?? model.headDimension)
        let isInterleaved = model.architecture == "llama"
        for head in stride(from: 0, to: x.count, by: size) {
            for pair in 0..<turned / 2 {
                let frequency = pow(Double(model.ropeBase), -2 * Double(pair) / Double(turned))
                let angle =
                    Double(position) / Double(model.linearFactor ?? 1) * frequency
                    / Double(model.ropeFactors?[pair] ?? 1)
                let (a, b) =
                    isInterleaved ? (head + 2 * pair, head + 2 * pair + 1) : (head + pair, head + pair + turned / 2)
                (x[a], x[b]) = (x[a] * cos(angle) - x[b] * sin(angle), x[a] * sin(angle) + x[b] * cos(angle))
            }
        }
    }

    private func attend(_ q: [Double], _ layer: Int) -> [Double] {
        let size = model.headDimension
        return (0..<model.headCount).flatMap { head -> [Double] in
            let start = head / (model.headCount / model.kvHeadCount) * size
            let scores = keys[layer].map { key in
                (0..<size).reduce(0) { $0 + q[head * size + $1] * key[start + $1] } / Double(size).squareRoot()
            }
            let most = scores.max() ?? 0
            let weights = scores.map { exp($0 - most) }
            let total = weights.reduce(0, +)
            return (0..<size).map { index in
                zip(weights, values[layer]).reduce(0) { $0 + $1.0 / total * $1.1[start + index] }
            }
        }
    }
}
