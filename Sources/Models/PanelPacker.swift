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
        /// The tensor has the rows for columns.
        var isTransposed: Bool

        init(_ name: String, rows: Range<Int>? = nil, order: RowOrder = .asStored, isTransposed: Bool = false) {
            (self.name, self.rows, self.order, self.isTransposed) = (name, rows, order, isTransposed)
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
        let isTransposed = storesTransposed && !isBias
        return [
            .init(name, rows: 0..<keys, order: rotated, isTransposed: isTransposed),
            .init(name, rows: keys..<values, order: rotated, isTransposed: isTransposed),
            .init(name, rows: values..<values + keyWidth, isTransposed: isTransposed),
        ]
    }

    /// What leads back from the feed-forward; of all experts, one after the other.
    func downParts(_ layer: Int) -> [WeightPlan.Part] {
        guard let experts = feedForward.experts else {
            return [.init(TensorName.down(layer), isTransposed: storesTransposed)]
        }
        guard storesExpertsApart else { return [.init(TensorName.expertDowns(layer))] }
        return (0..<experts.count).map { .init(TensorName.down(layer, expert: $0)) }
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
            let source = try source(part)
            columnCount = source.columnCount
            for firstRow in stride(from: 0, to: source.rows.count, by: Kernels.panelRowCount) {
                panels.append(panel(source, firstRow))
            }
        }
        return WeightPlan.Matrix(columnCount: columnCount, panels: panels)
    }

    mutating func gateUp(_ spec: ModelSpec, _ layer: Int) throws(ModelError) -> WeightPlan.Matrix {
        let (up, width) = (TensorName.up(layer), spec.feedForward.width)
        if let experts = spec.feedForward.experts {
            guard spec.storesExpertsApart else {
                return try interleave([(Part(TensorName.expertGates(layer)), Part(TensorName.expertUps(layer)))])
            }
            return try interleave(
                (0..<experts.count).map {
                    (Part(TensorName.gate(layer, expert: $0)), Part(TensorName.up(layer, expert: $0)))
                })
        }
        if spec.fusesGateUp { return try interleave([(Part(up, rows: 0..<width), Part(up, rows: width..<2 * width))]) }
        switch spec.feedForward.gate {
        case .swiglu, .geglu: return try interleave([(Part(TensorName.gate(layer)), Part(up))])
        case .gelu: return try stack([Part(up, isTransposed: spec.storesTransposed)])
        }
    }

    private mutating func interleave(_ pairs: [(Part, Part)]) throws(ModelError) -> WeightPlan.Matrix {
        var panels: [WeightPlan.Panel] = []
        var columnCount = 0
        for (first, second) in pairs {
            let sources = (try source(first), try source(second))
            columnCount = sources.0.columnCount
            for firstRow in stride(from: 0, to: sources.0.rows.count, by: Kernels.panelRowCount) {
                panels.append(panel(sources.0, firstRow))
                panels.append(panel(sources.1, firstRow))
            }
        }
        return WeightPlan.Matrix(columnCount: columnCount, panels: panels)
    }

    /// A part and the tensor that it is of.
    private struct Source {
        var part: Part
        var tensor: GGUFTensor
        var rows: Range<Int>
        var columnCount: Int
    }

    private func source(_ part: Part) throws(ModelError) -> Source {
        guard let tensor = file.tensor(named: part.name) else { throw .missingTensor(part.name) }
        let (rowCount, columnCount) =
            part.isTransposed ? (tensor.columnCount, tensor.rowCount) : (tensor.rowCount, tensor.columnCount)
        return Source(part: part, tensor: tensor, rows: part.rows ?? 0..<rowCount, columnCount: columnCount)
    }

    private mutating func panel(_ source: Source, _ firstRow: Int) -> WeightPlan.Panel {
        let tensor = source.tensor
        let type = quantization.type(of: tensor, named: source.part.name, columnCount: source.columnCount)
        let size = Kernels.panelByteCount(format: type.rawValue, columns: source.columnCount)
        defer {
            byteCount += size
            hasConverted = hasConverted || type != tensor.type
        }
        return WeightPlan.Panel(
            tensor: tensor, type: type, partStart: source.rows.lowerBound, firstRow: firstRow,
            rowCount: min(Kernels.panelRowCount, source.rows.count - firstRow), columnCount: source.columnCount,
            isTransposed: source.part.isTransposed, order: source.part.order, byteOffset: byteCount, byteCount: size)
    }
}
