import Inference
import TestSupport
import Testing
import Text

@Suite struct TokenizerTests {
    /// A byte-level vocabulary: all bytes, a few merges, special tokens.
    static let spec: TokenizerSpec = {
        var tokens = ["<|end|>", "<|a|>", "<|a|>b", "[USER]"]
        var kinds: [TokenizerSpec.TokenKind] = [.control, .control, .control, .userDefined]
        let alphabet = (0x21...0x7E).map { UInt32($0) } + (0xA1...0xAC) + (0xAE...0x143)
        tokens += alphabet.compactMap { Unicode.Scalar($0).map(String.init) }
        let merges = ["a a", "aa aa", "h e", "l l", "he ll", "hell o", "Ġ hello", "Ã ©"]
        tokens += merges.map { $0.filter { $0 != " " } }
        kinds += Array(repeating: .normal, count: tokens.count - kinds.count)
        return TokenizerSpec(
            kind: .bytePairEncoding, preTokenizer: "gpt-2", tokens: tokens, tokenKinds: kinds, merges: merges,
            bosToken: 1,
            eosToken: 0, addsBOS: true)
    }()

    private func texts(_ ids: [TokenID]) -> [String] { ids.map { Self.spec.tokens[Int($0)] } }

    @Test func `merges go by rank`() throws {
        let tokenizer = try Tokenizer(Self.spec)
        func encode(_ text: String) -> [String] {
            texts(tokenizer.encode(text, parsesSpecialTokens: true, addsBOS: false))
        }

        #expect(encode("hello hello") == ["hello", "Ġhello"])
        #expect(encode("aaaaaaa") == ["aaaa", "aa", "a"])
        #expect(encode("é") == ["Ã©"])
        #expect(encode(String(repeating: "a", count: 1000)) == Array(repeating: "aaaa", count: 250))
        #expect(encode("") == [])
    }

    @Test func `control tokens are parsed only when asked for, the longest first; user-defined ones always`() throws {
        let tokenizer = try Tokenizer(Self.spec)

        let parsed = tokenizer.encode("<|a|>b<|a|><|end|>[USER]", parsesSpecialTokens: true, addsBOS: false)
        let plain = tokenizer.encode("<|end|>[USER]", parsesSpecialTokens: false, addsBOS: false)

        #expect(texts(parsed) == ["<|a|>b", "<|a|>", "<|end|>", "[USER]"])
        #expect(texts(plain) == ["<", "|", "e", "n", "d", "|", ">", "[USER]"])
    }

    @Test func `BOS goes in front when the model wants it, and never twice`() throws {
        let tokenizer = try Tokenizer(Self.spec)
        var without = Self.spec
        without.addsBOS = false

        #expect(texts(tokenizer.encode("a", parsesSpecialTokens: true, addsBOS: true)) == ["<|a|>", "a"])
        #expect(texts(tokenizer.encode("<|a|>a", parsesSpecialTokens: true, addsBOS: true)) == ["<|a|>", "a"])
        #expect(texts(tokenizer.encode("", parsesSpecialTokens: true, addsBOS: true)) == ["<|a|>"])
        #expect(texts(try Tokenizer(without).encode("a", parsesSpecialTokens: true, addsBOS: true)) == ["a"])
    }

    @Test(arguments: 0..<20) func `any text comes back`(seed: UInt64) throws {
        let tokenizer = try Tokenizer(Self.spec)
        var random = SeededRandom(seed: seed)
        let alphabet = Array("ahelo  \n'sé日🌍1[USER]<|end|>\u{0}\u{301}".unicodeScalars)

        for _ in 0..<30 {
            var text = ""
            for _ in 0..<Int.random(in: 0...60, using: &random) {
                text.unicodeScalars.append(alphabet[Int.random(in: 0..<alphabet.count, using: &random)])
            }
            for parses in [true, false] {
                let ids = tokenizer.encode(text, parsesSpecialTokens: parses, addsBOS: false)
                #expect(tokenizer.decode(ids, skipsSpecialTokens: false).utf8.elementsEqual(text.utf8))
            }
        }
    }

    @Test func `end tokens are the file's and those known by name`() throws {
        var spec = Self.spec
        spec.endOfTurnTokens = [5]
        spec.tokens[3] = "<|im_end|>"

        #expect(try Tokenizer(spec).endTokens == [0, 3, 5])
    }

    @Test func `ids outside the vocabulary have no bytes and are special`() throws {
        let tokenizer = try Tokenizer(Self.spec)

        for id: TokenID in [-1, TokenID(Self.spec.tokens.count), .max, .min] {
            #expect(tokenizer.bytes(of: id) == [])
            #expect(tokenizer.isSpecial(id))
            #expect(tokenizer.decode([id], skipsSpecialTokens: false) == "")
        }
    }

    static let damages: [(String, @Sendable (inout TokenizerSpec) -> Void)] = [
        ("no tokens", { $0.tokens = [] }), ("kinds missing", { $0.tokenKinds.removeLast() }),
        ("a huge token", { $0.tokens[9] = String(repeating: "x", count: 4097) }),
        ("BOS outside", { $0.bosToken = 999_999 }),
        ("EOS negative", { $0.eosToken = -1 }), ("unknown outside", { $0.unknownToken = .max }),
        ("end of turn outside", { $0.endOfTurnTokens = [999_999] }), ("a merge of one", { $0.merges.append("aa") }),
        ("a merge of three", { $0.merges.append("a a a") }), ("a merge of strangers", { $0.merges.append("zz y") }),
        ("a merge without a result", { $0.merges.append("a z") }), ("an empty merge", { $0.merges.append("") }),
        ("an unknown pre-tokenizer", { $0.preTokenizer = "nope" }),
    ]

    @Test(arguments: damages.indices) func `wrong data is refused`(index: Int) {
        let (what, damage) = Self.damages[index]
        var spec = Self.spec
        damage(&spec)

        #expect(throws: TokenizerError.self, "\(what)") { try Tokenizer(spec) }
    }
}
