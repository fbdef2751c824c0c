import Inference
import Testing

@testable import Text

/// Words and longer stretches of text that are kept with their tokens.
@Suite struct WordCacheTests {
    /// With something before and behind it, which is no part of it.
    private func word(_ text: String) throws -> WordCache.Word {
        let all = Array("before\(text)".utf8) + Array("behind all that".utf8)
        let word = WordCache.Word(all.span, 6..<6 + text.utf8.count)
        #expect(word == WordCache.Word(Array(text.utf8).span, 0..<text.utf8.count))
        return try #require(word)
    }

    private func lookUp(_ text: String, in cache: WordCache) throws -> [TokenID]? {
        var tokens: [TokenID] = [-1]
        guard cache.append(try word(text), to: &tokens) else { return nil }
        return Array(tokens.dropFirst())
    }

    @Test func `words are equal when their bytes are`() throws {
        let texts = [
            "", "a", "\0", "\0a", "a\0", "12345678", "123456789", "abcdefghijklmnop", "abcdefghijklmnopq",
            String(repeating: "a", count: 24), String(repeating: "a", count: 23), "aaaaaaaab", "baaaaaaaa",
        ]
        for one in texts {
            for other in texts { #expect((try word(one) == word(other)) == (one == other), "\(one), \(other)") }
        }
        let long = WordCache.Word([UInt8](repeating: 97, count: 30).span, 0..<25)
        #expect(long == nil)
    }

    @Test func `a word is found until another takes its place`() throws {
        var cache = WordCache()
        #expect(try lookUp(" violin", in: cache) == nil)
        cache.keep(try word(" violin"), [3, 1, 2])
        #expect(try lookUp(" violin", in: cache) == [3, 1, 2])
        #expect(try lookUp(" violim", in: cache) == nil)
        cache.keep(try word(" violin"), [9])
        #expect(try lookUp(" violin", in: cache) == [9])
        for number in 0..<100_000 { cache.keep(try word("\(number)"), [TokenID(number)]) }
        #expect(try lookUp(" violin", in: cache) == nil)
        #expect(try lookUp("99999", in: cache) == [99_999])
    }

    @Test func `what has no room is not kept`() throws {
        var cache = WordCache()
        cache.keep(try word("many"), [1, 2, 3, 4, 5, 6, 7, 8, 9])
        cache.keep(try word(""), [])
        #expect(try lookUp("many", in: cache) == nil)
        #expect(try lookUp("", in: cache) == nil)
        cache.keep(try word("eight"), [1, 2, 3, 4, 5, 6, 7, 8])
        #expect(try lookUp("eight", in: cache) == [1, 2, 3, 4, 5, 6, 7, 8])
    }

    @Test func `a stretch of text is kept the second time it is seen`() {
        var cache = StretchCache()
        func lookUp(_ text: String, hash: UInt64 = 5) -> [TokenID]? {
            var tokens: [TokenID] = [-1]
            guard cache.append(Array(text.utf8).span, hash: hash, to: &tokens) else { return nil }
            return Array(tokens.dropFirst())
        }
        func keep(_ text: String, hash: UInt64 = 5, _ tokens: [TokenID]) {
            cache.keep(Array(text.utf8).span, hash: hash, tokens[...])
        }
        keep("once upon a time", [1, 2])
        #expect(lookUp("once upon a time") == nil)
        keep("once upon a time", [1, 2])
        #expect(lookUp("once upon a time") == [1, 2])
        #expect(lookUp("once upon a tide") == nil, "of equal hashes, only the same text")
        #expect(lookUp("once upon a time", hash: .max) == nil)
        #expect(lookUp("") == nil)
        keep("there was", [3])
        #expect(lookUp("once upon a time") == nil)
        #expect(lookUp("there was") == [3])
    }

    @Test func `hashes of stretches tell lengths and bytes apart`() {
        let texts = ["", "a", "b", "aa", "\0", "\0\0", "12345678", "123456789", "123456780"]
        #expect(Set(texts.map { Array($0.utf8).span.mixedHash }).count == texts.count)
    }

    @Test func `a text becomes the same tokens again and again`() throws {
        let tokenizer = try Tokenizer(TokenizerTests.spec)
        let tokens = (0..<5).map { _ in
            tokenizer.encode("hellos aaaaaaa hellos", parsesSpecialTokens: false, addsBOS: false)
        }
        let spelled = ["hello", "s", "Ġ", "aaaa", "aa", "a", "Ġhello", "s"]
        #expect(tokens.allSatisfy { $0.map { TokenizerTests.spec.tokens[Int($0)] } == spelled })
    }

    @Test func `a long text becomes the tokens of its parts, however much was kept`() throws {
        let tokenizer = try Tokenizer(TokenizerTests.spec)
        let part = " hellos aaaaaaa hello"
        let tokens = tokenizer.encode(part, parsesSpecialTokens: false, addsBOS: false)
        for count in [1, 2, 100, 400] {
            for _ in 0..<3 {
                let text = String(repeating: part, count: count)
                let found = tokenizer.encode(text, parsesSpecialTokens: false, addsBOS: false)
                #expect(found == Array(repeatElement(tokens, count: count).joined()), "\(count)")
            }
        }
    }
}
