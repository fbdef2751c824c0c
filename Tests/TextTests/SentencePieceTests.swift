import Inference
import Testing
import Text

/// Against the SentencePiece library: Tests/Fixtures/sentencepiece.json, made by make_sentencepiece.py beside it.
@Suite struct SentencePieceTests {
    private struct Model: Decodable {
        struct Row: Decodable {
            var text: String
            var ids: [TokenID]
            var decoded: String
        }

        var adds_space_prefix: Bool
        var tokens: [String]
        var scores: [Float]
        var kinds: [UInt8]
        var rows: [Row]

        var spec: TokenizerSpec {
            TokenizerSpec(
                kind: .sentencePiece, preTokenizer: "", tokens: tokens,
                tokenKinds: kinds.compactMap(TokenizerSpec.TokenKind.init), scores: scores, bosToken: 1, eosToken: 2,
                unknownToken: 0, addsBOS: true, addsSpacePrefix: adds_space_prefix)
        }
    }

    @Test(arguments: 0..<3) func `texts are encoded as the library encodes them`(index: Int) throws {
        let model = try Fixture.load([Model].self, "sentencepiece.json")[index]
        let tokenizer = try Tokenizer(model.spec)
        #expect(model.rows.count > 80)

        // A text that begins with a user-defined token gets no space in front of it here, as in other programs that cut
        // such tokens out before encoding.
        for row in model.rows where !row.text.hasPrefix("<sep>") {
            let ids = tokenizer.encode(row.text, parsesSpecialTokens: false, addsBOS: false)
            #expect(ids == row.ids, "\(row.text.debugDescription)")
        }
    }

    @Test(arguments: 0..<3) func `tokens are decoded as the library decodes them`(index: Int) throws {
        let model = try Fixture.load([Model].self, "sentencepiece.json")[index]
        let tokenizer = try Tokenizer(model.spec)

        // The library prints the unknown token as a sign of its own.
        for row in model.rows where !row.ids.contains(0) {
            #expect(tokenizer.decode(row.ids, skipsSpecialTokens: true) == row.decoded)
        }
    }

    @Test func `BOS goes in front once`() throws {
        let model = try Fixture.load([Model].self, "sentencepiece.json")[0]
        let tokenizer = try Tokenizer(model.spec)

        let plain = tokenizer.encode("the fox", parsesSpecialTokens: true, addsBOS: false)
        #expect(tokenizer.encode("the fox", parsesSpecialTokens: true, addsBOS: true) == [1] + plain)
        #expect(tokenizer.encode("<s>the fox", parsesSpecialTokens: true, addsBOS: true) == [1] + plain)
    }

    @Test func `a continuation keeps its leading space, a whole text loses it`() throws {
        let model = try Fixture.load([Model].self, "sentencepiece.json")[0]
        let tokenizer = try Tokenizer(model.spec)
        let ids = tokenizer.encode("the fox", parsesSpecialTokens: false, addsBOS: false)
        var detokenizer = IncrementalDetokenizer(tokenizer, skipsSpecialTokens: true)

        #expect(tokenizer.decode(ids, skipsSpecialTokens: true) == "the fox")
        #expect(ids.map { detokenizer.append($0) }.joined() + detokenizer.finish() == " the fox")
    }

    @Test(arguments: ["<0x4>", "<0x041>", "<0xG1>", "<0X41>", "0x41", "<0x+1>", ""])
    func `a byte token has exactly two hexadecimal digits`(spelling: String) throws {
        var spec = try Fixture.load([Model].self, "sentencepiece.json")[0].spec
        spec.tokens[4] = spelling

        #expect(throws: TokenizerError.self) { try Tokenizer(spec) }
    }

    @Test func `scores must be as many as tokens`() throws {
        var spec = try Fixture.load([Model].self, "sentencepiece.json")[0].spec
        spec.scores.removeLast()

        #expect(throws: TokenizerError.malformed("the tokenizer has 560 tokens and 559 scores")) { try Tokenizer(spec) }
    }

    /// As `AddedToken(rstrip=True)` does in the library of tokenizers.
    @Test func `tokens that take space take the white space behind them`() throws {
        let tokens = ["<unk>", "<s>", "</s>", "<|user|>", "<|end|>", "<|endoftext|>", "▁", "▁a", "a", "\n"]
        let spec = TokenizerSpec(
            kind: .sentencePiece, preTokenizer: "", tokens: tokens,
            tokenKinds: [.unknown, .control, .control, .control, .control, .control]
                + .init(repeating: .normal, count: 4),
            scores: [Float](repeating: 0, count: tokens.count), bosToken: 1, eosToken: 5, unknownToken: 0,
            addsBOS: true,
            spaceTakingTokens: [3, 4])
        var plain = spec
        plain.spaceTakingTokens = []
        func ids(_ spec: TokenizerSpec, _ text: String) throws -> [TokenID] {
            try Tokenizer(spec).encode(text, parsesSpecialTokens: true, addsBOS: false)
        }

        #expect(try ids(spec, "<|user|>\na<|end|>\n<|user|> \n") == [3, 7, 4, 3])
        #expect(try ids(plain, "<|user|>\na<|end|>") == [3, 6, 9, 8, 4])
        #expect(try ids(spec, "<s>\na") == [1, 6, 9, 8])
        #expect(try ids(spec, "<|endoftext|>\na") == [5, 6, 9, 8])
    }
}
