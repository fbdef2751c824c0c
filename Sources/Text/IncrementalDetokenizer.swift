package import Inference

/// Turns tokens into text as they come, never emitting part of a character.
package struct IncrementalDetokenizer: Sendable {
    package init(_ tokenizer: Tokenizer, skipsSpecialTokens: Bool) {}

    /// - Returns: the text that became whole with this token; often one word, sometimes nothing.
    package mutating func append(_ token: TokenID) -> String { "" }

    /// What is left at the end: an unfinished character becomes U+FFFD.
    package mutating func finish() -> String { "" }
}
