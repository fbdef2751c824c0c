/// What stored numbers stand for: the specification that kernels are tested against. Plain and slow.
///
/// Source: ggml's block layouts (ggml-common.h) and `dequantize_row_*`.
package enum Dequantization {
    /// One value for each number of `row`, which is whole blocks of `type`.
    package static func values(of row: UnsafeRawBufferPointer, type: GGUFTensorType) -> [Float] {
        precondition(
            row.count % type.blockByteCount == 0, "\(row.count) bytes are not whole \(type.name) blocks")
        var values: [Float] = []
        values.reserveCapacity(row.count / type.blockByteCount * type.blockElementCount)
        for start in stride(from: 0, to: row.count, by: type.blockByteCount) {
            let block = UnsafeRawBufferPointer(rebasing: row[start..<start + type.blockByteCount])
            switch type {
            case .f32: values.append(Float(bitPattern: uint32(block, 0)))
            case .f16: values.append(half(block, 0))
            case .bf16: values.append(Float(bitPattern: UInt32(uint16(block, 0)) << 16))
            case .q4_0: appendQ4_0(block, &values)
            case .q4_1: appendQ4_1(block, &values)
            case .q5_0: appendQ5_0(block, &values)
            case .q5_1: appendQ5_1(block, &values)
            case .q8_0: appendQ8_0(block, &values)
            case .q4_K: appendQ4_K(block, &values)
            case .q5_K: appendQ5_K(block, &values)
            case .q6_K: appendQ6_K(block, &values)
            }
        }
        return values
    }

    // MARK: Blocks of 32

    /// 18 bytes: scale d (f16), 16 bytes of nibbles; byte i holds numbers i (low) and i + 16 (high). (q − 8) · d.
    private static func appendQ4_0(_ block: UnsafeRawBufferPointer, _ values: inout [Float]) {
        let d = half(block, 0)
        for i in 0..<32 { values.append(Float(nibble(block, 2, i) - 8) * d) }
    }

    /// 20 bytes: d, minimum m (f16), 16 bytes of nibbles. q · d + m.
    private static func appendQ4_1(_ block: UnsafeRawBufferPointer, _ values: inout [Float]) {
        let (d, m) = (half(block, 0), half(block, 2))
        for i in 0..<32 { values.append(Float(nibble(block, 4, i)) * d + m) }
    }

    /// 22 bytes: d, 32 fifth bits (little-endian u32, bit i for number i), 16 bytes of nibbles. (q − 16) · d.
    private static func appendQ5_0(_ block: UnsafeRawBufferPointer, _ values: inout [Float]) {
        let (d, fifth) = (half(block, 0), uint32(block, 2))
        for i in 0..<32 {
            let q = nibble(block, 6, i) | Int(fifth >> UInt32(i) & 1) << 4
            values.append(Float(q - 16) * d)
        }
    }

    /// 24 bytes: d, m, 32 fifth bits, 16 bytes of nibbles. q · d + m.
    private static func appendQ5_1(_ block: UnsafeRawBufferPointer, _ values: inout [Float]) {
        let (d, m, fifth) = (half(block, 0), half(block, 2), uint32(block, 4))
        for i in 0..<32 {
            let q = nibble(block, 8, i) | Int(fifth >> UInt32(i) & 1) << 4
            values.append(Float(q) * d + m)
        }
    }

    /// 34 bytes: d, 32 signed bytes. q · d.
    private static func appendQ8_0(_ block: UnsafeRawBufferPointer, _ values: inout [Float]) {
        let d = half(block, 0)
        for i in 0..<32 { values.append(Float(Int8(bitPattern: block[2 + i])) * d) }
    }

    // MARK: Blocks of 256

    /// 144 bytes: d, dmin (f16), 12 bytes of packed 6-bit scales and minima, 128 bytes of nibbles.
    /// Number l of sub-block j (32 each): q · (d · scale_j) − dmin · min_j. Sub-blocks 2k and 2k + 1 share the 32
    /// bytes k: low nibbles, high nibbles.
    private static func appendQ4_K(_ block: UnsafeRawBufferPointer, _ values: inout [Float]) {
        let (d, dmin) = (half(block, 0), half(block, 2))
        for j in 0..<8 {
            let (scale, minimum) = scaleAndMinimum(block, 4, j)
            let (factor, offset) = (d * Float(scale), dmin * Float(minimum))
            for l in 0..<32 {
                let q = Int(block[16 + j / 2 * 32 + l] >> (j % 2 == 0 ? 0 : 4) & 15)
                values.append(factor * Float(q) - offset)
            }
        }
    }

    /// 176 bytes: as Q4_K, with 32 bytes of fifth bits between scales and nibbles: bit j of byte l is for number l of
    /// sub-block j.
    private static func appendQ5_K(_ block: UnsafeRawBufferPointer, _ values: inout [Float]) {
        let (d, dmin) = (half(block, 0), half(block, 2))
        for j in 0..<8 {
            let (scale, minimum) = scaleAndMinimum(block, 4, j)
            let (factor, offset) = (d * Float(scale), dmin * Float(minimum))
            for l in 0..<32 {
                let low = Int(block[48 + j / 2 * 32 + l] >> (j % 2 == 0 ? 0 : 4) & 15)
                let q = low | Int(block[16 + l] >> UInt8(j) & 1) << 4
                values.append(factor * Float(q) - offset)
            }
        }
    }

    /// 210 bytes: 128 bytes of low nibbles, 64 bytes of upper bit pairs, 16 signed scales, d. (q − 32) · d · scale,
    /// a scale for 16 numbers. Each half (128 numbers) has 64 bytes of nibbles and 32 of pairs: number 32 s + l has
    /// the nibble of byte l + 32 (s mod 2), low for s < 2, and bits 2 s of pair byte l.
    private static func appendQ6_K(_ block: UnsafeRawBufferPointer, _ values: inout [Float]) {
        let d = half(block, 208)
        for i in 0..<256 {
            let (part, s, l) = (i / 128, i % 128 / 32, i % 32)
            let low = Int(block[part * 64 + l + 32 * (s % 2)] >> (s < 2 ? 0 : 4) & 15)
            let high = Int(block[128 + part * 32 + l] >> UInt8(2 * s) & 3)
            let scale = Int8(bitPattern: block[192 + i / 16])
            values.append(d * Float(scale) * Float((low | high << 4) - 32))
        }
    }

    /// Sub-block j's 6-bit scale and minimum from the 12 bytes at `start`.
    private static func scaleAndMinimum(_ block: UnsafeRawBufferPointer, _ start: Int, _ j: Int) -> (UInt8, UInt8) {
        if j < 4 { return (block[start + j] & 63, block[start + j + 4] & 63) }
        return (
            block[start + j + 4] & 15 | (block[start + j - 4] >> 6) << 4,
            block[start + j + 4] >> 4 | (block[start + j] >> 6) << 4
        )
    }

    // MARK: Parts

    private static func nibble(_ block: UnsafeRawBufferPointer, _ start: Int, _ i: Int) -> Int {
        Int(i < 16 ? block[start + i] & 15 : block[start + i - 16] >> 4)
    }

    private static func uint16(_ block: UnsafeRawBufferPointer, _ at: Int) -> UInt16 {
        UInt16(block[at]) | UInt16(block[at + 1]) << 8
    }

    private static func uint32(_ block: UnsafeRawBufferPointer, _ at: Int) -> UInt32 {
        UInt32(uint16(block, at)) | UInt32(uint16(block, at + 2)) << 16
    }

    private static func half(_ block: UnsafeRawBufferPointer, _ at: Int) -> Float {
        Float(Float16(bitPattern: uint16(block, at)))
    }
}
