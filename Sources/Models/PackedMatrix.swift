import Kernels
import Weights

/// A weight matrix repacked into panels. Plain pointers, so that threads share it without counting references.
// SAFETY: the panels live in the arena of the PackedWeights this came from, the runs in its list; both outlive every use,
// which is within a step of the Transformer that owns them.
struct PackedMatrix {
    /// Consecutive panels of one format.
    struct Run {
        var format: UInt32
        var takesQuantized: Bool
        var firstPanel: Int
        var panelCount: Int
        var panels: UnsafePointer<UInt8>
    }

    let columnCount: Int
    let panelCount: Int
    let runs: UnsafeBufferPointer<Run>

    /// y = or y += products of `rows` rows of activations, from row `firstRow` (a multiple of 4), with all weights of
    /// `panels`.
    /// - Parameters:
    ///   - part: the activations, or what their quantization left. Matrices of floats have seen all of them already, and
    ///     add nothing for the latter.
    ///   - y: (rows, stride) floats; column 0 belongs to the first row of panel `panels.lowerBound`.
    func multiply(
        _ panels: Range<Int>, _ activations: Activations, part: Activations.Part = .whole, firstRow: Int, rows: Int,
        isAdding: Bool = false, into y: UnsafeMutablePointer<Float>, stride: Int
    ) {
        let product = isAdding ? Kernels.matmulAdd : Kernels.matmul
        for run in runs where run.takesQuantized || part == .whole {
            let first = max(panels.lowerBound, run.firstPanel)
            let last = min(panels.upperBound, run.firstPanel + run.panelCount)
            guard first < last else { continue }
            let column = (run.firstPanel - panels.lowerBound) * Kernels.panelRowCount
            product(
                run.format, run.panels, first - run.firstPanel, last - run.firstPanel, columnCount,
                activations.pointer(run.takesQuantized, part, row: firstRow), rows, y + column, stride)
        }
    }
}

extension PackedMatrix {
    /// Pieces of a product with `count` rows: a tile of rows after the other, panel by panel.
    func pieceCount(rows count: Int) -> Int {
        (count + StepLayout.tileRowCount - 1) / StepLayout.tileRowCount * panelCount
    }

    /// Some pieces of y = or y += matrix · activations; panels of `fine` see the remainders of the activations too.
    /// - Parameter y: (count, stride)
    func multiply(
        pieces: Range<Int>, _ activations: Activations, count: Int, fine: Range<Int> = 0..<0, isAdding: Bool,
        into y: UnsafeMutablePointer<Float>, stride: Int
    ) {
        var start = pieces.lowerBound
        while start < pieces.upperBound {
            let (tile, panel) = start.quotientAndRemainder(dividingBy: panelCount)
            let panels = panel..<min(panelCount, panel + pieces.upperBound - start)
            let first = tile * StepLayout.tileRowCount
            let rows = min(StepLayout.tileRowCount, count - first)
            let rowStart = y + first * stride
            multiply(
                panels, activations, firstRow: first, rows: rows, isAdding: isAdding,
                into: rowStart + panel * Kernels.panelRowCount, stride: stride)
            let both = panels.clamped(to: fine)
            if !both.isEmpty {
                multiply(
                    both, activations, part: .remainder, firstRow: first, rows: rows, isAdding: true,
                    into: rowStart + both.lowerBound * Kernels.panelRowCount, stride: stride)
            }
            start += panels.count
        }
    }
}

/// Rows of activations of one width, as products want them: quantized, Float, or both.
struct Activations {
    enum Part {
        case whole
        case remainder
    }

    let columnCount: Int
    let quantized: UnsafeMutablePointer<UInt8>?
    /// What quantization left over, quantized again: both together have 16 bits.
    let remainder: UnsafeMutablePointer<UInt8>?
    let float: UnsafeMutablePointer<Float>?
    /// Bytes of a group of quantized rows, which lie together.
    private let groupByteCount: Int

