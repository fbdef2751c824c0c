import Kernels
import Weights

/// Where every row of an encoder's matrices goes when they are repacked into panels.
struct EncoderWeightPlan {
    struct Layer {
        /// Q, then K, then V, each from a panel of its own.
        var queryKeyValue: WeightPlan.Matrix
        var attentionOutput: WeightPlan.Matrix
        var up: WeightPlan.Matrix
        var down: WeightPlan.Matrix
    }

    let layers: [Layer]
    /// nil where texts become vectors.
    let pooler: WeightPlan.Matrix?
    let embedding: GGUFTensor
    /// In which the rows of the token embedding are computed with.
    let embeddingType: GGUFTensorType
    /// Some numbers are not computed with as the file has them.
    let isConverted: Bool
    /// Of the panels.
    let byteCount: Int

    init(_ file: EncoderFile, quantization: WeightQuantization?) throws(ModelError) {
        guard let embedding = file.tensors.tensor(named: EncoderTensor.embedding) else {
            throw .missingTensor(EncoderTensor.embedding)
        }
        self.embedding = embedding
        embeddingType = quantization.type(of: embedding, named: EncoderTensor.embedding)
        var packer = PanelPacker(file: file.tensors, quantization: quantization)
        func matrix(_ stems: [String]) throws(ModelError) -> WeightPlan.Matrix {
            try packer.stack(stems.map { WeightPlan.Part(EncoderTensor.weight($0)) })
        }
        var layers: [Layer] = []
        for layer in 0..<file.spec.layerCount {
            layers.append(
                Layer(
                    queryKeyValue: try matrix([
                        EncoderTensor.query(layer), EncoderTensor.key(layer), EncoderTensor.value(layer),
                    ]),
                    attentionOutput: try matrix([EncoderTensor.attentionOutput(layer)]),
                    up: try matrix([EncoderTensor.up(layer)]), down: try matrix([EncoderTensor.down(layer)])))
        }
        if case .score = file.spec.head { pooler = try matrix([EncoderTensor.pooler]) } else { pooler = nil }
        self.layers = layers
        isConverted = packer.hasConverted || embeddingType != embedding.type
        byteCount = packer.byteCount
    }

    var panels: [WeightPlan.Panel] {
        layers.flatMap { $0.queryKeyValue.panels + $0.attentionOutput.panels + $0.up.panels + $0.down.panels }
            + (pooler?.panels ?? [])
    }
}
