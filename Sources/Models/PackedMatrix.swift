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
    ///   - part: the activations, or what their quantization left; for the latter, matrices of floats give zeros.
    ///   - y: (rows, stride) floats; column 0 belongs to the first row of panel `panels.lowerBound`.
    func multiply(
        _ panels: Range<Int>, _ activations: Activations, part: Activations.Part = .whole, firstRow: Int, rows: Int,
        into y: UnsafeMutablePointer<Float>, stride: Int
    ) {
        for run in runs {
            let first = max(panels.lowerBound, run.firstPanel)
            let last = min(panels.upperBound, run.firstPanel + run.panelCount)
            guard first < last else { continue }
            let column = (run.firstPanel - panels.lowerBound) * Kernels.panelRowCount
            if part == .remainder, !run.takesQuantized {
                let columns = (last - first) * Kernels.panelRowCount
                for row in 0..<rows {
                    (y + row * stride + (first - panels.lowerBound) * Kernels.panelRowCount).update(
                        repeating: 0, count: columns)
                }
                continue
            }
            Kernels.matmul(
                format: run.format, panels: run.panels, first: first - run.firstPanel, last: last - run.firstPanel,
                columns: columnCount, activations: activations.pointer(run.takesQuantized, part, row: firstRow),
                rows: rows,
                into: y + column, stride: stride)
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
    /// Bytes of four quantized rows.
    private let groupByteCount: Int
    private static let recordByteCount = Kernels.activationByteCount(rows: 4, columns: 32) / 4
    private static let recordGroupByteCount = Kernels.activationByteCount(rows: 4, columns: 32)

    init(_ offsets: StepLayout.ActivationOffsets, in base: UnsafeMutableRawPointer) {
        columnCount = offsets.columnCount
        quantized = offsets.quantized.map { (base + $0).assumingMemoryBound(to: UInt8.self) }
        remainder = offsets.remainder.map { (base + $0).assumingMemoryBound(to: UInt8.self) }
        float = offsets.float.map { (base + $0).assumingMemoryBound(to: Float.self) }
        groupByteCount = Kernels.activationByteCount(rows: 4, columns: columnCount)
    }

    func store(_ values: UnsafePointer<Float>, row: Int) {
        if let quantized { Kernels.quantizeRow(values, columns: columnCount, row: row, into: quantized) }
        if let float { (float + row * columnCount).update(from: values, count: columnCount) }
    }

    /// Stores a row with its remainder. Overwrites `values`.
    func storeFine(_ values: UnsafeMutablePointer<Float>, row: Int) {
        store(values, row: row)
        guard let quantized, let remainder else { return }
        let first = UnsafeRawPointer(quantized) + row / 4 * groupByteCount + row % 4 * Self.recordByteCount
        for block in 0..<columnCount / 32 {
            let record = first + block * Self.recordGroupByteCount
            let scale = record.loadUnaligned(fromByteOffset: 32, as: Float.self)
            for index in 0..<32 {
                let value = Float(record.load(fromByteOffset: index, as: Int8.self))
                values[block * 32 + index] = values[block * 32 + index] - scale * value
            }
        }
        Kernels.quantizeRow(values, columns: columnCount, row: row, into: remainder)
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

    func pointer(_ isQuantized: Bool, _ part: Part, row: Int) -> UnsafeRawPointer {
        if isQuantized, let rows = part == .whole ? quantized : remainder {
            return UnsafeRawPointer(rows + row / 4 * groupByteCount)
        }
        if let float { return UnsafeRawPointer(float + row * columnCount) }
        preconditionFailure("the step's layout has no activations of the kind a matrix takes")
    }
}
