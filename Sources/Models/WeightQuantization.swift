package import Weights

/// What floats of a model file become in memory: less of it, and less to read for every token.
///
/// Meant are the matrices of layers, the output matrix and the token embedding, where the file holds them as F32, F16 or
/// BF16; vectors, and what is quantized already, stay as they are. The embedding's rows are looked up in the file, but go
/// through the same rounding: so a model computes what it would from the file that ``GGUFConversion`` writes, bit for
/// bit.
package enum WeightQuantization: String, CaseIterable, Sendable {
    case q8_0
    case q4_0

    package var type: GGUFTensorType {
        switch self {
        case .q8_0: .q8_0
        case .q4_0: .q4_0
        }
    }
}

extension WeightQuantization? {
    /// The type in which the numbers of a matrix are computed with.
    /// - Parameters:
    ///   - name: GGUF's, whatever the file calls it.
    ///   - columnCount: of a row as it is computed with; nil is that of the file.
    func type(of tensor: GGUFTensor, named name: String, columnCount: Int? = nil) -> GGUFTensorType {
        guard let wanted = self?.type, (columnCount ?? tensor.columnCount) % wanted.blockElementCount == 0,
            !TensorName.staysAsStored(name)
        else { return tensor.type }
        switch tensor.type {
        case .f32, .f16, .bf16: return wanted
        case .q4_0, .q4_1, .q5_0, .q5_1, .q8_0, .q4_K, .q5_K, .q6_K: return tensor.type
        }
    }
}
