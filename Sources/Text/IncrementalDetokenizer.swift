package import Inference

/// Turns tokens into text as they come, never emitting part of a character.
///
/// The text of all increments is what decoding all bytes at once would give, but for the space that SentencePiece puts
/// in front: here it stays, since what is decoded continues a prompt.
package struct IncrementalDetokenizer: Sendable {
    private let tokenizer: Tokenizer
    private let skipsSpecialTokens: Bool
    /// Bytes of a character that is not complete yet; at most 3.
    private var pending: [UInt8] = []

    package init(_ tokenizer: Tokenizer, skipsSpecialTokens: Bool) {
        self.tokenizer = tokenizer
        self.skipsSpecialTokens = skipsSpecialTokens
    }

    /// - Returns: the text that became whole with this token; often one word, sometimes nothing.
    package mutating func append(_ token: TokenID) -> String {
        guard !(skipsSpecialTokens && tokenizer.isSpecial(token)) else { return "" }
        if pending.isEmpty, let text = tokenizer.text(of: token) { return text }
        let bytes = tokenizer.bytes(of: token)
        if pending.isEmpty, Self.unfinishedByteCount(bytes) == 0 { return String(decoding: bytes, as: UTF8.self) }
        pending += bytes
        let whole = pending.count - Self.unfinishedByteCount(pending)
        defer { pending.removeFirst(whole) }
        return String(decoding: pending[..<whole], as: UTF8.self)
    }

    /// What is left at the end: an unfinished character becomes U+FFFD.
    package mutating func finish() -> String {
        defer { pending = [] }
        return String(decoding: pending, as: UTF8.self)
    }

    /// How many bytes at the end may still become a character: a lead byte and continuations that may follow it.
    /// Source: Unicode 15, table 3-7, well-formed UTF-8.
    private static func unfinishedByteCount(_ bytes: [UInt8]) -> Int {
        for back in 1...3 where back <= bytes.count {
            let lead = bytes[bytes.count - back]
            if lead & 0xC0 == 0x80 { continue }
            let length: Int
            switch lead {
            case 0xC2...0xDF: length = 2
            case 0xE0...0xEF: length = 3
            case 0xF0...0xF4: length = 4
            default: return 0
            }
            guard back < length else { return 0 }
            guard back >= 2 else { return back }
            let second = bytes[bytes.count - back + 1]
            let mayFollow: ClosedRange<UInt8> =
                switch lead {
                case 0xE0: 0xA0...0xBF
                case 0xED: 0x80...0x9F
                case 0xF0: 0x90...0xBF
                case 0xF4: 0x80...0x8F
                default: 0x80...0xBF
                }
            return mayFollow.contains(second) ? back : 0
        }
        return 0
    }
}
