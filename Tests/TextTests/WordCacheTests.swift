import Inference
import Testing

@testable import Text

/// Words that are kept with their tokens.
@Suite struct WordCacheTests {
    private func lookUp(_ word: String, hash: Int = 5, in cache: WordCache) -> [TokenID]? {
        var tokens: [TokenID] = [-1]
        guard cache.append(Array(word.utf8).span, hash: hash, to: &tokens) else { return nil }
        return Array(tokens.dropFirst())
    }

    private func keep(_ word: String, hash: Int = 5, _ tokens: [TokenID], in cache: WordCache) {
        cache.keep(Array(word.utf8).span, hash: hash, tokens[...])
    }

    @Test func `a word is found until another takes its place`() {
        let cache = WordCache()
        #expect(lookUp(" violin", in: cache) == nil)
        keep(" violin", [3, 1, 2], in: cache)
        #expect(lookUp(" violin", in: cache) == [3, 1, 2])
        #expect(lookUp(" violim", in: cache) == nil, "of equal hashes, only the same word")
        #expect(lookUp(" violin", hash: 6, in: cache) == nil)
        keep(" harbour", [9], in: cache)
        #expect(lookUp(" violin", in: cache) == nil)
        #expect(lookUp(" harbour", in: cache) == [9])
    }

    @Test func `what has no room is not kept`() {
        let cache = WordCache()
        let long = String(repeating: "a", count: 25)
        keep(long, [1], in: cache)
        keep("many", [1, 2, 3, 4, 5, 6, 7, 8, 9], in: cache)
        keep("none", [], in: cache)
        #expect([long, "many", "none"].allSatisfy { lookUp($0, in: cache) == nil })
        let longest = String(repeating: "a", count: 24)
        keep(longest, [1, 2, 3, 4, 5, 6, 7, 8], in: cache)
        #expect(lookUp(longest, in: cache) == [1, 2, 3, 4, 5, 6, 7, 8])
    }

    @Test func `a text becomes the same tokens again and again`() throws {
        let tokenizer = try Tokenizer(TokenizerTests.spec)
        let tokens = (0..<3).map { _ in
            tokenizer.encode("hellos aaaaaaa hellos", parsesSpecialTokens: false, addsBOS: false)
        }
        let spelled = ["hello", "s", "Ġ", "aaaa", "aa", "a", "Ġhello", "s"]
        #expect(tokens.allSatisfy { $0.map { TokenizerTests.spec.tokens[Int($0)] } == spelled })
    }
}
