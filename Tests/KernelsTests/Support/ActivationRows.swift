import Kernels

/// Rows of activations in both forms that products take.
struct ActivationRows {
    let rowCount: Int
    let columns: Int
    let values: [Float]
    let quantized: Memory

    init(_ values: [Float], columns: Int) {
        self.values = values
        self.columns = columns
        rowCount = values.count / columns
        quantized = Memory(columns % 32 == 0 ? Kernels.activationByteCount(rows: rowCount, columns: columns) : 0)
        guard columns % 32 == 0 else { return }
        values.withUnsafeBufferPointer { values in
            guard let start = values.baseAddress else { return }
            for row in 0..<rowCount {
                Kernels.quantizeRow(start + row * columns, columns: columns, row: row, into: quantized.bytes)
            }
        }
    }

    /// The record of a block of a row, as its format says.
    static func record(_ activations: Memory, columns: Int, row: Int, block: Int) -> Record {
        let group = row / 16 * Kernels.activationByteCount(rows: 16, columns: columns) + block * 768
        let (codes, notes) = (group + row % 16 * 32, group + 512 + row % 16 * 16)
        let bytes = activations.array
        return Record(
            codes: (0..<32).map { Int8(bitPattern: bytes[codes + $0]) }, scale: bytes.load(Float.self, at: notes),
            lowSum: bytes.load(Int32.self, at: notes + 4), highSum: bytes.load(Int32.self, at: notes + 8),
            scaledSum: bytes.load(Float.self, at: notes + 12))
    }

    struct Record {
        var codes: [Int8]
        var scale: Float
        /// Negative sums of the halves.
        var lowSum: Int32
        var highSum: Int32
        var scaledSum: Float

        var values: [Float] { codes.map { scale * Float($0) } }
    }

    /// What the quantized form stands for.
    func quantizedValues() -> [Float] {
        (0..<rowCount).flatMap { row in
            (0..<columns / 32).flatMap { block in
                Self.record(quantized, columns: columns, row: row, block: block).values
            }
        }
    }
}
