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
    /// Short ones and long ones, and the context up to which the short ones hold.
    var longRope: (short: [Float], long: [Float], originalContextLength: Int, magnitude: Float)?
    var tiesOutput = true
    var hasBias = false
    var hasHeadNorms = false
    /// Of layers but the last of each period.
    var window: (size: Int, period: Int)?
    /// Key and value of what only some families have.
    var scoreCap: Float?
    var logitCap: Float?
    var experts: (count: Int, used: Int)?
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

    /// The families as they are when nothing is said.
    static func family(_ architecture: String) -> RandomModel {
        var model = RandomModel()
        model.architecture = architecture
        switch architecture {
        case "qwen2": model.hasBias = true
        case "qwen3": model.hasHeadNorms = true
        case "qwen3moe": (model.hasHeadNorms, model.experts, model.tiesOutput) = (true, (8, 3), false)
        case "gemma2": (model.window, model.scoreCap, model.logitCap, model.layerCount) = ((9, 2), 5, 3, 3)
        case "gemma3":
            (model.window, model.hasHeadNorms, model.layerCount) = ((7, 6), true, 7)
            (model.ropeBase, model.linearFactor) = (1_000_000, 8)
        case "phi3": model.tiesOutput = false
        case "gpt2": model.kvHeadCount = model.headCount
        default: break
        }
        return model
    }

    var isGemma: Bool { architecture.hasPrefix("gemma") }
    var isFused: Bool { ["phi3", "gpt2"].contains(architecture) }
    var queryWidth: Int { headCount * headDimension }
    var keyWidth: Int { kvHeadCount * headDimension }

    func writer() -> GGUFWriter {
        var random = SeededRandom(seed: seed)
        var writer = GGUFWriter()
        writer.entries = entries
        func matrix(_ name: String, _ dimensions: [Int], deviation: Double? = nil) {
            let type = typesByName.first { name.hasSuffix($0.key) }?.value ?? self.type
            let blocks = dimensions.reduce(1, *) / type.blockElementCount
            let scale = deviation ?? 1 / Double(dimensions[0]).squareRoot()
            var bytes: [UInt8] = []
            bytes.reserveCapacity(blocks * type.blockByteCount)
            for _ in 0..<blocks { bytes += Self.block(type, scale, using: &random) }
            writer.add(name, dimensions, type: type.rawValue, bytes)
        }
        func vector(_ name: String, _ count: Int, around center: Float) {
            writer.add(
                name, [count], floats: (0..<count).map { _ in center + Float.random(in: -0.3...0.3, using: &random) })
        }
        matrix("token_embd.weight", [width, vocabularySize], deviation: isGemma ? 1 / Double(width).squareRoot() : 1)
        vector("output_norm.weight", width, around: 1)
        if !tiesOutput { matrix("output.weight", [width, vocabularySize]) }
        if let ropeFactors { writer.add("rope_freqs.weight", [ropeFactors.count], floats: ropeFactors) }
        if let longRope {
            writer.add("rope_factors_long.weight", [longRope.long.count], floats: longRope.long)
            writer.add("rope_factors_short.weight", [longRope.short.count], floats: longRope.short)
        }
        let isGPT2 = architecture == "gpt2"
        if isGPT2 {
            matrix("position_embd.weight", [width, contextLength], deviation: 0.5)
            vector("output_norm.bias", width, around: 0)
        }
        for layer in 0..<layerCount {
            let name = "blk.\(layer)."
            let sharp = 2 / Double(width).squareRoot()
            vector(name + "attn_norm.weight", width, around: 1)
            if isFused {
                matrix(name + "attn_qkv.weight", [width, queryWidth + 2 * keyWidth], deviation: sharp)
            } else {
                matrix(name + "attn_q.weight", [width, queryWidth], deviation: sharp)
                matrix(name + "attn_k.weight", [width, keyWidth], deviation: sharp)
                matrix(name + "attn_v.weight", [width, keyWidth])
            }
            if hasBias {
                vector(name + "attn_q.bias", queryWidth, around: 0)
                vector(name + "attn_k.bias", keyWidth, around: 0)
                vector(name + "attn_v.bias", keyWidth, around: 0)
            }
            if hasHeadNorms {
                vector(name + "attn_q_norm.weight", headDimension, around: 1)
                vector(name + "attn_k_norm.weight", headDimension, around: 1)
            }
            matrix(name + "attn_output.weight", [queryWidth, width])
            vector(name + "ffn_norm.weight", width, around: 1)
            if isGemma {
                vector(name + "post_attention_norm.weight", width, around: 1)
                vector(name + "post_ffw_norm.weight", width, around: 1)
            }
            if isGPT2 {
                vector(name + "attn_qkv.bias", queryWidth + 2 * keyWidth, around: 0)
                for (tensor, count) in [
                    ("attn_norm", width), ("ffn_norm", width), ("attn_output", width), ("ffn_up", feedForwardWidth),
                    ("ffn_down", width),
                ] { vector(name + tensor + ".bias", count, around: 0) }
            }
            if let experts {
                matrix(name + "ffn_gate_inp.weight", [width, experts.count], deviation: sharp)
                matrix(name + "ffn_gate_exps.weight", [width, feedForwardWidth, experts.count])
                matrix(name + "ffn_up_exps.weight", [width, feedForwardWidth, experts.count])
                matrix(name + "ffn_down_exps.weight", [feedForwardWidth, width, experts.count])
            } else {
                if !isFused { matrix(name + "ffn_gate.weight", [width, feedForwardWidth]) }
                matrix(name + "ffn_up.weight", [width, (architecture == "phi3" ? 2 : 1) * feedForwardWidth])
                matrix(name + "ffn_down.weight", [feedForwardWidth, width])
            }
        }
        return writer
    }

    private var entries: [(key: String, value: GGUFWriter.Value)] {
        let a = architecture
        func count(_ key: String, _ value: Int?) -> [(key: String, value: GGUFWriter.Value)] {
            value.map { [("\(a).\(key)", .uint32(UInt32($0)))] } ?? []
        }
        func number(_ key: String, _ value: Float?) -> [(key: String, value: GGUFWriter.Value)] {
            value.map { [("\(a).\(key)", .float($0))] } ?? []
        }
        var entries: [(key: String, value: GGUFWriter.Value)] = [
            ("general.architecture", .string(a)), ("general.name", .string("random")),
        ]
        entries +=
            count("context_length", contextLength) + count("embedding_length", width)
            + count("block_count", layerCount) + count("feed_forward_length", feedForwardWidth)
            + count("attention.head_count", headCount) + count("attention.head_count_kv", kvHeadCount)
            + count("attention.key_length", headDimension)
            + number("attention.layer_norm_\(a == "gpt2" ? "" : "rms_")epsilon", 1e-5)
            + (a == "gpt2" ? [] : number("rope.freq_base", ropeBase))
            + count("rope.dimension_count", ropeDimensionCount) + count("attention.sliding_window", window?.size)
            + number("attn_logit_softcapping", scoreCap) + number("final_logit_softcapping", logitCap)
            + count("expert_count", experts?.count) + count("expert_used_count", experts?.used)
            + (experts == nil ? [] : count("expert_feed_forward_length", feedForwardWidth))
            + count("rope.scaling.original_context_length", longRope?.originalContextLength)
            + number("rope.scaling.attn_factor", longRope?.magnitude)
        if let linearFactor {
            entries.append(("\(a).rope.scaling.type", .string("linear")))
            entries += number("rope.scaling.factor", linearFactor)
        }
        return entries
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
