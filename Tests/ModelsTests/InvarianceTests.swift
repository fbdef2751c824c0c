import Inference
import Models
import TestSupport
import Testing
import Weights

/// A row of logits depends on its tokens alone, bit for bit.
@Suite struct InvarianceTests {
    static func tokens(_ seed: UInt64, _ count: Int) -> [Int32] {
        var random = SeededRandom(seed: seed)
        return (0..<count).map { _ in Int32.random(in: 0..<49_000, using: &random) }
    }

    /// Digests of the logits at every position from `from` on, computed in chunks of `chunk` tokens.
    static func bits(
        _ model: Transformer, _ tokens: [Int32], chunk: Int, pages: [Int32], from: Int
    ) -> [ContentDigest] {
        var found: [ContentDigest] = []
        for start in stride(from: 0, to: tokens.count, by: chunk) {
            let part = Array(tokens[start..<min(start + chunk, tokens.count)])
            let slice = StepSlice(tokens: part, startPosition: start, pages: pages, logits: .all)
            for (offset, row) in rows(model.execute([slice]), model).enumerated() where start + offset >= from {
                found.append(digest(row))
            }
        }
        return found
    }

    static let length = 150
    static let from = 140

    @Test func `chunks, page placement and threads change no bit`() throws {
        let tokens = Self.tokens(1, Self.length)
        let ordered = RealModel.pages(for: Self.length)
        let scattered: [Int32] = [61, 3, 40, 17, 8]
        let single = try RealModel.load(threads: 1)
        let double = try RealModel.load(threads: 2)
        let expected = Self.bits(single, tokens, chunk: Self.length, pages: ordered, from: Self.from)
        #expect(expected.count == Self.length - Self.from)

        for model in [single, double] {
            for chunk in [1, 7, 64, Self.length] {
                let found = Self.bits(model, tokens, chunk: chunk, pages: scattered, from: Self.from)
                #expect(found == expected, "chunks of \(chunk), \(model.plan.threadCount) threads")
            }
        }
        #expect(single.description.numericsID == double.description.numericsID)
    }

    /// Sixteen sequences at different places: some decode, some compute a part of their prompt.
    @Test(arguments: [1, 2]) func `a batch of sixteen changes no bit`(threads: Int) throws {
        let model = try RealModel.load(threads: threads, pageCount: 128)
        struct Member {
            var tokens: [Int32]
            /// Tokens of the last slice.
            var last: Int
            var pages: [Int32]
        }
        let members = (0..<16).map { index in
            Member(
                tokens: Self.tokens(UInt64(100 + index), 3 + index * 9), last: index % 3 == 0 ? 1 + index : 1,
                pages: RealModel.pages(for: 3 + index * 9, from: index * 8))
        }
        var alone: [ContentDigest] = []
        for member in members {
            let slice = StepSlice(tokens: member.tokens, startPosition: 0, pages: member.pages, logits: .last)
            alone.append(digest(rows(model.execute([slice]), model)[0]))
        }

        for member in members where member.tokens.count > member.last {
            _ = model.execute([
                StepSlice(
                    tokens: Array(member.tokens.dropLast(member.last)), startPosition: 0, pages: member.pages,
                    logits: .none)
            ])
        }
        let slices = members.map { member in
            let last = min(member.last, member.tokens.count)
            return StepSlice(
                tokens: Array(member.tokens.suffix(last)), startPosition: member.tokens.count - last,
                pages: member.pages, logits: .last)
        }
        for order in [Array(0..<16), Array((0..<16).reversed())] {
            let together = rows(model.execute(order.map { slices[$0] }), model).map(digest)
            for (place, index) in order.enumerated() {
                #expect(together[place] == alone[index], "sequence \(index) at place \(place)")
            }
        }
    }

    /// One kv head: alone, a sequence has its context divided among threads; in company, or in a prompt, it has not.
    @Test func `dividing a long context changes no bit`() throws {
        var random = RandomModel()
        (random.kvHeadCount, random.contextLength) = (1, 4096)
        let tokens = Self.tokens(9, 2200).map { $0 % Int32(random.vocabularySize) }
        let pages = RealModel.pages(for: tokens.count)
        let source = try TemporaryFile(random.writer().bytes())
        let models = try [1, 2, 3, 4].map { threads in
            try Transformer(
                path: source.path,
                options: TransformerOptions(threadCount: threads, kvMemory: .pages(pages.count), stepTokenMax: 300))
        }
        for from in [1000, 1024, 2047, 2199] {
            var found: [ContentDigest] = []
            for model in models {
                // In a prompt, then by itself: alone and beside copies.
                found += Self.bits(model, Array(tokens[...from]), chunk: 300, pages: pages, from: from)
                let slice = StepSlice(tokens: [tokens[from]], startPosition: from, pages: pages, logits: .last)
                for copies in [1, 2, 3, 9] {
                    found += rows(model.execute(Array(repeating: slice, count: copies)), model).map(digest)
                }
            }
            #expect(found.count == 4 * 16 && Set(found).count == 1, "position \(from)")
        }
    }

    @Test func `stale numbers in a page that is used again change no bit`() throws {
        let model = try RealModel.load(threads: 2, pageCount: 8)
        let tokens = Self.tokens(5, 40)
        let pages: [Int32] = [2, 5]
        let fresh = Self.bits(model, tokens, chunk: 40, pages: pages, from: 39)

        _ = Self.bits(model, Self.tokens(6, 64), chunk: 64, pages: pages, from: 63)
        let reused = Self.bits(model, tokens, chunk: 1, pages: pages, from: 39)

        #expect(reused == fresh)
    }
}

/// All bits of a row in one short value.
func digest(_ row: [Float]) -> ContentDigest {
    row.withUnsafeBytes { ContentDigest(of: $0) }
}
