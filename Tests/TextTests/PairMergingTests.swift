import Inference
import TestSupport
import Testing

@testable import Text

@Suite struct PairMergingTests {
    /// The definition: look at all pairs, merge the best and leftmost, again.
    private static func plainly(_ word: [TokenID], _ table: [[TokenID]: (rank: UInt32, token: TokenID)]) -> [TokenID] {
        var word = word
        while true {
            var best: (rank: UInt32, token: TokenID, at: Int)?
            for index in word.indices.dropLast() {
                if let merge = table[[word[index], word[index + 1]]], merge.rank < best?.rank ?? .max {
                    best = (merge.rank, merge.token, index)
                }
            }
            guard let best else { return word }
            word.replaceSubrange(best.at...best.at + 1, with: [best.token])
        }
    }

    @Test(arguments: 0..<40) func `the heap merges what looking at all pairs would merge`(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        // Ranks repeat and are in no order, so that ties and pairs that become better later both occur.
        var table: [[TokenID]: (rank: UInt32, token: TokenID)] = [:]
        var merges = MergeTable(count: 60)
        for token in 4..<64 as Range<TokenID> {
            let pair = [TokenID.random(in: 0..<token, using: &random), TokenID.random(in: 0..<token, using: &random)]
            guard table[pair] == nil else { continue }
            let rank = UInt32.random(in: 0..<40, using: &random)
            table[pair] = (rank, token)
            merges.insert(pair[0], pair[1], .init(cost: rank, token: token))
        }

        for _ in 0..<40 {
            let word = (0..<Int.random(in: 0...60, using: &random)).map { _ in
                TokenID.random(in: 0..<4, using: &random)
            }
            let merged = PairMerging.run(word.map { .init(start: 0, token: $0) }, end: 0) { left, right, _ in
                merges.find(left.token, right.token)
            }
            #expect(merged.map(\.token) == Self.plainly(word, table))
        }
    }
}
