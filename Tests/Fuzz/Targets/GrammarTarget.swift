import Grammar
import Inference

/// A constraint: a byte that says of which kind, and its source. Tokens that a mask allows must be allowed one by one,
/// others must not, and a text that may end must be one of the constraint's.
enum GrammarTarget {
    static func run(_ bytes: [UInt8]) -> String? {
        guard let first = bytes.first else { return nil }
        let kind = OutputConstraint.Kind.allCases[Int(first) % OutputConstraint.Kind.allCases.count]
        let source = String(decoding: bytes.dropFirst(), as: UTF8.self)
        guard let grammar = try? CompiledGrammar(OutputConstraint(kind, source)) else { return nil }
        let matcher = GrammarMatcher(grammar, vocabulary)
        // Where the automaton is too ambiguous or has no way on, it says so and the sequence ends.
        return (try? walk(grammar, matcher, turn: bytes.count)) ?? nil
    }

    private static let words = ["\"", "\":", "{\"", "},", "[]", "true", "null", "12", "  ", "ab", "日本", "-1.5e"]
    private static let tokens = (0..<256).map { [UInt8($0)] } + words.map { Array($0.utf8) } + [[0xE6, 0x97], []]
    private static let vocabulary = TokenVocabulary(tokens)

    private static func walk(_ grammar: CompiledGrammar, _ matcher: GrammarMatcher, turn: Int) throws -> String? {
        var (taken, text): ([TokenID], [UInt8]) = ([], [])
        var state = try matcher.follow([])
        for step in 0..<24 {
            let mask = try matcher.mask(state)
            if mask.mayEnd, try !grammar.accepts(text) { return "\(text) may end and is not accepted" }
            let allowed = (0..<TokenID(tokens.count)).filter { mask.contains($0) }
            guard allowed.count == mask.count else { return "a mask counts \(mask.count) of \(allowed.count) tokens" }
            for token in stride(from: TokenID(step % 7), to: TokenID(tokens.count), by: 7) {
                let isAllowed = matcher.allowedCount(of: [token][...], after: state) == 1
                guard isAllowed == mask.contains(token) else { return "the mask errs on \(token) after \(text)" }
            }
            guard !allowed.isEmpty else { return nil }
            let token = allowed[(turn &* 31 &+ step &* 17) % allowed.count]
            taken.append(token)
            text += tokens[Int(token)]
            state = try matcher.follow(taken[...], from: state)
        }
        return nil
    }
}
