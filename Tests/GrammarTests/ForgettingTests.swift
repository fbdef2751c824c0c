import Inference
import TestSupport
import Testing

@testable import Grammar

/// What a matcher remembers is bounded, and neither what it remembers nor what it forgets changes an answer.
@Suite struct ForgettingTests {
    /// A place for each of the last 990 characters, so that some hundred tokens fill the table.
    static let wide = OutputConstraint(.regex, "[ -~\\n]*[.,T][ -~\\n]{990}")

    static let textLength = 2_000

    @Test(arguments: [1, 3]) func `tokens are followed once, though the table fills again and again`(sequenceCount: Int)
        throws
    {
        let matcher = GrammarMatcher(try CompiledGrammar(Self.wide), TinyVocabulary.vocabulary)
        var random = SeededRandom(seed: 1)
        let texts = (0..<sequenceCount).map { _ in
            (0..<Self.textLength).map { _ in TokenID(UInt8(ascii: random.happens(0.5) ? "." : "x")) }
        }
        var states = [GrammarMatcher.State?](repeating: nil, count: sequenceCount)
        for count in 1...Self.textLength {
            for number in 0..<sequenceCount {
                let state = try matcher.follow(texts[number][..<count], from: states[number])
                if count % 100 == 0 { _ = try matcher.mask(state) }
                states[number] = state
            }
        }

        #expect(matcher.forgottenCount > 1)
        #expect(matcher.followedTokenCount == Self.textLength * sequenceCount)
        for number in 0..<sequenceCount {
            let fresh = GrammarMatcher(try CompiledGrammar(Self.wide), TinyVocabulary.vocabulary)
            let state = try #require(states[number])
            #expect(try matcher.mask(state) == fresh.mask(fresh.follow(texts[number][...])))
        }
    }

    @Test func `a text that alone needs a whole table ends, whether it is followed at once or token by token`() throws {
        let grammar = try CompiledGrammar(OutputConstraint(.grammar, "root ::= \"(\" root \")\" | \"x\""))
        let tokens = [TokenID](repeating: TokenID(UInt8(ascii: "(")), count: GrammarLimits.frameMax + 10)
        /// Tokens until it fails, and how many of them were followed in all.
        func end(stride step: Int) -> (place: Int?, followed: Int) {
            let matcher = GrammarMatcher(grammar, TinyVocabulary.vocabulary)
            var state: GrammarMatcher.State?
            for count in stride(from: step, through: tokens.count, by: step) {
                do throws(GrammarFailure) {
                    state = try matcher.follow(tokens[..<count], from: state)
                } catch {
                    #expect(error == .tooAmbiguous)
                    return (count, matcher.followedTokenCount)
                }
            }
            return (nil, matcher.followedTokenCount)
        }

        let (place, followed) = end(stride: 1)
        #expect(place == followed + 1 && followed > GrammarLimits.frameMax)
        #expect(end(stride: tokens.count).followed == followed)
    }

    /// Tokens that read all characters behind each beginning of "axxxxxxxxx".
    static let combs: TokenVocabulary = {
        let text = "axxxxxxxxx"
        let printable = (UInt8(0x20)...0x7E)
        return TokenVocabulary((0..<10).flatMap { count in printable.map { Array(text.utf8.prefix(count)) + [$0] } })
    }()

    @Test func `a mask that is too much work stays so, whatever is known`() throws {
        let printable = (UInt8(0x20)...0x7E).map { "\\x" + String($0, radix: 16) }.joined()
        let source = "[ -~]*[aeiou]" + String(repeating: "[ -~]?", count: 400) + "|~" + printable
        let matcher = GrammarMatcher(try CompiledGrammar(OutputConstraint(.regex, source)), Self.combs)
        let start = try matcher.follow([])

        for _ in 0..<3 { #expect(throws: GrammarFailure.tooAmbiguous) { try matcher.mask(start) } }
    }

    @Test func `a mask that fills the table is found in another, or fails as it would in an empty one`() throws {
        let matcher = GrammarMatcher(try CompiledGrammar(Self.wide), Self.combs)
        let period = try #require((0..<TokenID(95)).first { Self.combs.bytes(of: $0) == [UInt8(ascii: ".")] })
        var state: GrammarMatcher.State?
        var tokens: [TokenID] = []
        for count in 1...900 {
            tokens.append(period)
            let reached = try matcher.follow(tokens[...], from: state)
            state = reached
            guard count % 60 == 0 else { continue }
            let fresh = GrammarMatcher(try CompiledGrammar(Self.wide), Self.combs)
            let place = try fresh.follow(tokens[...])
            #expect(Self.outcome { try matcher.mask(reached) } == Self.outcome { try fresh.mask(place) })
        }
        #expect(matcher.forgottenCount > 0)
    }

    private static func outcome(_ mask: () throws -> TokenMask) -> Result<TokenMask, GrammarFailure> {
        do {
            return .success(try mask())
        } catch {
            return .failure(error as? GrammarFailure ?? .noToken)
        }
    }
}
