import Inference
import TestSupport
import Testing

@testable import Engine

@Suite struct KVPagePoolTests {
    static func table(
        _ tokens: [TokenID], in pool: inout KVPagePool, salt: UInt64 = 0
    ) -> PageTable {
        var table = PageTable(salt: salt)
        _ = pool.reuse(tokens, in: &table, pageLimit: .max)
        #expect(pool.extend(&table, toCover: tokens.count))
        pool.publish(tokens, computedCount: tokens.count, of: &table)
        return table
    }

    @Test func `released full pages are found again, by their tokens and all before them`() {
        var pool = KVPagePool(pageCount: 8, pageTokenCount: 2, isCaching: true)
        var first = Self.table([1, 2, 3, 4, 5], in: &pool)
        let pages = first.pages
        pool.release(&first)

        var same = PageTable(salt: 0)
        var other = PageTable(salt: 0)
        var salted = PageTable(salt: 9)

        #expect(pool.reuse([1, 2, 3, 4, 5, 6], in: &same, pageLimit: 8) == 4)
        #expect(same.pages == Array(pages.prefix(2)))
        #expect(pool.reuse([9, 9, 3, 4], in: &other, pageLimit: 8) == 0)
        #expect(pool.reuse([1, 2, 3, 4], in: &salted, pageLimit: 8) == 0)
        #expect(pool.invariantViolation(tables: [same]) == nil)
    }

    @Test func `equal pages computed side by side become one`() {
        var pool = KVPagePool(pageCount: 8, pageTokenCount: 2, isCaching: true)
        var (a, b) = (PageTable(salt: 0), PageTable(salt: 0))
        #expect(pool.extend(&a, toCover: 4) && pool.extend(&b, toCover: 4))
        #expect(pool.usedCount == 4)

        pool.publish([1, 2, 3, 4], computedCount: 4, of: &a)
        pool.publish([1, 2, 3, 4], computedCount: 4, of: &b)

        #expect(a.pages == b.pages && pool.usedCount == 2)
        #expect(pool.invariantViolation(tables: [a, b]) == nil)
    }

    @Test func `the least recently released leaf goes first, never a page that others hang on`() {
        var pool = KVPagePool(pageCount: 4, pageTokenCount: 1, isCaching: true)
        var long = Self.table([1, 2, 3], in: &pool)
        pool.release(&long)
        _ = pool.takeChanges()

        var taker = PageTable(salt: 7)
        #expect(pool.extend(&taker, toCover: 3))

        let chain = PrefixHash.chain([1, 2, 3], pageTokenCount: 1, salt: 0)
        #expect(pool.takeChanges().removed == [chain[1], chain[2]].sorted())
        #expect(pool.indexedHashes == [chain[0]])
        #expect(!pool.extend(&taker, toCover: 5))
        #expect(taker.pages.count == 4)
    }

    @Test func `a hash that comes and goes between two reports is not reported`() {
        var pool = KVPagePool(pageCount: 1, pageTokenCount: 1, isCaching: true)
        var table = Self.table([1], in: &pool)
        pool.release(&table)
        var taker = PageTable(salt: 0)
        #expect(pool.extend(&taker, toCover: 1))

        let changes = pool.takeChanges()
        #expect(changes.added.isEmpty && changes.removed.isEmpty)
    }

    @Test func `without caching every released page is free and nothing is indexed`() {
        var pool = KVPagePool(pageCount: 4, pageTokenCount: 2, isCaching: false)
        var table = Self.table([1, 2, 3, 4], in: &pool)
        #expect(pool.indexedHashes.isEmpty)
        pool.release(&table)
        #expect(pool.availableCount == 4 && pool.invariantViolation(tables: []) == nil)
    }

    @Test func `the proof notices a page counted wrongly`() {
        var pool = KVPagePool(pageCount: 4, pageTokenCount: 2, isCaching: true)
        let table = Self.table([1, 2, 3], in: &pool)
        #expect(pool.invariantViolation(tables: [table]) == nil)
        #expect(pool.invariantViolation(tables: []) != nil)
        #expect(pool.invariantViolation(tables: [table, table]) != nil)
    }

    /// Tokens come from a tiny alphabet, so that prefixes meet, part and meet again all the time.
    @Test(arguments: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10] as [UInt64])
    func `whatever happens, each page is in one place and what is found is what was put`(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        let pageTokenCount = Int.random(in: 1...4, using: &random)
        var pool = KVPagePool(
            pageCount: Int.random(in: 1...24, using: &random), pageTokenCount: pageTokenCount, isCaching: true)
        var (tables, tokens): ([PageTable], [[TokenID]]) = ([], [])
        /// What a listener to the reports believes to be indexed.
        var known: Set<UInt64> = []
        /// What each page was filled with, through any table.
        var written: [Int32: [TokenID]] = [:]

        for _ in 0..<400 {
            switch Int.random(in: 0..<5, using: &random) {
            case 0 where tables.count < 6:
                let count = Int.random(in: 1...12, using: &random)
                let new = (0..<count).map { _ in TokenID.random(in: 0...1, using: &random) }
                var table = PageTable(salt: UInt64.random(in: 0...1, using: &random))
                let found = pool.reuse(new, in: &table, pageLimit: (new.count - 1) / pageTokenCount)
                for place in 0..<found / pageTokenCount {
                    #expect(written[table.pages[place]] == Array(new[..<((place + 1) * pageTokenCount)]))
                }
                tables.append(table)
                tokens.append(new)
            case 1, 2:
                guard let place = tables.indices.randomElement(using: &random) else { continue }
                tokens[place].append(TokenID.random(in: 0...1, using: &random))
                guard pool.extend(&tables[place], toCover: tokens[place].count) else { continue }
                let indexed = tables[place].indexedCount
                for full in indexed..<max(indexed, tokens[place].count / pageTokenCount) {
                    written[tables[place].pages[full]] = Array(tokens[place][..<((full + 1) * pageTokenCount)])
                }
                let count = Int.random(in: indexed * pageTokenCount...tokens[place].count, using: &random)
                pool.publish(tokens[place], computedCount: count, of: &tables[place])
            case 3:
                guard let place = tables.indices.randomElement(using: &random) else { continue }
                pool.release(&tables[place])
                tables.remove(at: place)
                tokens.remove(at: place)
            default:
                let changes = pool.takeChanges()
                #expect(known.isDisjoint(with: changes.added) && known.isSuperset(of: changes.removed))
                known.formUnion(changes.added)
                known.subtract(changes.removed)
                #expect(known.sorted() == pool.indexedHashes)
            }
            #expect(pool.invariantViolation(tables: tables) == nil)
        }
        for place in tables.indices { pool.release(&tables[place]) }
        #expect(pool.availableCount == pool.pageCount && pool.invariantViolation(tables: []) == nil)
    }
}

extension KVPagePool {
    mutating func takeChanges() -> (added: [UInt64], removed: [UInt64]) {
        var changes: (added: [UInt64], removed: [UInt64]) = ([99], [99])
        takeChanges(added: &changes.added, removed: &changes.removed)
        return changes
    }
}
