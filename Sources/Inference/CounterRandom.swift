/// Random numbers without state: a pure function of (seed, position), so that a sequence continued on another
/// worker draws what it would have drawn on the first.
///
/// Source: Philox4x32-10, Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
package enum CounterRandom {
    /// Four independent words for a key and a 128-bit counter.
    package static func philox4x32(
        key: (UInt32, UInt32), counter: (UInt32, UInt32, UInt32, UInt32)
    ) -> (UInt32, UInt32, UInt32, UInt32) {
        var (k0, k1) = key
        var (c0, c1, c2, c3) = counter
        for _ in 0..<10 {
            let p0 = UInt64(0xD251_1F53) * UInt64(c0)
            let p1 = UInt64(0xCD9E_8D57) * UInt64(c2)
            (c0, c1, c2, c3) = (
                UInt32(truncatingIfNeeded: p1 >> 32) ^ c1 ^ k0, UInt32(truncatingIfNeeded: p1),
                UInt32(truncatingIfNeeded: p0 >> 32) ^ c3 ^ k1, UInt32(truncatingIfNeeded: p0)
            )
            k0 &+= 0x9E37_79B9
            k1 &+= 0xBB67_AE85
        }
        return (c0, c1, c2, c3)
    }

    /// Uniform in [0, 1), 53 bits, for the token at `position` (0 is the first prompt token).
    package static func uniform(seed: UInt64, position: Int) -> Double {
        let at = UInt64(truncatingIfNeeded: position)
        let (a, b, _, _) = philox4x32(key: halves(seed), counter: (halves(at).0, halves(at).1, 0, 0))
        return Double((UInt64(a) << 32 | UInt64(b)) >> 11) * 0x1p-53
    }

    /// The seed of choice `index` of a request: choice 0 has the request's own.
    package static func seed(_ seed: UInt64, choice index: Int) -> UInt64 {
        guard index != 0 else { return seed }
        let at = UInt64(truncatingIfNeeded: index)
        let (a, b, _, _) = philox4x32(key: halves(seed), counter: (halves(at).0, halves(at).1, 0, 1))
        return UInt64(a) << 32 | UInt64(b)
    }

    /// Word `index` of the stream that belongs to `key`: for names, and seeds that nobody chose.
    package static func word(key: UInt64, index: UInt64) -> UInt64 {
        let (a, b, _, _) = philox4x32(key: halves(key), counter: (halves(index).0, halves(index).1, 0, 2))
        return UInt64(a) << 32 | UInt64(b)
    }

    private static func halves(_ x: UInt64) -> (UInt32, UInt32) {
        (UInt32(truncatingIfNeeded: x), UInt32(truncatingIfNeeded: x >> 32))
    }
}
