import Foundation
import TestSupport
import Weights

/// A small model of random weights, as a GGUF file. Speaks of shapes alone; `PlainForward` says what it means.
struct RandomModel {
    var architecture = "llama"
    var layerCount = 2
    var width = 64
    var headCount = 4
    var kvHeadCount = 2
    var headDimension = 16
    var feedForwardWidth = 64
    /// No multiple of 32: the last panel is padded.
    var vocabularySize = 100
    var contextLength = 128
    var ropeBase: Float = 10_000
    var ropeDimensionCount: Int?
    var linearFactor: Float?
    var ropeFactors: [Float]?
    var tiesOutput = true
    var hasBias = false
    var hasHeadNorms = false
    var type = GGUFTensorType.f32
    /// Types of single tensors, by the end of their names.
    var typesByName: [String: GGUFTensorType] = [:]
    var seed: UInt64 = 1

    /// Large enough for formats that pack 256 numbers of a row.
    static var wide: RandomModel {
        var model = RandomModel()
        (model.width, model.headDimension, model.feedForwardWidth) = (256, 64, 256)
        return model
    }

    var queryWidth: Int { headCount * headDimension }
    var keyWidth: Int { kvHeadCount * headDimension }

    func writer() -> GGUFWriter {
        var random = SeededRandom(seed: seed)
        var writer = GGUFWriter()
        let a = architecture
        writer.entries = [
            ("general.architecture", .string(a)), ("general.name", .string("random")),
            ("\(a).context_length", .uint32(UInt32(contextLength))),
            ("\(a).embedding_length", .uint32(UInt32(width))), ("\(a).block_count", .uint32(UInt32(layerCount))),
            ("\(a).feed_forward_length", .uint32(UInt32(feedForwardWidth))),
            ("\(a).attention.head_count", .uint32(UInt32(headCount))),
            ("\(a).attention.head_count_kv", .uint32(UInt32(kvHeadCount))),
            ("\(a).attention.key_length", .uint32(UInt32(headDimension))),
            ("\(a).attention.layer_norm_rms_epsilon", .float(1e-5)), ("\(a).rope.freq_base", .float(ropeBase)),
        ]
        if let ropeDimensionCount {
            writer.entries.append(("\(a).rope.dimension_count", .uint32(UInt32(ropeDimensionCount))))
        }
        if let linearFactor {
            writer.entries.append(("\(a).rope.scaling.type", .string("linear")))
            writer.entries.append(("\(a).rope.scaling.factor", .float(linearFactor)))
        }
        func matrix(_ name: String, _ columns: Int, _ rows: Int, deviation: Double? = nil) {
            let type = typesByName.first { name.hasSuffix($0.key) }?.value ?? self.type
            let blocks = columns / type.blockElementCount * rows
            let scale = deviation ?? 1 / Double(columns).squareRoot()
            var bytes: [UInt8] = []
            bytes.reserveCapacity(blocks * type.blockByteCount)
            for _ in 0..<blocks { bytes += Self.block(type, scale, using: &random) }
            writer.add(name, [columns, rows], type: type.rawValue, bytes)
        }
        func vector(_ name: String, _ count: Int, around center: Float) {
            writer.add(
                name, [count], floats: (0..<count).map { _ in center + Float.random(in: -0.3...0.3, using: &random) })
        }
        matrix("token_embd.weight", width, vocabularySize, deviation: 1)
        vector("output_norm.weight", width, around: 1)
        if !tiesOutput { matrix("output.weight", width, vocabularySize) }
        if let ropeFactors { writer.add("rope_freqs.weight", [ropeFactors.count], floats: ropeFactors) }
        for layer in 0..<layerCount {
            vector("blk.\(layer).attn_norm.weight", width, around: 1)
            matrix("blk.\(layer).attn_q.weight", width, queryWidth, deviation: 2 / Double(width).squareRoot())
            matrix("blk.\(layer).attn_k.weight", width, keyWidth, deviation: 2 / Double(width).squareRoot())
            matrix("blk.\(layer).attn_v.weight", width, keyWidth)
            if hasBias {
                vector("blk.\(layer).attn_q.bias", queryWidth, around: 0)
                vector("blk.\(layer).attn_k.bias", keyWidth, around: 0)
                vector("blk.\(layer).attn_v.bias", keyWidth, around: 0)
            }
            if hasHeadNorms {
                vector("blk.\(layer).attn_q_norm.weight", headDimension, around: 1)
                vector("blk.\(layer).attn_k_norm.weight", headDimension, around: 1)
            }
            matrix("blk.\(layer).attn_output.weight", queryWidth, width)
            vector("blk.\(layer).ffn_norm.weight", width, around: 1)
            matrix("blk.\(layer).ffn_gate.weight", width, feedForwardWidth)
            matrix("blk.\(layer).ffn_up.weight", width, feedForwardWidth)
            matrix("blk.\(layer).ffn_down.weight", feedForwardWidth, width)
        }
        return writer
    }

    /// One block of random quants whose values have about the given standard deviation and mean 0.
    static func block(
        _ type: GGUFTensorType, _ deviation: Double, using random: inout SeededRandom
    ) -> [UInt8] {
        func half(_ x: Double) -> [UInt8] { GGUFWriter.little(Float16(x).bitPattern) }
        func bytes(_ count: Int) -> [UInt8] {
            Array((0..<(count + 7) / 8).flatMap { _ in GGUFWriter.little(random.next()) }.prefix(count))
        }
        // Rows differ in scale, so that a row in a wrong place shows.
        let deviation = deviation * Double.random(in: 0.7...1.3, using: &random)
        let number = Double.random(in: -1.7...1.7, using: &random) * deviation
        switch type {
        case .f32: return GGUFWriter.little(Float(number).bitPattern)
        case .f16: return half(number)
        case .bf16: return GGUFWriter.little(UInt16(truncatingIfNeeded: Float(number).bitPattern >> 16))
        case .q4_0: return half(deviation / 4.6) + bytes(16)
        case .q4_1: return half(deviation / 4.6) + half(-7.5 * deviation / 4.6) + bytes(16)
        case .q5_0: return half(deviation / 9.2) + bytes(20)
        case .q5_1: return half(deviation / 9.2) + half(-15.5 * deviation / 9.2) + bytes(20)
        case .q8_0: return half(deviation / 74) + bytes(32)
        case .q4_K: return half(deviation / 330) + half(7.5 * deviation / 330) + bytes(140)
        case .q5_K: return half(deviation / 660) + half(15.5 * deviation / 660) + bytes(172)
        case .q6_K: return bytes(208) + half(deviation / 1360)
        }
    }
}
