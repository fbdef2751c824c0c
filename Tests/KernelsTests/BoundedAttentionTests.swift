import Foundation
import Kernels
import TestSupport
import Testing

extension KernelTests {
    /// Attention over a window of tokens, and with bounded scores.
    @Suite struct BoundedAttentionTests {
        private static func inOrder(_ count: Int) -> [Int32] { (0..<Int32((count + 31) / 32)).map { $0 } }

        @Test(arguments: [(1, 0), (7, 0), (64, 5), (100, 0), (1000, 0), (1024, 5), (1500, 0), (4000, 5), (0, 5)])
        func `bits are those of tokens alone, of segments, and of every instruction set`(
            bound: (window: Int, cap: Float)
        ) {
            let count = 2 * Kernels.segmentTokenCount + 70
            let sequence = KVSequence(count: count, headDimension: 32, group: 3, seed: 8)
            for type in KVType.allCases {
                let pages = KVPages(sequence, type, table: Self.inOrder(count), fill: 0x7E00)
                func rows(_ tokens: Range<Int>, isDivided: Bool) -> [Float] {
                    attend(
                        sequence, pages, tokens: tokens, isDivided: isDivided, window: bound.window, cap: bound.cap)
                }
                for end in [1, 70, 1025, 2048, 2052, count] {
                    let tokens = max(0, end - 20)..<end
                    let whole = expectSameBits { rows(tokens, isDivided: false) }
                    #expect(whole.allSatisfy { $0.isFinite })
                    #expect(rows(tokens, isDivided: true).map(\.bitPattern) == whole.map(\.bitPattern), "to \(end)")
                    for isDivided in [false, true] {
                        let alone = tokens.flatMap { rows($0..<$0 + 1, isDivided: isDivided) }
                        #expect(alone.map(\.bitPattern) == whole.map(\.bitPattern), "to \(end), one by one")
                    }
                }
            }
        }

        @Test(arguments: [1, 9, 64, 65, 1100], KVType.allCases)
        func `a token sees no position before its window`(window: Int, type: KVType) {
            let count = 1300
            let sequence = KVSequence(count: count, headDimension: 64, group: 2, seed: 3)
            let rows = attend(
                sequence, KVPages(sequence, type, table: Self.inOrder(count), fill: 0), tokens: count - 1..<count,
                window: window)
            let other = KVSequence(count: count, headDimension: 64, group: 2, seed: 4)
            let d = 64 * (count - window)
            let changed = KVSequence(
                sequence, keys: Array(other.keys[..<d] + sequence.keys[d...]),
                values: Array(other.values[..<d] + sequence.values[d...]))
            let pages = KVPages(changed, type, table: Self.inOrder(count), fill: 0)

            let same = attend(changed, pages, tokens: count - 1..<count, window: window)
            let wider = attend(changed, pages, tokens: count - 1..<count, window: window + 1)

            #expect(same.map(\.bitPattern) == rows.map(\.bitPattern))
            #expect(wider != rows)
        }

        @Test func `a window as long as the context, and no bound, change no bit`() {
            let sequence = KVSequence(count: 300, headDimension: 64, group: 3, seed: 5)
            let pages = KVPages(sequence, table: Self.inOrder(300), fill: 0x7E00)

            let plain = attend(sequence, pages, tokens: 200..<300)

            #expect(
                attend(sequence, pages, tokens: 200..<300, window: 300).map(\.bitPattern) == plain.map(\.bitPattern))
        }

        @Test(arguments: [(0, 2), (50, 0), (37, 1)])
        func `rows are near those in double precision`(bound: (window: Int, cap: Float)) {
            let (d, count) = (64, 200)
            let sequence = KVSequence(count: count, headDimension: d, group: 1, seed: 4)
            let pages = KVPages(sequence, table: Self.inOrder(count), fill: 0)

            let rows = attend(
                sequence, pages, tokens: count - 10..<count, window: bound.window, cap: bound.cap)

            for token in count - 10..<count {
                let seen = (bound.window == 0 ? 0 : token - bound.window + 1)...token
                let weights = seen.map { position -> Double in
                    let score =
                        (0..<d).reduce(0.0) {
                            $0 + Double(sequence.queries[token * d + $1]) * Double(sequence.keys[position * d + $1])
                        } / Double(d).squareRoot()
                    return exp(bound.cap == 0 ? score : Double(bound.cap) * tanh(score / Double(bound.cap)))
                }
                let total = weights.reduce(0, +)
                for index in 0..<d {
                    let exact =
                        zip(seen, weights).reduce(0.0) { $0 + $1.1 * Double(sequence.values[$1.0 * d + index]) } / total
                    #expect(abs(Double(rows[(token - count + 10) * d + index]) - exact) < 2e-3, "token \(token)")
                }
            }
        }
    }
}
