import Inference
import TestSupport

@testable import Grammar

extension OutputConstraint {
    /// - Returns: whether the constraint allows `text`, all of it.
    func accepts(_ text: String) throws -> Bool { try CompiledGrammar(self).accepts(Array(text.utf8)) }
}

/// Tokens as tests need them: every byte, then some that hold several, and parts of characters among them.
enum TinyVocabulary {
    static let words = [
        "\"", "\":", "\": ", "\",", "{\"", "}", "}}", "[", "],", "tr", "true", "null", "fals", "12", "345", "0.", " ",
        "  ", "\n", "\n  ", "ab", "abc", "abcabcabcabc", "é", "日本", "name", "\"name\"", "\\u", "\\n", "a\"", "b\"}",
        "-1",
    ]
    static let bytes: [[UInt8]] =
        (0..<256).map { [UInt8($0)] } + words.map { Array($0.utf8) }
        + [[0xE6, 0x97], [0xA5, 0xE6], [0x61, 0xF0, 0x9F], [], []]
    static let vocabulary = TokenVocabulary(bytes)
    /// The last token stands for no text: the end.
    static let end = TokenID(bytes.count - 1)
}

/// A walk through a constraint, one allowed token after the other.
struct RandomWalk {
    let matcher: GrammarMatcher
    let vocabulary: TokenVocabulary
    var random: SeededRandom

    init(_ constraint: OutputConstraint, seed: UInt64, _ vocabulary: TokenVocabulary = TinyVocabulary.vocabulary) throws
    {
        matcher = GrammarMatcher(try CompiledGrammar(constraint), vocabulary)
        self.vocabulary = vocabulary
        random = SeededRandom(seed: seed)
    }

    /// - Returns: a whole text of the constraint; nil when it became longer than `tokensMax`.
    mutating func text(tokensMax: Int = 300) throws -> [UInt8]? {
        var tokens: [TokenID] = []
        var bytes: [UInt8] = []
        var state = try matcher.follow([])
        while tokens.count < tokensMax {
            let mask = try matcher.mask(state)
            if mask.mayEnd && (mask.count == 0 || random.happens(0.3)) { return bytes }
            let token = choose(mask)
            tokens.append(token)
            bytes += vocabulary.bytes(of: token)
            state = try matcher.follow(tokens[...], from: state)
        }
        return nil
    }

    /// Prefers what ends strings, lists and objects, so that most walks come to an end.
    private mutating func choose(_ mask: TokenMask) -> TokenID {
        let closing = "\"}]".utf8.map { TokenID($0) }.filter(mask.contains)
        if let close = closing.first, random.happens(0.3) { return close }
        let allowed = (0..<TokenID(vocabulary.tokenCount)).filter(mask.contains)
        return allowed[random.below(allowed.count)]
    }
}
