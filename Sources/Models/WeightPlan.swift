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
        var firstRow: Int
        var rowCount: Int
        /// Rows of each head are brought from interleaved pairs to halves.
        var order: RowOrder
        /// In the arena.
        var byteOffset: Int
        var byteCount: Int
    }

    struct Matrix {
        var columnCount: Int
        var panels: [Panel]
    }

    struct Layer {
        /// Q, then K, then V, each from a panel of its own.
        var queryKeyValue: Matrix
        var attentionOutput: Matrix
        /// Panels of gate and up in turn.
        var gateUp: Matrix
        var down: Matrix
    }

    let layers: [Layer]
    let output: Matrix
    let embedding: GGUFTensor
    /// In which the rows of the token embedding are computed with.
    let embeddingType: GGUFTensorType
    /// Some numbers are not computed with as the file has them.
    let isConverted: Bool
    let byteCount: Int

    init(_ spec: ModelSpec, _ file: GGUFFile, quantization: WeightQuantization?) throws(ModelError) {
        guard let embedding = file.tensor(named: TensorName.embedding) else {
            throw .missingTensor(TensorName.embedding)
        }
        self.embedding = embedding
        embeddingType = quantization.type(of: embedding)
        var packer = PanelPacker(file: file, quantization: quantization)
        let rotated: RowOrder =
            spec.rope.pairing == .interleaved
            ? .interleavedToHalves(head: spec.headDimension, turned: spec.rope.dimensionCount) : .asStored
        var layers: [Layer] = []
        for layer in 0..<spec.layerCount {
            layers.append(
                Layer(
                    queryKeyValue: try packer.stack([
                        (TensorName.query(layer), rotated), (TensorName.key(layer), rotated),
                        (TensorName.value(layer), .asStored),
                    ]),
                    attentionOutput: try packer.stack([(TensorName.attentionOutput(layer), .asStored)]),
                    gateUp: try packer.interleave(TensorName.gate(layer), TensorName.up(layer)),
                    down: try packer.stack([(TensorName.down(layer), .asStored)])))
        }
        self.layers = layers
        output = try packer.stack([(spec.tiesOutput ? TensorName.embedding : TensorName.output, .asStored)])
        isConverted = packer.hasConverted || embeddingType != embedding.type
        byteCount = packer.byteCount
    }

    var panels: [Panel] {
        layers.flatMap { $0.queryKeyValue.panels + $0.attentionOutput.panels + $0.gateUp.panels + $0.down.panels }
            + output.panels
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

/// How rows of a tensor are ordered in panels.
enum RowOrder: Equatable {
    case asStored
    /// Within each head, the first `turned` rows: even ones first, then odd ones. Dot products of Q and K stay the same.
    case interleavedToHalves(head: Int, turned: Int)

    /// The stored row that becomes row `index`.
    func storedRow(_ index: Int) -> Int {
        switch self {
        case .asStored: return index
        case .interleavedToHalves(let head, let turned):
            let (start, within) = (index / head * head, index % head)
            guard within < turned else { return index }
            let half = turned / 2
            return start + (within < half ? 2 * within : 2 * (within - half) + 1)
        }
    }
}

/// Lays panels one after the other.
struct PanelPacker {
    let file: any TensorFile
    let quantization: WeightQuantization?
    private(set) var byteCount = 0
    private(set) var hasConverted = false

    init(file: any TensorFile, quantization: WeightQuantization?) {
        self.file = file
        self.quantization = quantization
    }

    mutating func stack(_ parts: [(name: String, order: RowOrder)]) throws(ModelError) -> WeightPlan.Matrix {
        var panels: [WeightPlan.Panel] = []
        var columnCount = 0
        for part in parts {
            let tensor = try tensor(part.name)
            columnCount = tensor.columnCount
            for firstRow in stride(from: 0, to: tensor.rowCount, by: Kernels.panelRowCount) {
                panels.append(panel(tensor, firstRow, part.order))
            }
        }
        return WeightPlan.Matrix(columnCount: columnCount, panels: panels)
    }

    mutating func interleave(_ first: String, _ second: String) throws(ModelError) -> WeightPlan.Matrix {
        let tensors = (try tensor(first), try tensor(second))
        var panels: [WeightPlan.Panel] = []
        for firstRow in stride(from: 0, to: tensors.0.rowCount, by: Kernels.panelRowCount) {
            panels.append(panel(tensors.0, firstRow, .asStored))
            panels.append(panel(tensors.1, firstRow, .asStored))
        }
        return WeightPlan.Matrix(columnCount: tensors.0.columnCount, panels: panels)
    }

    private func tensor(_ name: String) throws(ModelError) -> GGUFTensor {
        guard let tensor = file.tensor(named: name) else { throw .missingTensor(name) }
        return tensor
    }

    private mutating func panel(_ tensor: GGUFTensor, _ firstRow: Int, _ order: RowOrder) -> WeightPlan.Panel {
        let type = quantization.type(of: tensor)
        let size = Kernels.panelByteCount(format: type.rawValue, columns: tensor.columnCount)
        defer {
            byteCount += size
            hasConverted = hasConverted || type != tensor.type
        }
        return WeightPlan.Panel(
            tensor: tensor, type: type, firstRow: firstRow,
            rowCount: min(Kernels.panelRowCount, tensor.rowCount - firstRow), order: order, byteOffset: byteCount,
            byteCount: size)
    }
}
