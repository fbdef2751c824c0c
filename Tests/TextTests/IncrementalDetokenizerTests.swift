import Inference
import TestSupport
import Testing
import Text

@Suite struct IncrementalDetokenizerTests {
    /// Tokens of single bytes, pairs and characters, so that streams break characters everywhere.
    private func tokenizer() throws -> Tokenizer {
        var spec = TokenizerTests.spec
        for merge in ["ä ¸", "Ń Ń", "ð Ł", "Į Ģ"] {
            spec.tokens.append(merge.filter { $0 != " " })
            spec.tokenKinds.append(.normal)
        }
        return try Tokenizer(spec)
    }

    @Test(arguments: 0..<40) func `increments of any stream of tokens join to the whole decoding`(seed: UInt64) throws {
        let tokenizer = try tokenizer()
        var random = SeededRandom(seed: seed)
        // Bytes that begin, continue and break characters are likely.
        let likely = (0..<TokenID(tokenizer.vocabularySize)).filter { tokenizer.bytes(of: $0).contains { $0 >= 0x80 } }

        for _ in 0..<60 {
            let ids = (0..<Int.random(in: 0...24, using: &random)).map { _ in
                Bool.random(using: &random)
                    ? TokenID.random(in: 0..<TokenID(tokenizer.vocabularySize), using: &random)
                    : likely[Int.random(in: 0..<likely.count, using: &random)]
            }
            for skips in [true, false] {
                var detokenizer = IncrementalDetokenizer(tokenizer, skipsSpecialTokens: skips)
                let joined = ids.map { detokenizer.append($0) }.joined() + detokenizer.finish()
                let whole = tokenizer.decode(ids, skipsSpecialTokens: skips)
                #expect(joined.utf8.elementsEqual(whole.utf8), "\(ids)")
            }
        }
    }

    @Test(arguments: ["é", "日本語", "🌍🚀", "a\u{301}", "👩‍👩‍👧"])
    func `no increment holds part of a character, and each comes as soon as it is whole`(text: String) throws {
        let tokenizer = try tokenizer()
        let ids = text.utf8.flatMap { byte in
            (4..<TokenID(260)).filter { tokenizer.bytes(of: $0) == [byte] }.prefix(1)
        }
        var detokenizer = IncrementalDetokenizer(tokenizer, skipsSpecialTokens: true)
        var scalars = text.unicodeScalars.makeIterator()
        var waiting = 0

        #expect(ids.count == text.utf8.count)
        for id in ids {
            let increment = detokenizer.append(id)
            waiting += 1
            if increment.isEmpty { continue }
            let next = scalars.next()
            let scalar = try #require(next)
            #expect(increment.unicodeScalars.elementsEqual([scalar]))
            #expect(waiting == UTF8.width(scalar))
            waiting = 0
        }
        #expect(detokenizer.finish() == "")
        #expect(scalars.next() == nil)
    }

    @Test func `an unfinished character is replaced at the end`() throws {
        let tokenizer = try tokenizer()
        let id = try #require((4..<TokenID(260)).first { tokenizer.bytes(of: $0) == [0xF0] })
        var detokenizer = IncrementalDetokenizer(tokenizer, skipsSpecialTokens: true)

        #expect(detokenizer.append(id) == "")
        #expect(detokenizer.finish() == "\u{FFFD}")
        #expect(detokenizer.finish() == "")
    }

    @Test func `special tokens show only when asked for`() throws {
        let tokenizer = try tokenizer()
        var skipping = IncrementalDetokenizer(tokenizer, skipsSpecialTokens: true)
        var showing = IncrementalDetokenizer(tokenizer, skipsSpecialTokens: false)

        #expect(skipping.append(0) == "")
        #expect(showing.append(0) == "<|end|>")
        #expect(skipping.append(3) == "[USER]")
    }
}
