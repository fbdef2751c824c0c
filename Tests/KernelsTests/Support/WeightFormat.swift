import Kernels
import TestSupport

/// Formats by their GGUF numbers, and how a test makes rows of them.
enum WeightFormat: UInt32, CaseIterable, Sendable {
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

    static let quantized = allCases.filter { Kernels.takesQuantized(format: $0.rawValue) }

    /// Weights and bytes of a block.
    var block: (weights: Int, bytes: Int) {
        switch self {
        case .f32: (1, 4)
        case .f16, .bf16: (1, 2)
        case .q4_0: (32, 18)
        case .q4_1: (32, 20)
        case .q5_0: (32, 22)
        case .q5_1: (32, 24)
        case .q8_0: (32, 34)
        case .q4_K: (256, 144)
        case .q5_K: (256, 176)
        case .q6_K: (256, 210)
        }
    }

    /// One row of random weights: random bits, with scales of a sensible size.
    func row(columns: Int, using random: inout SeededRandom) -> [UInt8] {
        var row: [UInt8] = []
        for _ in 0..<columns / block.weights {
            var bytes = (0..<block.bytes).map { _ in random.byte() }
            // f16: 2^-7...2^-6 of either sign.
            func half() -> UInt16 { 0x2000 | UInt16(truncatingIfNeeded: random.next() >> 32) & 0x83FF }
            switch self {
            case .f32: bytes.store(random.floats(1)[0], at: 0)
            case .f16: bytes.store(half(), at: 0)
            case .bf16: bytes.store(half() & 0x80FF | 0x3C00, at: 0)
            case .q4_0, .q5_0, .q8_0: bytes.store(half(), at: 0)
            case .q4_1, .q5_1, .q4_K, .q5_K:
                bytes.store(half(), at: 0)
                bytes.store(half(), at: 2)
            case .q6_K: bytes.store(half(), at: 208)
            }
            row += bytes
        }
        return row
    }
}

/// A matrix of random weights, as GGUF stores it and packed.
struct WeightMatrix {
    let format: WeightFormat
    let rows: [[UInt8]]
    let columns: Int
    let panelCount: Int
    let panels: Memory

    /// - Parameter rowCount: need not be a multiple of 32: the last panel is padded.
    init(_ format: WeightFormat, rowCount: Int, columns: Int, seed: UInt64) {
        var random = SeededRandom(seed: seed)
        self.init(
            format, rows: (0..<rowCount).map { _ in format.row(columns: columns, using: &random) }, columns: columns)
    }

    init(_ format: WeightFormat, rows: [[UInt8]], columns: Int) {
        self.format = format
        self.columns = columns
        self.rows = rows
        panelCount = (rows.count + 31) / 32
        let size = Kernels.panelByteCount(format: format.rawValue, columns: columns)
        panels = Memory(panelCount * size)
        for panel in 0..<panelCount {
            Self.withPointers(rows[32 * panel..<min(rows.count, 32 * (panel + 1))]) {
                Kernels.packPanel(
                    format: format.rawValue, rows: $0, columns: columns, into: panels.bytes + panel * size)
            }
        }
    }

    /// What the rows stand for.
    func values() -> [[Float]] { rows.map { Self.values(format, $0, count: columns) } }

    static func values(_ format: WeightFormat, _ row: [UInt8], count: Int) -> [Float] {
        var values = [Float](repeating: .nan, count: count)
        row.withUnsafeBufferPointer { row in
            if let start = row.baseAddress {
                Kernels.dequantize(format: format.rawValue, row: start, count: count, into: &values)
            }
        }
        return values
    }

    /// 32 pointers, nil behind the last row.
    private static func withPointers(
        _ rows: ArraySlice<[UInt8]>, _ body: (UnsafePointer<UnsafePointer<UInt8>?>) -> Void
    ) {
        let copies = rows.map { row in
            let copy = Memory(row.count)
            copy.bytes.update(from: row, count: row.count)
            return copy
        }
        var pointers = copies.map { Optional(UnsafePointer($0.bytes)) }
        pointers += [UnsafePointer<UInt8>?](repeating: nil, count: 32 - pointers.count)
        withExtendedLifetime(copies) { body(&pointers) }
    }
}
