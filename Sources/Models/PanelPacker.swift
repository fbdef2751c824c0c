import Kernels
import Weights

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

extension WeightPlan {
    /// Rows of a tensor of the file: all, or those of one of the matrices that it holds.
    struct Part {
        var name: String
        var rows: Range<Int>?
        var order: RowOrder

        init(_ name: String, rows: Range<Int>? = nil, order: RowOrder = .asStored) {
            (self.name, self.rows, self.order) = (name, rows, order)
        }
    }
}

extension ModelSpec {
    /// How rows of Q and K are brought to the halves that turn together.
    var rotatedOrder: RowOrder {
        isInterleaved ? .interleavedToHalves(head: headDimension, turned: ropeDimensionCount) : .asStored
    }

    /// Q, K and V, and their biases, where the file holds them.
    func queryKeyValueParts(_ layer: Int, isBias: Bool = false) -> [WeightPlan.Part] {
        let rotated = rotatedOrder
        guard fusesQueryKeyValue else {
            let names =
                isBias
                ? (TensorName.queryBias(layer), TensorName.keyBias(layer), TensorName.valueBias(layer))
                : (TensorName.query(layer), TensorName.key(layer), TensorName.value(layer))
            return [.init(names.0, order: rotated), .init(names.1, order: rotated), .init(names.2)]
        }
        let name = isBias ? TensorName.queryKeyValueBias(layer) : TensorName.queryKeyValue(layer)
        let (keys, values) = (queryWidth, queryWidth + keyWidth)
        return [
            .init(name, rows: 0..<keys, order: rotated), .init(name, rows: keys..<values, order: rotated),
            .init(name, rows: values..<values + keyWidth),
        ]
    }
}

/// Lays panels one after the other.
struct PanelPacker {
    typealias Part = WeightPlan.Part

    let file: any TensorFile
    let quantization: WeightQuantization?
    private(set) var byteCount = 0
    private(set) var hasConverted = false

    init(file: any TensorFile, quantization: WeightQuantization?) {
        self.file = file
        self.quantization = quantization
    }

    mutating func stack(_ parts: [Part]) throws(ModelError) -> WeightPlan.Matrix {
        var panels: [WeightPlan.Panel] = []
        var columnCount = 0
        for part in parts {
            let tensor = try tensor(part.name)
            columnCount = tensor.columnCount
            let rows = part.rows ?? 0..<tensor.rowCount
            for firstRow in stride(from: 0, to: rows.count, by: Kernels.panelRowCount) {
                panels.append(panel(tensor, rows, firstRow, part.order))
            }
        }
        return WeightPlan.Matrix(columnCount: columnCount, panels: panels)
    }

    mutating func gateUp(_ spec: ModelSpec, _ layer: Int) throws(ModelError) -> WeightPlan.Matrix {
        if spec.feedForward.experts != nil {
            return try interleave(Part(TensorName.expertGates(layer)), Part(TensorName.expertUps(layer)))
        }
        let (up, width) = (TensorName.up(layer), spec.feedForward.width)
        if spec.fusesGateUp { return try interleave(Part(up, rows: 0..<width), Part(up, rows: width..<2 * width)) }
        switch spec.feedForward.gate {
        case .swiglu, .geglu: return try interleave(Part(TensorName.gate(layer)), Part(up))
        case .gelu: return try stack([Part(up)])
        }
    }

    private mutating func interleave(_ first: Part, _ second: Part) throws(ModelError) -> WeightPlan.Matrix {
        let tensors = (try tensor(first.name), try tensor(second.name))
        let rows = (first.rows ?? 0..<tensors.0.rowCount, second.rows ?? 0..<tensors.1.rowCount)
        var panels: [WeightPlan.Panel] = []
        for firstRow in stride(from: 0, to: rows.0.count, by: Kernels.panelRowCount) {
            panels.append(panel(tensors.0, rows.0, firstRow, .asStored))
            panels.append(panel(tensors.1, rows.1, firstRow, .asStored))
        }
        return WeightPlan.Matrix(columnCount: tensors.0.columnCount, panels: panels)
    }

    private func tensor(_ name: String) throws(ModelError) -> GGUFTensor {
        guard let tensor = file.tensor(named: name) else { throw .missingTensor(name) }
        return tensor
    }

    private mutating func panel(
        _ tensor: GGUFTensor, _ rows: Range<Int>, _ firstRow: Int, _ order: RowOrder
    ) -> WeightPlan.Panel {
        let type = quantization.type(of: tensor)
        let size = Kernels.panelByteCount(format: type.rawValue, columns: tensor.columnCount)
        defer {
            byteCount += size
            hasConverted = hasConverted || type != tensor.type
        }
        return WeightPlan.Panel(
            tensor: tensor, type: type, partStart: rows.lowerBound, firstRow: firstRow,
            rowCount: min(Kernels.panelRowCount, rows.count - firstRow), order: order, byteOffset: byteCount,
            byteCount: size)
    }
}
