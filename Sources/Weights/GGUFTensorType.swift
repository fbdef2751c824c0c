/// How a tensor's numbers are stored: the types Apus reads. Raw values are the file's own.
///
/// Source: ggml's `enum ggml_type`; the block layouts are in Dequantization.swift.
package enum GGUFTensorType: UInt32, CaseIterable, Sendable {
    case f32 = 0
    case f16 = 1
    case q4_0 = 2
    case q4_1 = 3
    case q5_0 = 6
    case q5_1 = 7
    case q8_0 = 8
    case q4_K = 12
    case q5_K = 13
    case q6_K = 14
    case bf16 = 30

    /// Numbers a block stands for. Rows are whole blocks.
    package var blockElementCount: Int {
        switch self {
        case .f32, .f16, .bf16: 1
        case .q4_0, .q4_1, .q5_0, .q5_1, .q8_0: 32
        case .q4_K, .q5_K, .q6_K: 256
        }
    }

    package var blockByteCount: Int {
        switch self {
        case .f32: 4
        case .f16, .bf16: 2
        case .q4_0: 18
        case .q4_1: 20
        case .q5_0: 22
        case .q5_1: 24
        case .q8_0: 34
        case .q4_K: 144
        case .q5_K: 176
        case .q6_K: 210
        }
    }

    package var name: String { Self.name(of: rawValue) ?? "type \(rawValue)" }

    /// Bytes of a tensor of `dimensions`, which are counted from the innermost; nil when a row is not whole blocks,
    /// a dimension is below 1, or the product does not fit. The only place where a tensor's size is computed.
    package func byteCount(dimensions: [Int]) -> Int? {
        guard let columns = dimensions.first, columns % blockElementCount == 0 else { return nil }
        var total = (partialValue: columns / blockElementCount, overflow: false)
        for factor in dimensions.dropFirst() + [blockByteCount] {
            total = total.partialValue.multipliedReportingOverflow(by: factor)
            if total.overflow { return nil }
        }
        return dimensions.allSatisfy { $0 >= 1 } ? total.partialValue : nil
    }

    /// Name of any type that ggml has given a number, supported or not.
    static func name(of rawValue: UInt32) -> String? {
        rawValue < UInt32(names.count) ? names[Int(rawValue)] : nil
    }

    private static let names = [
        "F32", "F16", "Q4_0", "Q4_1", "Q4_2", "Q4_3", "Q5_0", "Q5_1", "Q8_0", "Q8_1", "Q2_K", "Q3_K", "Q4_K", "Q5_K",
        "Q6_K", "Q8_K", "IQ2_XXS", "IQ2_XS", "IQ3_XXS", "IQ1_S", "IQ4_NL", "IQ3_S", "IQ2_S", "IQ4_XS", "I8", "I16",
        "I32", "I64", "F64", "IQ1_M", "BF16", "Q4_0_4_4", "Q4_0_4_8", "Q4_0_8_8", "TQ1_0", "TQ2_0", "IQ4_NL_4_4",
        "IQ4_NL_4_8", "IQ4_NL_8_8", "MXFP4", "NVFP4",
    ]
}