    init(_ offsets: StepLayout.ActivationOffsets, in base: UnsafeMutableRawPointer) {
        columnCount = offsets.columnCount
        quantized = offsets.quantized.map { (base + $0).assumingMemoryBound(to: UInt8.self) }
        remainder = offsets.remainder.map { (base + $0).assumingMemoryBound(to: UInt8.self) }
        float = offsets.float.map { (base + $0).assumingMemoryBound(to: Float.self) }
        groupByteCount = Kernels.activationByteCount(rows: Kernels.activationGroupRowCount, columns: columnCount)
    }

    func store(_ values: UnsafePointer<Float>, row: Int) {
        if let quantized { Kernels.quantizeRow(values, columns: columnCount, row: row, into: quantized) }
        if let float { (float + row * columnCount).update(from: values, count: columnCount) }
    }

    /// Stores the norm of a row; with its remainder when that is wanted.
    /// - Parameter scratch: (columnCount), overwritten.
    func storeNormed(
        _ x: UnsafePointer<Float>, _ norm: PackedWeights.Norm, epsilon: Float, row: Int, isFine: Bool,
        scratch: UnsafeMutablePointer<Float>
    ) {
        if let bias = norm.bias {
            Kernels.layerNorm(
                x, weight: norm.weight, bias: bias, epsilon: epsilon, count: columnCount, into: scratch)
            if isFine, let quantized, let remainder {
                Kernels.quantizeRowFine(scratch, columns: columnCount, row: row, into: quantized, remainder: remainder)
            } else if let quantized {
                Kernels.quantizeRow(scratch, columns: columnCount, row: row, into: quantized)
            }
            if let float { (float + row * columnCount).update(from: scratch, count: columnCount) }
            return
        }
        if let quantized {
            Kernels.normQuantizeRow(
                x, weight: norm.weight, epsilon: epsilon, columns: columnCount, row: row, into: quantized,
                remainder: isFine ? remainder : nil)
        }
        if let float {
            Kernels.rmsNorm(x, weight: norm.weight, epsilon: epsilon, count: columnCount, into: scratch)
            (float + row * columnCount).update(from: scratch, count: columnCount)
        }
    }

    /// Stores columns 32 · block ..< 32 · (block + 1) of `rows` rows from `firstRow` on: what the gate makes of a tile.
    /// - Parameter tile: of each row 32 gates and 32 ups, side by side; 32 ups where there is no gate. The next row's are
    ///   `stride` floats further.
    func storeGated(
        _ gate: ModelSpec.FeedForward.Gate, _ tile: UnsafePointer<Float>, stride: Int, rows: Int, firstRow: Int,
        block: Int
    ) {
        let size = Kernels.panelRowCount
        if let quantized {
            let quantize =
                switch gate {
                case .swiglu: Kernels.swigluQuantize
                case .geglu: Kernels.gegluQuantize
                case .gelu: Kernels.geluTanhQuantize
                }
            quantize(tile, stride, rows, firstRow, block, columnCount, quantized)
        }
        if let float {
            let compute =
                switch gate {
                case .swiglu: Kernels.swiglu
                case .geglu: Kernels.geglu
                case .gelu: Kernels.geluTanh
                }
            for row in 0..<rows {
                compute(tile + row * stride, size, float + (firstRow + row) * columnCount + block * size)
            }
        }
    }

    func pointer(_ isQuantized: Bool, _ part: Part, row: Int) -> UnsafeRawPointer {
        if isQuantized, let rows = part == .whole ? quantized : remainder {
            return UnsafeRawPointer(rows + row / Kernels.activationGroupRowCount * groupByteCount)
        }
        if let float { return UnsafeRawPointer(float + row * columnCount) }
        preconditionFailure("the step's layout has no activations of the kind a matrix takes")
    }
}

extension ModelSpec.FeedForward.Gate {
    /// Panels that a block of 32 gated numbers is made from.
    var panelCount: Int {
        switch self {
        case .swiglu, .geglu: 2
        case .gelu: 1
        }
    }
}
