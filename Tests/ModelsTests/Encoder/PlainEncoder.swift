import Foundation
import Weights

/// BERT's forward pass as the paper writes it, in double precision: what the fast one is compared with. Shares nothing
/// with it but the reader of files and the meaning of stored numbers.
struct PlainEncoder {
    let model: RandomEncoder
    private var tensors: [String: (columns: Int, values: [Double])] = [:]

    init(_ model: RandomEncoder, _ file: GGUFFile) {
        self.model = model
        for tensor in file.tensors {
            let stored = Dequantization.values(of: file.bytes(of: tensor), type: tensor.type)
            tensors[tensor.name] = (tensor.columnCount, stored.map(Double.init))
        }
    }

    /// A vector of length 1, or one logit.
    func read(_ tokens: [Int32], secondStart: Int? = nil) -> [Double] {
        var rows = tokens.enumerated().map { position, token in
            let second = position >= secondStart ?? tokens.count
            return norm(
                sum(
                    row("token_embd.weight", Int(token)),
                    sum(row("token_types.weight", second ? 1 : 0), row("position_embd.weight", position))),
                "token_embd_norm")
        }
        for layer in 0..<model.layerCount {
            let name = "blk.\(layer)."
            let attended = attend(
                rows.map { product($0, name + "attn_q") }, rows.map { product($0, name + "attn_k") },
                rows.map { product($0, name + "attn_v") })
            rows = zip(rows, attended).map { x, a in
                norm(sum(x, product(a, name + "attn_output")), name + "attn_output_norm")
            }
            rows = rows.map { x in
                let hidden = product(x, name + "ffn_up").map { $0 * 0.5 * (1 + erf($0 / 2.0.squareRoot())) }
                return norm(sum(x, product(hidden, name + "ffn_down")), name + "layer_output_norm")
            }
        }
        switch model.pooling {
        case 1:
            return unit((0..<model.width).map { column in rows.reduce(0) { $0 + $1[column] } / Double(rows.count) })
        case 2: return unit(rows[0])
        case 3: return unit(rows[rows.count - 1])
        default: return product(product(rows[0], "cls").map(tanh), "cls.output")
        }
    }

    private func row(_ name: String, _ index: Int) -> [Double] {
        guard let (columns, values) = tensors[name] else { return [] }
        return Array(values[index * columns..<(index + 1) * columns])
    }

    private func product(_ x: [Double], _ stem: String) -> [Double] {
        guard let (columns, weights) = tensors[stem + ".weight"], let bias = tensors[stem + ".bias"]?.values else {
            return []
        }
        return bias.indices.map { row in
            (0..<columns).reduce(bias[row]) { $0 + weights[row * columns + $1] * x[$1] }
        }
    }

    private func norm(_ x: [Double], _ stem: String) -> [Double] {
        let mean = x.reduce(0, +) / Double(x.count)
        let variance = x.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(x.count)
        let (weight, bias) = (tensors[stem + ".weight"]?.values ?? [], tensors[stem + ".bias"]?.values ?? [])
        return x.indices.map { (x[$0] - mean) / (variance + 1e-12).squareRoot() * weight[$0] + bias[$0] }
    }

    private func attend(_ q: [[Double]], _ k: [[Double]], _ v: [[Double]]) -> [[Double]] {
        let size = model.width / model.headCount
        return q.map { query in
            (0..<model.headCount).flatMap { head -> [Double] in
                let part = head * size..<(head + 1) * size
                let scores = k.map { key in
                    part.reduce(0) { $0 + query[$1] * key[$1] } / Double(size).squareRoot()
                }
                let weights = scores.map { exp($0 - (scores.max() ?? 0)) }
                let total = weights.reduce(0, +)
                return part.map { column in
                    zip(weights, v).reduce(0) { $0 + $1.0 / total * $1.1[column] }
                }
            }
        }
    }

    private func sum(_ a: [Double], _ b: [Double]) -> [Double] { zip(a, b).map { $0 + $1 } }

    private func unit(_ x: [Double]) -> [Double] {
        let length = x.reduce(0) { $0 + $1 * $1 }.squareRoot()
        return x.map { $0 / length }
    }
}
