import Kernels
import Weights

/// Rows of the token embedding, looked up in the file, which stays mapped.
struct EmbeddingTable {
    // SAFETY: the table's bytes lie in the file, which this keeps.
    private let file: any TensorFile
    private let bytes: UnsafeRawBufferPointer
    private let tensor: GGUFTensor
    /// Of a row, when weights are quantized at load; nil when rows are taken as they are.
    private var conversion: NumberConversion?
    private var converted: [UInt8] = []

    /// - Parameter type: in which the numbers are computed with.
    init(_ tensor: GGUFTensor, in file: any TensorFile, as type: GGUFTensorType) {
        self.file = file
        self.bytes = file.bytes(of: tensor)
        self.tensor = tensor
        guard type != tensor.type else { return }
        conversion = NumberConversion(from: tensor.type, to: type)
        converted = [UInt8](repeating: 0, count: NumberConversion.byteCount(tensor.columnCount, type))
    }

    /// - Parameters:
    ///   - token: below the table's row count.
    ///   - row: (columns), overwritten. A number that the type cannot hold becomes a NaN.
    mutating func look(up token: Int, into row: UnsafeMutablePointer<Float>) {
        precondition(token >= 0 && token < tensor.rowCount, "token \(token) of \(tensor.rowCount)")
        guard let start = bytes.baseAddress else { return }
        // SAFETY: the row lies in the tensor, by the check above.
        let stored = (start + token * tensor.rowByteCount).assumingMemoryBound(to: UInt8.self)
        if let type = conversion?.target {
            _ = conversion?.convert(stored, count: tensor.columnCount, into: &converted)
            Kernels.dequantize(format: type.rawValue, row: converted, count: tensor.columnCount, into: row)
        } else {
            Kernels.dequantize(format: tensor.type.rawValue, row: stored, count: tensor.columnCount, into: row)
        }
    }
}
