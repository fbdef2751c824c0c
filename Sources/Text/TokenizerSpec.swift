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

    /// Which parts of a text get a space in front, where `addsSpacePrefix` says that some do. Parts are what lies between
    /// tokens that are found as they are spelled.
    package enum SpacePrefixPlace: UInt8, Sendable {
        /// What begins a text or follows a control token: as SentencePiece does.
        case afterControl = 0
        /// All: Hugging Face's normalizer "Prepend".
        case everywhere = 1
        /// All that do not begin with a space: "Metaspace", always.
        case everywhereUnspaced = 2
        /// A text's beginning that is no space: "Metaspace", first.
        case startUnspaced = 3
    }

    package var kind: Kind
    /// Name of byte-level BPE's pre-tokenizer ("smollm", "gpt-2", "llama-bpe", "qwen2", …); empty for the others.
    package var preTokenizer: String
    package var tokens: [String]
    package var tokenKinds: [TokenKind]
    /// SentencePiece without merges; empty otherwise.
    package var scores: [Float]
    /// "left right", best first. SentencePiece may have these in place of scores.
    package var merges: [String]
    package var bosToken: TokenID?
    package var eosToken: TokenID?
    package var unknownToken: TokenID?
    /// Further tokens that end a turn, as the file names them (eot, eom, eog).
    package var endOfTurnTokens: [TokenID]
    /// Tokens around the parts of a text that is filled in, where the file names them.
    package var infillTokens: InfillTokens?
    package var addsBOS: Bool
    /// WordPiece only: EOS ends a text, where BOS begins one.
    package var addsEOS: Bool
    /// SentencePiece: put a space in front of text.
    package var addsSpacePrefix: Bool
    package var spacePrefixPlace: SpacePrefixPlace
    /// Byte-level BPE: texts are brought to Unicode's NFC before they are cut.
    package var composesText: Bool
    /// Tokens that are found as they are spelled and take the white space behind them.
    package var spaceTakingTokens: [TokenID]
    /// Those that take the white space in front of them.
    package var tokensTakingSpaceBefore: [TokenID]
    package var chatTemplate: String?
    /// WordPiece only.
    package var normalization: TextNormalization

    package init(
        kind: Kind, preTokenizer: String, tokens: [String], tokenKinds: [TokenKind], scores: [Float] = [],
        merges: [String] = [], bosToken: TokenID? = nil, eosToken: TokenID? = nil, unknownToken: TokenID? = nil,
        endOfTurnTokens: [TokenID] = [], infillTokens: InfillTokens? = nil, addsBOS: Bool = false,
        addsEOS: Bool = false, addsSpacePrefix: Bool = true, spacePrefixPlace: SpacePrefixPlace = .afterControl,
        composesText: Bool = false, spaceTakingTokens: [TokenID] = [], tokensTakingSpaceBefore: [TokenID] = [],
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
        self.infillTokens = infillTokens
        self.addsBOS = addsBOS
        self.addsEOS = addsEOS
        self.addsSpacePrefix = addsSpacePrefix
        self.spacePrefixPlace = spacePrefixPlace
        self.composesText = composesText
        self.spaceTakingTokens = spaceTakingTokens
        self.tokensTakingSpaceBefore = tokensTakingSpaceBefore
        self.chatTemplate = chatTemplate
        self.normalization = normalization
    }
}
