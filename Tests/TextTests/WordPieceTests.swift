import Inference
import Testing

@testable import Text

@Suite struct WordPieceTests {
    struct Words: Decodable {
        var text: String
        /// clean_text, handle_chinese_chars, strip_accents, lowercase
        var options: [Bool]
        var words: [String]
    }

    @Test func `texts are cut into the words that Hugging Face's library cuts them into`() throws {
        let cases = try Fixture.load([Words].self, "bert_words.json")
        #expect(cases.count > 500)

        for item in cases {
            let words = BertWords(
                normalization: TextNormalization(
                    cleansText: item.options[0], separatesIdeographs: item.options[1], stripsAccents: item.options[2],
                    lowercases: item.options[3]))
            var found: [String] = []
            words.cut(item.text) { word, count in
                found.append(String(decoding: word, as: UTF8.self))
                #expect(found.last?.unicodeScalars.count == count)
            }
            #expect(found == item.words, "\(item.text.debugDescription) \(item.options)")
        }
    }

    static let spec: TokenizerSpec = {
        let tokens = [
            "[PAD]", "[UNK]", "[CLS]", "[SEP]", "un", "##aff", "##able", "##a", "##f", "a", "able", ",", "é", "##é",
            "\u{915}", "##\u{93F}",
        ]
        var kinds = [TokenizerSpec.TokenKind](repeating: .normal, count: tokens.count)
        kinds[0] = .control
        kinds[1] = .unknown
        kinds[2] = .control
        kinds[3] = .control
        return TokenizerSpec(
            kind: .wordPiece, preTokenizer: "", tokens: tokens, tokenKinds: kinds, bosToken: 2, eosToken: 3,
            unknownToken: 1, addsBOS: true, addsEOS: true,
            normalization: TextNormalization(stripsAccents: false))
    }()

    @Test func `the longest piece goes first, and a word that cannot be made is one unknown`() throws {
        let tokenizer = try Tokenizer(Self.spec)
        func encode(_ text: String) -> [String] {
            tokenizer.encode(text, parsesSpecialTokens: true, addsBOS: false).map { Self.spec.tokens[Int($0)] }
        }

        #expect(encode("Unaffable, able") == ["un", "##aff", "##able", ",", "able"])
        #expect(encode("unaf unax a") == ["un", "##a", "##f", "[UNK]", "a"])
        #expect(encode("aéÉ") == ["a", "##é", "##é"])
        // A vowel sign makes one character with what stands before it.
        #expect(encode("\u{915}\u{93F}") == ["\u{915}", "##\u{93F}"])
        #expect(encode("un[SEP]able") == ["un", "[SEP]", "able"])
        #expect(encode("") == [])
        #expect(encode("u" + String(repeating: "a", count: 200)) == ["[UNK]"])
    }

    @Test func `a text stands between CLS and SEP, a pair has SEP between too`() throws {
        let tokenizer = try Tokenizer(Self.spec)

        #expect(tokenizer.encode("a", parsesSpecialTokens: true, addsBOS: true) == [2, 9, 3])
        #expect(tokenizer.encode("", parsesSpecialTokens: true, addsBOS: true) == [2, 3])
        #expect(tokenizer.encode("[CLS] a [SEP]", parsesSpecialTokens: true, addsBOS: true) == [2, 2, 9, 3, 3])
        let pair = tokenizer.encodePair("a", "un able")
        #expect(pair.tokens == [2, 9, 3, 4, 10, 3])
        #expect(pair.secondStart == 3)
    }

    @Test func `decoding gives words back`() throws {
        let tokenizer = try Tokenizer(Self.spec)
        let tokens = tokenizer.encode("unaffable , a", parsesSpecialTokens: true, addsBOS: true)

        #expect(tokenizer.decode(tokens, skipsSpecialTokens: true) == "unaffable , a")
        #expect(tokenizer.bytes(of: 2) == Array("[CLS]".utf8))
    }

    @Test func `a WordPiece tokenizer without an unknown token is refused`() {
        var spec = Self.spec
        spec.unknownToken = nil
        #expect(throws: TokenizerError.malformed("a WordPiece tokenizer needs an unknown token")) {
            try Tokenizer(spec)
        }
    }
}
