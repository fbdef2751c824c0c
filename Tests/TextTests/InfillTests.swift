import Inference
import Testing
import Text

/// What models that fill in are asked.
@Suite struct InfillTests {
    static func bytePair(_ marks: [String], kind: TokenizerSpec.TokenKind = .control) -> TokenizerSpec {
        var spec = TokenizerTests.spec
        spec.tokens += marks
        spec.tokenKinds += marks.map { _ in kind }
        return spec
    }

    @Test(arguments: [
        ["<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"], ["<fim_prefix>", "<fim_suffix>", "<fim_middle>"],
        ["▁<PRE>", "▁<SUF>", "▁<MID>"], ["<｜fim▁begin｜>", "<｜fim▁hole｜>", "<｜fim▁end｜>"],
    ]) func `families' marks are known by their spelling`(marks: [String]) throws {
        let spec = Self.bytePair(marks)
        let tokenizer = try Tokenizer(spec)
        let tokens = try #require(tokenizer.encodeInfill(prefix: "hello", suffix: " hello", addsBOS: true))
        #expect(tokens.map { spec.tokens[Int($0)] } == ["<|a|>", marks[0], "hello", marks[1], "Ġhello", marks[2]])
        #expect(tokenizer.encodeInfill(prefix: "", suffix: "", addsBOS: false)?.count == 3)
    }

    @Test func `ids that the file names come first`() throws {
        var spec = Self.bytePair([
            "<x>", "<y>", "<z>", "<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>", "<|fim_pad|>",
        ])
        let first = TokenID(spec.tokens.count - 7)
        spec.infillTokens = InfillTokens(prefix: first, suffix: first + 1, middle: first + 2)
        let tokenizer = try Tokenizer(spec)
        #expect(tokenizer.encodeInfill(prefix: "", suffix: "", addsBOS: false) == [first, first + 1, first + 2])
        #expect(tokenizer.infillEndTokens == [first, first + 1, first + 2, first + 6])
        spec.infillTokens = InfillTokens(prefix: 0, suffix: 1, middle: TokenID(spec.tokens.count))
        #expect(throws: TokenizerError.self) { try Tokenizer(spec) }
    }

    @Test func `plain text and part of the marks are not enough`() throws {
        for spec in [
            TokenizerTests.spec, Self.bytePair(["<fim_prefix>", "<fim_suffix>"]),
            Self.bytePair(["<fim_prefix>", "<fim_suffix>", "<fim_middle>"], kind: .normal),
        ] {
            let tokenizer = try Tokenizer(spec)
            #expect(tokenizer.infill == nil && tokenizer.infillEndTokens.isEmpty)
            #expect(tokenizer.encodeInfill(prefix: "a", suffix: "b", addsBOS: true) == nil)
        }
    }

    /// As CodeLlama's own program has it.
    @Test func `SentencePiece puts its space before the first text and not before the second`() throws {
        let tokens = ["<unk>", "<s>", "</s>", "▁", "a", "▁a", "▁<PRE>", "▁<SUF>", "▁<MID>"]
        let kinds: [TokenizerSpec.TokenKind] =
            [.unknown, .control, .control, .normal, .normal, .normal, .control, .control, .control]
        let tokenizer = try Tokenizer(
            TokenizerSpec(
                kind: .sentencePiece, preTokenizer: "", tokens: tokens, tokenKinds: kinds,
                scores: [0, 0, 0, -3, -2, -1, 0, 0, 0], bosToken: 1, eosToken: 2, unknownToken: 0, addsBOS: true,
                addsSpacePrefix: true))
        #expect(tokenizer.encodeInfill(prefix: "a", suffix: "a", addsBOS: true) == [1, 6, 5, 7, 4, 8])
    }
}
