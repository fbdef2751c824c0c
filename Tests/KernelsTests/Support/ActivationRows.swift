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
        let group = Kernels.activationByteCount(rows: 4, columns: columns)
        let at = row / 4 * group + block * 192 + row % 4 * 48
        let bytes = activations.array
        return Record(
            codes: (0..<32).map { Int8(bitPattern: bytes[at + $0]) }, scale: bytes.load(Float.self, at: at + 32),
            lowSum: bytes.load(Int32.self, at: at + 36), highSum: bytes.load(Int32.self, at: at + 40),
            scaledSum: bytes.load(Float.self, at: at + 44))
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
