/// Names the content of full KV pages: each hash covers its page's tokens and, through the one before, all earlier ones.
///
/// Routers and workers compute the same chain, so a router can tell how much of a prompt a worker already holds.
/// A worker compares tokens before it reuses a page: a collision costs a miss, never a wrong answer.
/// Source: SipHash-2-4, Aumasson and Bernstein, 2012, over little-endian token ids, keyed by the hash before.
package enum PrefixHash {
    /// - Returns: one hash for each full page of `tokens`.
    package static func chain(_ tokens: [TokenID], pageTokenCount: Int, salt: UInt64) -> [UInt64] {
        guard pageTokenCount > 0 else { return [] }
        var hashes: [UInt64] = []
        hashes.reserveCapacity(tokens.count / pageTokenCount)
        var previous = salt
        var start = 0
        while start + pageTokenCount <= tokens.count {
            previous = next(after: previous, page: tokens[start..<start + pageTokenCount])
            hashes.append(previous)
            start += pageTokenCount
        }
        return hashes
    }

    /// The hash of the page that follows a page hashed `previous` (or the salt, for the first page).
    package static func next(after previous: UInt64, page: ArraySlice<TokenID>) -> UInt64 {
        var sip = SipHash(key0: previous, key1: 0x6170_7573_6b76_7067)
        var index = page.startIndex
        while index < page.endIndex {
            let low = UInt64(UInt32(bitPattern: page[index]))
            let high = index + 1 < page.endIndex ? UInt64(UInt32(bitPattern: page[index + 1])) : 0xFFFF_FFFF
            sip.absorb(low | high << 32)
            index += 2
        }
        return sip.finish(byteCount: page.count * 4)
    }
}

/// SipHash-2-4 over 64-bit words.
struct SipHash {
    private var v0: UInt64
    private var v1: UInt64
    private var v2: UInt64
    private var v3: UInt64

    init(key0: UInt64, key1: UInt64) {
        v0 = key0 ^ 0x736f_6d65_7073_6575
        v1 = key1 ^ 0x646f_7261_6e64_6f6d
        v2 = key0 ^ 0x6c79_6765_6e65_7261
        v3 = key1 ^ 0x7465_6462_7974_6573
    }

    mutating func absorb(_ word: UInt64) {
        v3 ^= word
        round()
        round()
        v0 ^= word
    }

    mutating func finish(byteCount: Int) -> UInt64 {
        absorb(UInt64(truncatingIfNeeded: byteCount & 0xFF) << 56)
        v2 ^= 0xFF
        for _ in 0..<4 { round() }
        return v0 ^ v1 ^ v2 ^ v3
    }

    private mutating func round() {
        v0 &+= v1
        v1 = v1 << 13 | v1 >> 51
        v1 ^= v0
        v0 = v0 << 32 | v0 >> 32
        v2 &+= v3
        v3 = v3 << 16 | v3 >> 48
        v3 ^= v2
        v0 &+= v3
        v3 = v3 << 21 | v3 >> 43
        v3 ^= v0
        v2 &+= v1
        v1 = v1 << 17 | v1 >> 47
        v1 ^= v2
        v2 = v2 << 32 | v2 >> 32
    }
}
