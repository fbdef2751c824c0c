import Inference

/// Names that nobody had before.
extension APICore {
    /// 128 random bits: names of answers and of requests that came without one.
    func freshWords() -> (high: UInt64, low: UInt64) { (surroundings.randomWord(), surroundings.randomWord()) }

    func freshName() -> String { Self.text(freshWords()) }

    /// In hexadecimal.
    static func text(_ words: (high: UInt64, low: UInt64)) -> String {
        String(unsafeUninitializedCapacity: 32) { digits in
            for place in 0..<4 {
                let eight = eightDigits(place, of: words)
                for digit in 0..<8 {
                    digits[8 * place + digit] = UInt8(truncatingIfNeeded: eight >> UInt64(8 * digit))
                }
            }
            return 32
        }
    }

    /// Eight of the 32, in ASCII, the first one lowest.
    static func eightDigits(_ place: Int, of words: (high: UInt64, low: UInt64)) -> UInt64 {
        let number = (place < 2 ? words.high : words.low) >> (place & 1 == 0 ? 32 : 0)
        // Each half byte into a byte of its own.
        var digits = UInt64(UInt32(truncatingIfNeeded: number).byteSwapped)
        digits = (digits | digits << 16) & 0x0000_FFFF_0000_FFFF
        digits = (digits | digits << 8) & 0x00FF_00FF_00FF_00FF
        digits = (digits >> 4 | digits << 8) & 0x0F0F_0F0F_0F0F_0F0F
        // One for each that is a letter: there is a gap between "9" and "a".
        let letters = (digits &+ 0x0606_0606_0606_0606) >> 4 & 0x0101_0101_0101_0101
        return digits &+ 0x3030_3030_3030_3030 &+ letters &* 39
    }
}
