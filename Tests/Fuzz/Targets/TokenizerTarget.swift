import Inference
import Text

/// Text for each kind of tokenizer: a byte that chooses it, and the text.
enum TokenizerTarget {
    static func run(_ bytes: [UInt8]) -> String? {
        guard let first = bytes.first else { return nil }
        let tokenizer = tokenizers[Int(first) % tokenizers.count]
        let text = String(decoding: bytes.dropFirst(), as: UTF8.self)
        for parsesSpecialTokens in [false, true] {
            let tokens = tokenizer.encode(text, parsesSpecialTokens: parsesSpecialTokens, addsBOS: false)
            guard tokens.allSatisfy({ (0..<TokenID(tokenizer.vocabularySize)).contains($0) }) else {
                return "a token is not in its vocabulary"
            }
            let whole = tokenizer.decode(tokens, skipsSpecialTokens: false)
            // Byte-level BPE loses nothing; the others fold white space and case.
            if tokenizer.spec.kind == .bytePairEncoding, !whole.utf8.elementsEqual(text.utf8) {
                return "\(text.debugDescription) comes back as \(whole.debugDescription)"
            }
            var detokenizer = IncrementalDetokenizer(tokenizer, skipsSpecialTokens: false)
            let piecewise = tokens.map { detokenizer.append($0) }.joined() + detokenizer.finish()
            if tokenizer.spec.kind == .bytePairEncoding, !piecewise.utf8.elementsEqual(whole.utf8) {
                return "\(whole.debugDescription) is \(piecewise.debugDescription) token by token"
            }
        }
        return nil
    }

    private static let tokenizers: [Tokenizer] =
        ["gpt-2", "smollm", "llama-bpe", "qwen2", "gpt-4o", "default"].map { make(FuzzModel.bytePairSpec($0)) }
        + [make(sentencePiece), make(phi3), make(wordPiece)]

    private static func make(_ spec: TokenizerSpec) -> Tokenizer {
        guard let tokenizer = try? Tokenizer(spec) else { fatalError("the tokenizers here are sound") }
        return tokenizer
    }

    private static let sentencePiece: TokenizerSpec = {
        let digits = Array("0123456789ABCDEF")
        let bytes = (0...255).map { "<0x\(digits[$0 >> 4])\(digits[$0 & 15])>" }
        let pieces = ["▁", "h", "e", "l", "o", "he", "ll", "hello", "▁hello", "é", "世", "界", "世界", "▁▁"]
        return TokenizerSpec(
            kind: .sentencePiece, preTokenizer: "", tokens: ["<unk>", "<s>", "</s>"] + bytes + pieces + ["<mark>"],
            tokenKinds: [.unknown, .control, .control] + Array(repeating: .byte, count: 256)
                + Array(repeating: .normal, count: pieces.count) + [.userDefined],
            scores: [Float](repeating: 0, count: 259) + pieces.indices.map { -Float($0) } + [0], bosToken: 1,
            eosToken: 2,
            unknownToken: 0)
    }()

    private static let phi3: TokenizerSpec = {
        var spec = sentencePiece
        spec.spaceTakingTokens = [2, TokenID(spec.tokens.count - 1)]
        return spec
    }()

    private static let wordPiece = TokenizerSpec(
        kind: .wordPiece, preTokenizer: "",
        tokens: ["[UNK]", "[CLS]", "[SEP]", "he", "##llo", "##l", "a", "##a", "e", "世", ",", "1", "##2"],
        tokenKinds: [.unknown, .control, .control] + Array(repeating: .normal, count: 10), bosToken: 1, eosToken: 2,
        unknownToken: 0, addsBOS: true, addsEOS: true, addsSpacePrefix: false)
}
