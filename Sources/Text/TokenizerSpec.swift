package import Inference

/// A tokenizer as data: what a model file says, and what a worker tells routers so that they need no model file.
package struct TokenizerSpec: Equatable, Sendable {
    package enum Kind: UInt8, Sendable {
        /// Byte-level BPE with ranked merges ("gpt2" in GGUF).
        case bytePairEncoding = 0
        /// SentencePiece BPE with scores and byte fallback ("llama" in GGUF).
        case sentencePiece = 1
        /// BERT's WordPiece ("bert" in GGUF): pieces that continue a word begin with "##".
        case wordPiece = 2
    }

    package enum TokenKind: UInt8, Sendable {
        case normal = 1
        case unknown = 2
        case control = 3
        case userDefined = 4
        case unused = 5
        case byte = 6
    }

    package var kind: Kind
    /// Name of the pre-tokenizer ("smollm", "gpt-2", "llama-bpe", "qwen2", …); empty for the others, or "phi-3":
    /// tokens that are found as they are spelled take the white space behind them.
    package var preTokenizer: String
    package var tokens: [String]
    package var tokenKinds: [TokenKind]
    /// SentencePiece only; empty otherwise.
    package var scores: [Float]
    /// BPE only: "left right", best first.
    package var merges: [String]
    package var bosToken: TokenID?
    package var eosToken: TokenID?
    package var unknownToken: TokenID?
    /// Further tokens that end a turn, as the file names them (eot, eom, eog).
    package var endOfTurnTokens: [TokenID]
    package var addsBOS: Bool
    /// WordPiece only: EOS ends a text, where BOS begins one.
    package var addsEOS: Bool
    /// SentencePiece: put a space in front of text.
    package var addsSpacePrefix: Bool
    package var chatTemplate: String?
    /// WordPiece only.
    package var normalization: TextNormalization

    package init(
        kind: Kind, preTokenizer: String, tokens: [String], tokenKinds: [TokenKind], scores: [Float] = [],
        merges: [String] = [], bosToken: TokenID? = nil, eosToken: TokenID? = nil, unknownToken: TokenID? = nil,
        endOfTurnTokens: [TokenID] = [], addsBOS: Bool = false, addsEOS: Bool = false, addsSpacePrefix: Bool = true,
        chatTemplate: String? = nil, normalization: TextNormalization = TextNormalization()
    ) {
        self.kind = kind
        self.preTokenizer = preTokenizer
        self.tokens = tokens
        self.tokenKinds = tokenKinds
        self.scores = scores
        self.merges = merges
        self.bosToken = bosToken
        self.eosToken = eosToken
        self.unknownToken = unknownToken
        self.endOfTurnTokens = endOfTurnTokens
        self.addsBOS = addsBOS
        self.addsEOS = addsEOS
        self.addsSpacePrefix = addsSpacePrefix
        self.chatTemplate = chatTemplate
        self.normalization = normalization
    }
}
