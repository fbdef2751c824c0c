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

    /// Products of `rows` rows of activations, from row `firstRow` (a multiple of 4), with all weights of `panels`.
    /// - Parameters:
    ///   - y: (rows, stride) floats; column 0 belongs to the first row of panel `panels.lowerBound`.
    func multiply(
        _ panels: Range<Int>, _ activations: Activations, firstRow: Int, rows: Int,
        into y: UnsafeMutablePointer<Float>, stride: Int
    ) {
        for run in runs {
            let first = max(panels.lowerBound, run.firstPanel)
            let last = min(panels.upperBound, run.firstPanel + run.panelCount)
            guard first < last else { continue }
            let column = (run.firstPanel - panels.lowerBound) * Kernels.panelRowCount
            Kernels.matmul(
                format: run.format, panels: run.panels, first: first - run.firstPanel, last: last - run.firstPanel,
                columns: columnCount, activations: activations.pointer(run.takesQuantized, row: firstRow), rows: rows,
                into: y + column, stride: stride)
        }
    }
}

/// Rows of activations of one width, as products want them: quantized, Float, or both.
struct Activations {
    let columnCount: Int
    let quantized: UnsafeMutablePointer<UInt8>?
    let float: UnsafeMutablePointer<Float>?
    /// Bytes of four quantized rows.
    private let groupByteCount: Int
    private static let recordGroupByteCount = Kernels.activationByteCount(rows: 4, columns: 32)

    init(_ offsets: StepLayout.ActivationOffsets, in base: UnsafeMutableRawPointer) {
        columnCount = offsets.columnCount
        quantized = offsets.quantized.map { (base + $0).assumingMemoryBound(to: UInt8.self) }
        float = offsets.float.map { (base + $0).assumingMemoryBound(to: Float.self) }
        groupByteCount = Kernels.activationByteCount(rows: 4, columns: columnCount)
    }

    func store(_ values: UnsafePointer<Float>, row: Int) {
        if let quantized { Kernels.quantizeRow(values, columns: columnCount, row: row, into: quantized) }
        if let float { (float + row * columnCount).update(from: values, count: columnCount) }
    }

    /// Stores columns 32 · block ..< 32 · (block + 1) of a row.
    func store(_ values: UnsafePointer<Float>, row: Int, block: Int) {
        if let quantized {
            // A matrix of 32 columns has one record per row, and four rows of it lie as one block does in a group.
            let at = quantized + row / 4 * groupByteCount + block * Self.recordGroupByteCount
            Kernels.quantizeRow(values, columns: 32, row: row % 4, into: at)
        }
        if let float { (float + row * columnCount + block * 32).update(from: values, count: 32) }
    }

    func pointer(_ isQuantized: Bool, row: Int) -> UnsafeRawPointer {
        if isQuantized, let quantized { return UnsafeRawPointer(quantized + row / 4 * groupByteCount) }
        if let float { return UnsafeRawPointer(float + row * columnCount) }
        preconditionFailure("the step's layout has no activations of the kind a matrix takes")
    }
}
