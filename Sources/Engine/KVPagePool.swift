package import Inference

/// Keeps track of which KV pages are free, which are used, and which full pages may be used again.
///
/// A page is in exactly one of three places: *free* (holds nothing of worth), *referenced* (in one or more page
/// tables), or *idle* (in no table, but full and indexed: it can be reused, or evicted when pages run out).
/// Only full pages are shared and full pages are never written again, so nothing is ever copied. Equal pages that two
/// sequences computed side by side are merged when the second one becomes full: their bits are equal by the
/// runtime's duty.
///
/// Shape: an indexed page knows the page before it, so the index is a forest; a table that references a page references
/// all pages before it. Tables let go of their last page first, hence in order of release a page always comes before
/// the page it hangs on: the least recently released idle page is a leaf, and eviction needs no search.
/// Cost: O(1) a page taken or released; one hash and one comparison of tokens for a page looked up.
/// Errors: none. No page left and a miss are answers.
package struct KVPagePool: Sendable {
    package let pageCount: Int
    package let pageTokenCount: Int
    private let isCaching: Bool

    /// How many tables hold each page.
    private var referenceCounts: [Int32]
    private var freePages: [Int32]
    /// Page of each hash in the prefix index, with the facts that prove the match below.
    private var index: [UInt64: Int32] = [:]
    private var hashes: [UInt64]
    private var isIndexed: [Bool]
    /// (pages, pageTokenCount): tokens of indexed pages.
    private var contents: [TokenID]
    /// Page before an indexed page, or `none` for a first page.
    private var parents: [Int32]
    /// Hash before an indexed page, or the salt for a first page.
    private var previousHashes: [UInt64]

    /// Idle pages as a list from least to most recently released.
    private var older: [Int32]
    private var newer: [Int32]
    private var oldest = none
    private var newest = none
    private var idleCount = 0

    /// Hashes whose place in the index differs from what was last taken; the value says whether they are in it now.
    private var changes: [UInt64: Bool] = [:]

    private static let none: Int32 = -1

    /// - Parameter isCaching: false indexes nothing; every released page is free at once.
    package init(pageCount: Int, pageTokenCount: Int, isCaching: Bool) {
        precondition(
            pageCount >= 0 && pageCount <= Int32.max && pageTokenCount > 0,
            "a pool of \(pageCount) pages of \(pageTokenCount) tokens")
        self.pageCount = pageCount
        self.pageTokenCount = pageTokenCount
        self.isCaching = isCaching
        referenceCounts = Array(repeating: 0, count: pageCount)
        freePages = (0..<Int32(pageCount)).reversed()
        hashes = Array(repeating: 0, count: pageCount)
        isIndexed = Array(repeating: false, count: pageCount)
        contents = Array(repeating: 0, count: isCaching ? pageCount * pageTokenCount : 0)
        if isCaching { index.reserveCapacity(pageCount) }
        parents = Array(repeating: Self.none, count: pageCount)
        previousHashes = Array(repeating: 0, count: pageCount)
        older = Array(repeating: Self.none, count: pageCount)
        newer = Array(repeating: Self.none, count: pageCount)
    }

    /// Pages that can be taken: free ones and idle ones.
    package var availableCount: Int { freePages.count + idleCount }
    /// Pages that some table holds.
    package var usedCount: Int { pageCount - availableCount }
    /// Hashes of all reusable pages, in ascending order.
    package var indexedHashes: [UInt64] { index.keys.sorted() }

    package func pagesNeeded(forTokens tokenCount: Int) -> Int {
        (tokenCount + pageTokenCount - 1) / pageTokenCount
    }

    // MARK: - Pages in and out of tables

    /// Makes `table` cover `tokenCount` tokens, evicting idle pages where no free one is left.
    /// - Returns: false when pages ran out; the table then holds as many as there were.
    package mutating func extend(_ table: inout PageTable, toCover tokenCount: Int) -> Bool {
        let needed = pagesNeeded(forTokens: tokenCount)
        while table.pages.count < needed {
            guard let page = take() else { return false }
            table.pages.append(page)
        }
        return true
    }

    /// Puts indexed pages that hold the table's next tokens into it, in place of pages it may already have there.
    /// - Parameter pageLimit: pages the table may have indexed afterwards.
    /// - Returns: tokens that need not be computed, from position 0.
    package mutating func reuse(_ tokens: [TokenID], in table: inout PageTable, pageLimit: Int) -> Int {
        while isCaching, table.isIndexable, table.indexedCount < pageLimit,
            (table.indexedCount + 1) * pageTokenCount <= tokens.count
        {
            let place = table.indexedCount
            let content = tokens[place * pageTokenCount..<(place + 1) * pageTokenCount]
            let hash = PrefixHash.next(after: table.chainHash, page: content)
            guard let page = index[hash], holds(page, content, after: table) else { break }
            put(page, in: &table, hash: hash)
        }
        return table.indexedCount * pageTokenCount
    }

    /// Makes full pages reusable, as soon as all their tokens are computed. A page equal to one in the index is
    /// released and that one used in its place.
    package mutating func publish(_ tokens: [TokenID], computedCount: Int, of table: inout PageTable) {
        while isCaching, table.isIndexable, (table.indexedCount + 1) * pageTokenCount <= computedCount {
            let place = table.indexedCount
            let content = tokens[place * pageTokenCount..<(place + 1) * pageTokenCount]
            let hash = PrefixHash.next(after: table.chainHash, page: content)
            if let page = index[hash] {
                guard holds(page, content, after: table) else {
                    table.isIndexable = false
                    return
                }
                put(page, in: &table, hash: hash)
            } else {
                enter(table.pages[place], content, hash: hash, after: table)
                table.indexedCount += 1
                table.chainHash = hash
            }
        }
    }

    /// Hashes of the pages that become full, and so reusable, when the sequence's next `tokenCount` tokens are computed.
    func hashes(arrivingWith tokenCount: Int, of sequence: RunningSequence) -> [UInt64] {
        guard isCaching && sequence.pages.isIndexable else { return [] }
        let start = sequence.pages.indexedCount * pageTokenCount
        return PrefixHash.chain(
            Array(sequence.tokens[start..<sequence.computedCount + tokenCount]), pageTokenCount: pageTokenCount,
            salt: sequence.pages.chainHash)
    }

    /// Takes all pages back. Indexed ones stay reusable until evicted.
    package mutating func release(_ table: inout PageTable) {
        for page in table.pages.reversed() { release(page) }
        table.pages.removeAll()
        table.indexedCount = 0
        table.isIndexable = false
    }

    /// Hashes of what became and what ceased to be reusable since the last call, each in ascending order. A page that
    /// did both is in neither.
    /// - Parameters: both are overwritten.
    package mutating func takeChanges(added: inout [UInt64], removed: inout [UInt64]) {
        added.removeAll(keepingCapacity: true)
        removed.removeAll(keepingCapacity: true)
        guard !changes.isEmpty else { return }
        for (hash, isPresent) in changes {
            if isPresent { added.append(hash) } else { removed.append(hash) }
        }
        changes.removeAll(keepingCapacity: true)
        added.sortInPlace(by: <)
        removed.sortInPlace(by: <)
    }

    // MARK: - One page

    private mutating func take() -> Int32? {
        if let page = freePages.popLast() {
            referenceCounts[Int(page)] = 1
            return page
        }
        guard oldest != Self.none else { return nil }
        let page = oldest
        unlink(page)
        index[hashes[Int(page)]] = nil
        isIndexed[Int(page)] = false
        note(hashes[Int(page)], isPresent: false)
        referenceCounts[Int(page)] = 1
        return page
    }

    private mutating func retain(_ page: Int32) {
        if referenceCounts[Int(page)] == 0 { unlink(page) }
        referenceCounts[Int(page)] += 1
    }

    private mutating func release(_ page: Int32) {
        referenceCounts[Int(page)] -= 1
        guard referenceCounts[Int(page)] == 0 else { return }
        if isIndexed[Int(page)] { link(page) } else { freePages.append(page) }
    }

    private mutating func put(_ page: Int32, in table: inout PageTable, hash: UInt64) {
        retain(page)
        if table.indexedCount < table.pages.count {
            release(table.pages[table.indexedCount])
            table.pages[table.indexedCount] = page
        } else {
            table.pages.append(page)
        }
        table.indexedCount += 1
        table.chainHash = hash
    }

    // MARK: - The index

    /// Whether an indexed page holds these tokens after the table's last indexed page: equal hashes prove nothing.
    private func holds(_ page: Int32, _ content: ArraySlice<TokenID>, after table: PageTable) -> Bool {
        let start = Int(page) * pageTokenCount
        return previousHashes[Int(page)] == table.chainHash && parents[Int(page)] == lastIndexed(of: table)
            && contents[start..<start + pageTokenCount] == content
    }

    private mutating func enter(_ page: Int32, _ content: ArraySlice<TokenID>, hash: UInt64, after table: PageTable) {
        index[hash] = page
        isIndexed[Int(page)] = true
        hashes[Int(page)] = hash
        previousHashes[Int(page)] = table.chainHash
        parents[Int(page)] = lastIndexed(of: table)
        let start = Int(page) * pageTokenCount
        for (offset, token) in content.enumerated() { contents[start + offset] = token }
        note(hash, isPresent: true)
    }

    private func lastIndexed(of table: PageTable) -> Int32 {
        table.indexedCount > 0 ? table.pages[table.indexedCount - 1] : Self.none
    }

    private mutating func note(_ hash: UInt64, isPresent: Bool) {
        if changes[hash] == !isPresent { changes[hash] = nil } else { changes[hash] = isPresent }
    }

    // MARK: - The list of idle pages

    private mutating func link(_ page: Int32) {
        older[Int(page)] = newest
        newer[Int(page)] = Self.none
        if newest == Self.none { oldest = page } else { newer[Int(newest)] = page }
        newest = page
        idleCount += 1
    }

    private mutating func unlink(_ page: Int32) {
        let (before, after) = (older[Int(page)], newer[Int(page)])
        if before == Self.none { oldest = after } else { newer[Int(before)] = after }
        if after == Self.none { newest = before } else { older[Int(after)] = before }
        idleCount -= 1
    }

    // MARK: - Proof

    /// Counts every page again from the tables that exist.
    /// - Returns: the first thing that is wrong, in words; nil when each page is in exactly one place.
    package func invariantViolation(tables: [PageTable]) -> String? {
        var counted = Array(repeating: Int32(0), count: pageCount)
        for table in tables {
            for (place, page) in table.pages.enumerated() {
                counted[Int(page)] += 1
                let isShared = place < table.indexedCount
                if isShared != isIndexed[Int(page)] { return "page \(page) at place \(place) is indexed: \(!isShared)" }
                let parent = place > 0 ? table.pages[place - 1] : Self.none
                if isShared && parents[Int(page)] != parent { return "page \(page) hangs on another than \(parent)" }
            }
        }
        for page in 0..<pageCount where counted[page] != referenceCounts[page] {
            return "page \(page) is in \(counted[page]) tables but counted \(referenceCounts[page]) times"
        }
        for page in freePages {
            if counted[Int(page)] != 0 || isIndexed[Int(page)] { return "page \(page) is free and something else" }
            counted[Int(page)] = 1
        }
        var page = oldest
        var isOlder = Array(repeating: false, count: pageCount)
        while page != Self.none {
            if counted[Int(page)] != 0 || !isIndexed[Int(page)] { return "page \(page) is idle and something else" }
            counted[Int(page)] = 1
            isOlder[Int(page)] = true
            let parent = parents[Int(page)]
            if parent != Self.none && isOlder[Int(parent)] { return "page \(parent) goes before its child \(page)" }
            page = newer[Int(page)]
        }
        if let lost = counted.firstIndex(of: 0) { return "page \(lost) is nowhere" }
        return indexViolation()
    }

    private func indexViolation() -> String? {
        for (hash, page) in index where !isIndexed[Int(page)] || hashes[Int(page)] != hash {
            return "hash \(hash) leads to page \(page), which is not its page"
        }
        if index.count != isIndexed.count(where: { $0 }) { return "the index has \(index.count) pages" }
        for page in 0..<pageCount where isIndexed[page] && parents[page] != Self.none {
            let parent = Int(parents[page])
            if !isIndexed[parent] || hashes[parent] != previousHashes[page] { return "page \(page) hangs on nothing" }
        }
        return nil
    }
}
