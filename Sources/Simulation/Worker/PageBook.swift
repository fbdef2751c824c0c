import DequeModule
import Inference

/// The pages of one sequence: those that are full and shared by hash, then its own.
struct SimulatedPages: Sendable {
    fileprivate(set) var hashes: [UInt64] = []
    fileprivate(set) var ownCount = 0
    fileprivate(set) var chainHash: UInt64

    init(salt: UInt64) { chainHash = salt }

    var count: Int { hashes.count + ownCount }
}

/// KV pages as numbers: free, in tables (shared ones by hash), or idle in the prefix cache, least recently released first.
/// What the engine's pool does, without memory behind it.
struct PageBook: Sendable {
    let pageCount: Int
    let pageTokenCount: Int
    private(set) var freeCount: Int
    private var referenceCounts: [UInt64: Int] = [:]
    /// When each idle page was released.
    private var idle: [UInt64: UInt64] = [:]
    /// In order of release; an entry whose time is no longer the page's counts for nothing.
    private var releases: Deque<(hash: UInt64, time: UInt64)> = []
    private var releaseTime: UInt64 = 0
    /// True: became reusable since last asked; false: ceased to be.
    private var changes: [UInt64: Bool] = [:]

    init(pageCount: Int, pageTokenCount: Int) {
        self.pageCount = pageCount
        self.pageTokenCount = pageTokenCount
        freeCount = pageCount
    }

    var availableCount: Int { freeCount + idle.count }
    var cachedHashes: [UInt64] { (Array(referenceCounts.keys) + Array(idle.keys)).sorted() }

    func pagesNeeded(forTokens count: Int) -> Int { (count + pageTokenCount - 1) / pageTokenCount }

    /// - Returns: false when pages ran out; the table then holds as many as there were.
    mutating func extend(_ table: inout SimulatedPages, toCover tokenCount: Int) -> Bool {
        let needed = pagesNeeded(forTokens: tokenCount)
        while table.count < needed {
            guard take() else { return false }
            table.ownCount += 1
        }
        return true
    }

    /// The hash of the page behind a table's shared ones.
    func nextHash(_ tokens: [TokenID], after table: SimulatedPages) -> UInt64? {
        let start = table.hashes.count * pageTokenCount
        guard start + pageTokenCount <= tokens.count else { return nil }
        return PrefixHash.next(after: table.chainHash, page: tokens[start..<start + pageTokenCount])
    }

    func holds(_ hash: UInt64) -> Bool { referenceCounts[hash] != nil || idle[hash] != nil }

    /// - Parameter pageLimit: shared pages the table may have afterwards.
    /// - Returns: tokens that need not be computed, from position 0.
    mutating func reuse(_ tokens: [TokenID], in table: inout SimulatedPages, pageLimit: Int) -> Int {
        while table.hashes.count < pageLimit, let hash = nextHash(tokens, after: table), holds(hash) {
            share(hash, in: &table)
        }
        return table.hashes.count * pageTokenCount
    }

    /// Makes full pages reusable; one that is there already is used in place of the table's own.
    mutating func publish(_ tokens: [TokenID], computedCount: Int, of table: inout SimulatedPages) {
        while (table.hashes.count + 1) * pageTokenCount <= computedCount, table.ownCount > 0,
            let hash = nextHash(tokens, after: table)
        {
            if holds(hash) {
                share(hash, in: &table)
                continue
            }
            referenceCounts[hash] = 1
            note(hash, isPresent: true)
            table.ownCount -= 1
            table.hashes.append(hash)
            table.chainHash = hash
        }
    }

    /// The last page first: a page is released before the one it hangs on, and so evicted before it.
    mutating func release(_ table: inout SimulatedPages) {
        freeCount += table.ownCount
        table.ownCount = 0
        while let hash = table.hashes.popLast() {
            referenceCounts[hash, default: 0] -= 1
            guard referenceCounts[hash] == 0 else { continue }
            referenceCounts[hash] = nil
            releaseTime += 1
            idle[hash] = releaseTime
            releases.append((hash, releaseTime))
        }
    }

    mutating func takeChanges() -> (added: [UInt64], removed: [UInt64]) {
        guard !changes.isEmpty else { return ([], []) }
        defer { changes.removeAll(keepingCapacity: true) }
        return (
            changes.filter(\.value).keys.sorted(), changes.filter { !$0.value }.keys.sorted()
        )
    }

    private mutating func share(_ hash: UInt64, in table: inout SimulatedPages) {
        idle[hash] = nil
        referenceCounts[hash, default: 0] += 1
        if table.ownCount > 0 {
            table.ownCount -= 1
            freeCount += 1
        }
        table.hashes.append(hash)
        table.chainHash = hash
    }

    private mutating func take() -> Bool {
        if freeCount > 0 {
            freeCount -= 1
            return true
        }
        while let oldest = releases.popFirst() {
            guard idle[oldest.hash] == oldest.time else { continue }
            idle[oldest.hash] = nil
            note(oldest.hash, isPresent: false)
            return true
        }
        return false
    }

    private mutating func note(_ hash: UInt64, isPresent: Bool) {
        if changes[hash] == !isPresent { changes[hash] = nil } else { changes[hash] = isPresent }
    }

    /// - Returns: what does not add up over all tables; nil when every page is in one place.
    func violation(_ tables: [SimulatedPages]) -> String? {
        let own = tables.reduce(0) { $0 + $1.ownCount }
        let held = tables.reduce(into: [UInt64: Int]()) { counts, table in
            for hash in table.hashes { counts[hash, default: 0] += 1 }
        }
        if held != referenceCounts { return "shared pages are counted otherwise than tables hold them" }
        let all = freeCount + idle.count + referenceCounts.count + own
        return all == pageCount ? nil : "\(all) pages are counted, there are \(pageCount)"
    }
}
