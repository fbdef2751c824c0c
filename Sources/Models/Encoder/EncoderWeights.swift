import Kernels
import Weights

/// An encoder's weights in memory, repacked. Lives as long as the encoder.
final class EncoderWeights {
    // SAFETY: a layer points into this object's arena and lists, which are never freed before it is.
    struct Layer {
        var queryKeyValue: PackedMatrix
        /// Of the panels of Q, K and V, padding included.
        var queryKeyValueBias: UnsafePointer<Float>
        var attentionOutput: PackedMatrix
        var attentionNorm: Norm
        var up: PackedMatrix
        var upBias: UnsafePointer<Float>
        var down: PackedMatrix
        var outputNorm: Norm
    }

    /// A layer norm, and the bias of the product before it.
    struct Norm {
        var offset: UnsafePointer<Float>?
        var weight: UnsafePointer<Float>
        var bias: UnsafePointer<Float>
    }

    /// What makes a score of the first token's vector.
    struct Scorer {
        var pooler: PackedMatrix
        var poolerBias: UnsafePointer<Float>
        var classifier: UnsafePointer<Float>
        var classifierBias: Float
    }

    let layers: UnsafeBufferPointer<Layer>
    /// (positions, width)
    let positions: UnsafePointer<Float>
    /// (segments, width)
    let segments: UnsafePointer<Float>
    let embeddingNorm: Norm
    let scorer: Scorer?

    private let arena: MemoryArena
    private let lists: [UnsafeMutableRawPointer]

    /// Repacks all weights with all threads of `team`; quantizes those that the plan wants quantized.
    init(_ file: EncoderFile, _ plan: EncoderWeightPlan, team: ThreadTeam) throws(ModelError) {
        arena = try .reserved(byteCount: plan.byteCount)
        try PackedWeights.pack(plan.panels, file.tensors, into: arena, team: team)
        var lists: [UnsafeMutableRawPointer] = []
        let start = UnsafePointer(arena.start.assumingMemoryBound(to: UInt8.self))
        func matrix(_ plan: WeightPlan.Matrix) -> PackedMatrix { PackedWeights.matrix(plan, start, &lists) }
        func values(_ name: String) throws(ModelError) -> [Float] {
            guard let tensor = file.tensors.tensor(named: name) else { throw .missingTensor(name) }
            return file.tensors.values(of: tensor)
        }
        func kept(_ name: String) throws(ModelError) -> UnsafePointer<Float> {
            PackedWeights.keep(try values(name), &lists)
        }
        func norm(_ stem: String, after product: String?) throws(ModelError) -> Norm {
            Norm(
                offset: try product.map { name throws(ModelError) in try kept(EncoderTensor.bias(name)) },
                weight: try kept(EncoderTensor.weight(stem)), bias: try kept(EncoderTensor.bias(stem)))
        }
        var layers: [Layer] = []
        for (index, layer) in plan.layers.enumerated() {
            var bias: [Float] = []
            for stem in [EncoderTensor.query(index), EncoderTensor.key(index), EncoderTensor.value(index)] {
                bias += try values(EncoderTensor.bias(stem))
                bias += [Float](repeating: 0, count: (Kernels.panelRowCount - bias.count % 32) % 32)
            }
            layers.append(
                Layer(
                    queryKeyValue: matrix(layer.queryKeyValue),
                    queryKeyValueBias: PackedWeights.keep(bias, &lists),
                    attentionOutput: matrix(layer.attentionOutput),
                    attentionNorm: try norm(
                        EncoderTensor.attentionNorm(index), after: EncoderTensor.attentionOutput(index)),
                    up: matrix(layer.up), upBias: try kept(EncoderTensor.bias(EncoderTensor.up(index))),
                    down: matrix(layer.down),
                    outputNorm: try norm(EncoderTensor.outputNorm(index), after: EncoderTensor.down(index))))
        }
        positions = try kept(EncoderTensor.positions)
        segments = try kept(EncoderTensor.segments)
        embeddingNorm = try norm(EncoderTensor.embeddingNorm, after: nil)
        if let pooler = plan.pooler {
            scorer = Scorer(
                pooler: matrix(pooler), poolerBias: try kept(EncoderTensor.bias(EncoderTensor.pooler)),
                classifier: try kept(EncoderTensor.weight(EncoderTensor.classifier)),
                classifierBias: try values(EncoderTensor.bias(EncoderTensor.classifier)).first ?? 0)
        } else {
            scorer = nil
        }
        self.layers = UnsafeBufferPointer(start: PackedWeights.keep(layers, &lists), count: layers.count)
        self.lists = lists
    }

    deinit {
        for list in lists { list.deallocate() }
    }
}
