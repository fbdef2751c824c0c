package import Inference

/// Text to tokens and back, for one model. Immutable; shared between threads.
package final class Tokenizer: Sendable {
    package let spec: TokenizerSpec

    package init(_ spec: TokenizerSpec) throws(TokenizerError) {
        self.spec = spec
    }

    package var vocabularySize: Int { spec.tokens.count }

    /// - Parameters:
    ///   - parsesSpecialTokens: text that spells a control token becomes that token.
    ///   - addsBOS: puts the model's beginning-of-sequence token in front if the model wants one and it is not there.
    package func encode(_ text: String, parsesSpecialTokens: Bool, addsBOS: Bool) -> [TokenID] { [] }

    /// The bytes a token stands for in text; for a control token its spelling. Empty for ids outside the vocabulary.
    package func bytes(of token: TokenID) -> [UInt8] { [] }

    /// Control tokens: left out of text unless asked for.
    package func isSpecial(_ token: TokenID) -> Bool { false }

    /// Tokens that end a turn or a text (EOS, EOT, end of message …), sorted.
    package var endTokens: [TokenID] { [] }

    /// Whole text of `tokens`; bytes that are not UTF-8 become U+FFFD.
    package func decode(_ tokens: [TokenID], skipsSpecialTokens: Bool) -> String { "" }
}
