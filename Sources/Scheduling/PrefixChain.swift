import Inference

/// Page hashes of a choice's prompt and journal, extended as tokens come. See ``PrefixHash``.
struct PrefixChain: Sendable {
    let pageTokenCount: Int
    /// One for each full page.
    private(set) var hashes: [UInt64]
    private var last: UInt64
    private var tail: [TokenID]

    init(_ tokens: [TokenID], pageTokenCount: Int, salt: UInt64) {
        self.pageTokenCount = max(1, pageTokenCount)
        hashes = PrefixHash.chain(tokens, pageTokenCount: self.pageTokenCount, salt: salt)
        last = hashes.last ?? salt
        tail = Array(tokens[(hashes.count * self.pageTokenCount)...])
    }

    mutating func append(_ token: TokenID) {
        tail.append(token)
        guard tail.count == pageTokenCount else { return }
        last = PrefixHash.next(after: last, page: tail[...])
        hashes.append(last)
        tail.removeAll(keepingCapacity: true)
    }
}
