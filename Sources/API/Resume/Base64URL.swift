/// Bytes as text that may stand in a header and a line. Source: RFC 4648, section 5, without padding.
enum Base64URL {
    /// Room that so many bytes may need.
    static func letterCountMax(_ byteCount: Int) -> Int { (byteCount + 5) / 6 * 8 }

    static func write(_ bytes: [UInt8], into text: inout OutputRawSpan) {
        var at = 0
        while at < bytes.count {
            let count = min(6, bytes.count - at)
            var bits: UInt64 = 0
            for place in 0..<count { bits |= UInt64(bytes[at + place]) << UInt64(56 - 8 * place) }
            let letters = Self.letters(bits)
            if count == 6 {
                text.append(letters.littleEndian, as: UInt64.self)
            } else {
                for place in 0..<(count * 8 + 5) / 6 {
                    text.append(UInt8(truncatingIfNeeded: letters >> UInt64(8 * place)))
                }
            }
            at += count
        }
    }

    /// Eight letters for the upper 48 bits, the first in the lowest byte: all eight are found at once, each in a byte of
    /// its own, none of which overflows.
    private static func letters(_ bits: UInt64) -> UInt64 {
        var values: UInt64 = 0
        for place in 0..<8 as Range<UInt64> { values |= (bits >> (58 - 6 * place) & 63) << (8 * place) }
        /// 1 in each byte whose value is at least `least`.
        func atLeast(_ least: UInt64) -> UInt64 { (values &+ (128 - least) &* ones) >> 7 & ones }
        // "A" stands for 0, "a" for 26, "0" for 52, "-" for 62, "_" for 63.
        return values &+ 65 &* ones &+ 6 &* atLeast(26) &- 75 &* atLeast(52) &- 13 &* atLeast(62) &+ 49 &* atLeast(63)
    }

    private static let ones: UInt64 = 0x0101_0101_0101_0101

    /// - Returns: nil for what `write` would not have written.
    static func decode(_ text: some Sequence<UInt8>) -> [UInt8]? {
        var bytes: [UInt8] = []
        var (bits, bitCount): (UInt32, UInt32) = (0, 0)
        for character in text {
            let value: UInt8
            switch character {
            case UInt8(ascii: "A")...UInt8(ascii: "Z"): value = character - UInt8(ascii: "A")
            case UInt8(ascii: "a")...UInt8(ascii: "z"): value = character - UInt8(ascii: "a") + 26
            case UInt8(ascii: "0")...UInt8(ascii: "9"): value = character - UInt8(ascii: "0") + 52
            case UInt8(ascii: "-"): value = 62
            case UInt8(ascii: "_"): value = 63
            default: return nil
            }
            bits = bits << 6 | UInt32(value)
            bitCount += 6
            if bitCount >= 8 {
                bitCount -= 8
                bytes.append(UInt8(truncatingIfNeeded: bits >> bitCount))
            }
        }
        // A last character of its own, or bits that stand for nothing.
        guard bitCount < 6, bits & (1 << bitCount - 1) == 0 else { return nil }
        return bytes
    }
}
