import Foundation
import Weights

/// The forward pass as the papers write it, in double precision, token by token: what the fast one is compared with.
/// But keys and values are rounded as pages hold them: all else that differs is then far smaller.
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
        if model.isGemma { x = x.map { $0 * Double(model.width).squareRoot() } }
        if tensors["position_embd.weight"] != nil { x = sum(x, row("position_embd.weight", position)) }
        for layer in 0..<model.layerCount {
            let name = "blk.\(layer)."
            var (q, k, v) = queryKeyValue(name, norm(x, name + "attn_norm"))
            q = normHeads(q, name + "attn_q_norm")
            k = normHeads(k, name + "attn_k_norm")
            if tensors["position_embd.weight"] == nil {
                rotate(&q, position, layer)
                rotate(&k, position, layer)
            }
            keys[layer].append(k.map { Double(Float16($0)) })
            values[layer].append(v.map { Double(Float16($0)) })
            x = sum(x, branch(product(name + "attn_output", attend(q, layer)), name + "post_attention_norm"))
            let f = norm(x, name + "ffn_norm")
            x = sum(x, branch(feedForward(name, f), name + "post_ffw_norm"))
        }
        let logits = product(model.tiesOutput ? "token_embd" : "output", norm(x, "output_norm"))
        return model.logitCap.map { cap in logits.map { Double(cap) * tanh($0 / Double(cap)) } } ?? logits
    }

    private func queryKeyValue(_ name: String, _ h: [Double]) -> ([Double], [Double], [Double]) {
        guard model.isFused else {
            return (product(name + "attn_q", h), product(name + "attn_k", h), product(name + "attn_v", h))
        }
        let all = product(name + "attn_qkv", h)
        let (q, k) = (model.queryWidth, model.queryWidth + model.keyWidth)
        return (Array(all[..<q]), Array(all[q..<k]), Array(all[k...]))
    }

    private func feedForward(_ name: String, _ f: [Double]) -> [Double] {
        guard let experts = model.experts else {
            if model.architecture == "gpt2" { return product(name + "ffn_down", product(name + "ffn_up", f).map(gelu)) }
            let up = product(name + "ffn_up", f)
            let inner = model.feedForwardWidth
            if model.architecture == "phi3" {
                return product(name + "ffn_down", gated(Array(up[..<inner]), Array(up[inner...])))
            }
            return product(name + "ffn_down", gated(product(name + "ffn_gate", f), up))
        }
        let likings = product(name + "ffn_gate_inp", f)
        let best = likings.indices.sorted { likings[$0] > likings[$1] }.prefix(experts.used)
        let total = best.reduce(0) { $0 + exp(likings[$1]) }
        return best.reduce([Double](repeating: 0, count: model.width)) { result, expert in
            let inner = gated(
                product(name + "ffn_gate_exps", f, part: expert, of: experts.count),
                product(name + "ffn_up_exps", f, part: expert, of: experts.count))
            let out = product(name + "ffn_down_exps", inner, part: expert, of: experts.count)
            return sum(result, out.map { $0 * exp(likings[expert]) / total })
        }
    }

    private func gated(_ gate: [Double], _ up: [Double]) -> [Double] {
        zip(gate, up).map { (model.isGemma ? gelu($0) : $0 / (1 + exp(-$0))) * $1 }
    }

    private func gelu(_ x: Double) -> Double {
        0.5 * x * (1 + tanh((2 / Double.pi).squareRoot() * (x + 0.044715 * x * x * x)))
    }

    /// Through the norm behind it, in families that have one.
    private func branch(_ x: [Double], _ name: String) -> [Double] {
        tensors[name + ".weight"] == nil ? x : norm(x, name)
    }

    private func row(_ name: String, _ index: Int) -> [Double] {
        guard let (columns, values) = tensors[name] else { return [] }
        return Array(values[index * columns..<(index + 1) * columns])
    }

    /// - Parameter part: of so many matrices, one behind the other.
    private func product(_ name: String, _ x: [Double], part: Int = 0, of count: Int = 1) -> [Double] {
        guard let (columns, weights) = tensors[name + ".weight"] else { return [] }
        let bias = tensors[name + ".bias"]?.values
        let rows = weights.count / columns / count
        return (part * rows..<(part + 1) * rows).map { row in
            var sum = bias?[row] ?? 0
            for column in 0..<columns { sum += weights[row * columns + column] * x[column] }
            return sum
        }
    }

    /// LayerNorm where there is a bias, else RMSNorm.
    private func norm(_ x: [Double], _ name: String) -> [Double] {
        let weight = tensors[name + ".weight"]?.values ?? []
        guard let bias = tensors[name + ".bias"]?.values else {
            let mean = x.reduce(0) { $0 + $1 * $1 } / Double(x.count)
            return zip(x, weight).map { $0 / (mean + 1e-5).squareRoot() * $1 }
        }
        let mean = x.reduce(0, +) / Double(x.count)
        let variance = x.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(x.count)
        return x.indices.map { (x[$0] - mean) / (variance + 1e-5).squareRoot() * weight[$0] + bias[$0] }
    }

    /// Each head by itself; as it is in models without such norms.
    private func normHeads(_ x: [Double], _ name: String) -> [Double] {
        guard tensors[name + ".weight"] != nil else { return x }
        return stride(from: 0, to: x.count, by: model.headDimension).flatMap {
            norm(Array(x[$0..<$0 + model.headDimension]), name)
        }
    }

    private func sum(_ a: [Double], _ b: [Double]) -> [Double] { zip(a, b).map { $0 + $1 } }

    private func isWindowed(_ layer: Int) -> Bool {
        model.window.map { $0.period == 1 || layer % $0.period != $0.period - 1 } ?? false
    }

    private func rotate(_ x: inout [Double], _ position: Int, _ layer: Int) {
        let (size, turned) = (model.headDimension, model.ropeDimensionCount ?? model.headDimension)
        let isInterleaved = model.architecture == "llama"
        let isLocal = model.architecture == "gemma3" && isWindowed(layer)
        let isLong = model.longRope.map { model.contextLength > $0.originalContextLength } ?? false
        let factors = model.longRope.map { isLong ? $0.long : $0.short } ?? model.ropeFactors
        let magnitude = Double(model.longRope?.magnitude ?? 1)
        for head in stride(from: 0, to: x.count, by: size) {
            for pair in 0..<turned / 2 {
                let frequency = pow(isLocal ? 10_000 : Double(model.ropeBase), -2 * Double(pair) / Double(turned))
                let slowing = (isLocal ? 1 : Double(model.linearFactor ?? 1)) * Double(factors?[pair] ?? 1)
                let angle = Double(position) / slowing * frequency
                let (a, b) =
                    isInterleaved ? (head + 2 * pair, head + 2 * pair + 1) : (head + pair, head + pair + turned / 2)
                let (c, s) = (cos(angle) * magnitude, sin(angle) * magnitude)
                (x[a], x[b]) = (x[a] * c - x[b] * s, x[a] * s + x[b] * c)
            }
        }
    }

    private func attend(_ q: [Double], _ layer: Int) -> [Double] {
        let size = model.headDimension
        let from = isWindowed(layer) ? max(0, keys[layer].count - (model.window?.size ?? 0)) : 0
        return (0..<model.headCount).flatMap { head -> [Double] in
            let start = head / (model.headCount / model.kvHeadCount) * size
            let scores = keys[layer][from...].map { key in
                let score =
                    (0..<size).reduce(0) { $0 + q[head * size + $1] * key[start + $1] } / Double(size).squareRoot()
                return model.scoreCap.map { Double($0) * tanh(score / Double($0)) } ?? score
            }
            let most = scores.max() ?? 0
            let weights = scores.map { exp($0 - most) }
            let total = weights.reduce(0, +)
            return (0..<size).map { index in
                zip(weights, values[layer][from...]).reduce(0) { $0 + $1.0 / total * $1.1[start + index] }
            }
        }
    }
}
