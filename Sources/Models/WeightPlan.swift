import Kernels
import Weights

/// Where every row of every matrix goes when a file's weights are repacked into panels of 32 output rows. Made from the
/// header alone; the one place that knows how many bytes repacked weights take.
struct WeightPlan {
    /// 32 rows of one tensor, or fewer and zeros after them.
    struct Panel {
        var tensor: GGUFTensor
        /// In the arena: the tensor's own, or what it is quantized to.
        var type: GGUFTensorType
        /// Of the tensor's part: where that begins in the file's tensor, and the panel's first row within.
        var partStart: Int
        var firstRow: Int
        var rowCount: Int
        /// Numbers of a row.
        var columnCount: Int
        /// The file's tensor has the rows for columns.
        var isTransposed: Bool
        /// Rows of each head are brought from interleaved pairs to halves.
        var order: RowOrder
        /// In the arena.
        var byteOffset: Int
        var byteCount: Int

        /// The tensor's row that becomes the panel's row `index`.
        func storedRow(_ index: Int) -> Int { partStart + order.storedRow(firstRow + index) }
    }

    struct Matrix {
        var columnCount: Int
        var panels: [Panel]
    }

    struct Layer {
        /// Q, then K, then V, each from a panel of its own.
        var queryKeyValue: Matrix
        var attentionOutput: Matrix
        /// (experts, logits); nil where all tokens share one feed-forward.
        var router: Matrix?
        /// Panels of gate and up in turn; of up alone where there is no gate. Expert after expert.
        var gateUp: Matrix
        /// Expert after expert.
        var down: Matrix

        var matrices: [Matrix] {
            let all: [Matrix?] = [queryKeyValue, attentionOutput, router, gateUp, down]
            return all.compactMap(\.self)
        }
    }

    let layers: [Layer]
    let output: Matrix
    let embedding: GGUFTensor
    /// In which the rows of the token embedding are computed with.
    let embeddingType: GGUFTensorType
    /// Some numbers are not computed with as the file has them.
    let isConverted: Bool
    let byteCount: Int

    init(_ spec: ModelSpec, _ file: any TensorFile, quantization: WeightQuantization?) throws(ModelError) {
        guard let embedding = file.tensor(named: TensorName.embedding) else {
            throw .missingTensor(TensorName.embedding)
        }
        self.embedding = embedding
        embeddingType = quantization.type(of: embedding, named: TensorName.embedding)
        var packer = PanelPacker(file: file, quantization: quantization)
        var layers: [Layer] = []
        for layer in 0..<spec.layerCount {
            layers.append(
                Layer(
                    queryKeyValue: try packer.stack(spec.queryKeyValueParts(layer)),
                    attentionOutput: try packer.stack([
                        Part(TensorName.attentionOutput(layer), isTransposed: spec.storesTransposed)
                    ]),
                    router: spec.feedForward.experts == nil
                        ? nil : try packer.stack([Part(TensorName.router(layer))]),
                    gateUp: try packer.gateUp(spec, layer),
                    down: try packer.stack(spec.downParts(layer))))
        }
        self.layers = layers
        output = try packer.stack([Part(spec.tiesOutput ? TensorName.embedding : TensorName.output)])
        isConverted = packer.hasConverted || embeddingType != embedding.type
        byteCount = packer.byteCount
    }

    var panels: [Panel] {
        let matrices = layers.flatMap(\.matrices) + [output]
        return matrices.flatMap(\.panels)
    }

    /// Whether some matrix wants activations as Float, and whether some wants them quantized.
    var activationKinds: (float: Bool, quantized: Bool) {
        var kinds = (float: false, quantized: false)
        for type in Set(panels.map(\.type)) {
            if Kernels.takesQuantized(format: type.rawValue) { kinds.quantized = true } else { kinds.float = true }
        }
        return kinds
    }
}
