import Kernels
import Weights

/// Rows of the token embedding, looked up in the file, which stays mapped.
struct EmbeddingTable {
    // SAFETY: the table's bytes lie in the file, which this keeps.
    private let file: any TensorFile
    private let bytes: UnsafeRawBufferPointer
    private let type: GGUFTensorType
    private let rowCount: Int
    private let rowByteCount: Int
    private let columnCount: Int
    /// Of a row, when weights are quantized at load; nil when rows are taken as they are.
    private var conversion: NumberConversion?
    private var converted: [UInt8] = []

    /// - Parameter type: in which the numbers are computed with.
    init(_ tensor: GGUFTensor, in file: any TensorFile, as type: GGUFTensorType) {
        self.file = file
        self.bytes = file.bytes(of: tensor)
        self.type = tensor.type
        rowCount = tensor.rowCount
        rowByteCount = tensor.rowByteCount
        columnCount = tensor.columnCount
        guard type != tensor.type else { return }
        conversion = NumberConversion(from: tensor.type, to: type)
        converted = [UInt8](repeating: 0, count: NumberConversion.byteCount(tensor.columnCount, type))
    }

    /// - Parameters:
    ///   - token: below the table's row count.
    ///   - row: (columns), overwritten. A number that the type cannot hold becomes a NaN.
    mutating func look(up token: Int, into row: UnsafeMutablePointer<Float>) {
        precondition(token >= 0 && token < rowCount, "token \(token) of \(rowCount)")
        guard let start = bytes.baseAddress else { return }
        // SAFETY: the row lies in the tensor, by the check above.
        let stored = (start + token * rowByteCount).assumingMemoryBound(to: UInt8.self)
        if let target = conversion?.target {
            _ = conversion?.convert(stored, count: columnCount, into: &converted)
            Kernels.dequantize(format: target.rawValue, row: converted, count: columnCount, into: row)
        } else {
            Kernels.dequantize(format: type.rawValue, row: stored, count: columnCount, into: row)
        }
    }
}
