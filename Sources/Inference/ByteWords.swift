/// Bytes looked at eight at a time.
extension Span<UInt8> {
    /// Eight bytes from `place` on, the first one lowest; nil where there are not as many.
    ///
    /// One load, as long as nothing else is known of `place`: in a loop of eights the compiler takes it apart again.
    @inline(never)
    package func word(at place: Int) -> UInt64? { eight(at: place) }

    @inline(__always)
    private func eight(at place: Int) -> UInt64? {
        guard place >= 0, place < Int.max - 8, place + 8 <= count else { return nil }
        let low =
            UInt64(self[place]) | UInt64(self[place + 1]) << 8 | UInt64(self[place + 2]) << 16
            | UInt64(self[place + 3]) << 24
        let high =
            UInt64(self[place + 4]) << 32 | UInt64(self[place + 5]) << 40 | UInt64(self[place + 6]) << 48
            | UInt64(self[place + 7]) << 56
        return low | high
    }

    /// As many bytes from `place` on as there are before `end`, eight at most; zeros in place of others.
    @inline(never)
    package func word(at place: Int, before end: Int) -> UInt64 {
        guard place < end else { return 0 }
        if let word = eight(at: place) { return end - place < 8 ? word & (1 << UInt64(8 * (end - place)) - 1) : word }
        var word: UInt64 = 0
        var next = Swift.min(end, count)
        while next > place {
            next -= 1
            word = word << 8 | UInt64(self[next])
        }
        return word
    }
}

/// Of a number, its eight bytes. Source: "Bit Twiddling Hacks", S. E. Anderson: determine if a word has a byte less than n.
extension UInt64 {
    /// Whether one is below `limit`, which is 128 at most.
    @inlinable @inline(__always)
    package func hasByte(below limit: UInt8) -> Bool {
        (self &- 0x0101_0101_0101_0101 &* UInt64(limit)) & ~self & 0x8080_8080_8080_8080 != 0
    }

    /// Whether one is `byte`.
    @inlinable @inline(__always)
    package func hasByte(_ byte: UInt8) -> Bool { (self ^ 0x0101_0101_0101_0101 &* UInt64(byte)).hasByte(below: 1) }
}
