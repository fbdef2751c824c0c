import Inference
import TestSupport
import Testing

@testable import Grammar

/// Masks are what the automaton says of each token by itself, however they are found.
@Suite struct MaskTests {
    static let constraints: [OutputConstraint] =
        AcceptanceTests.expressions.map { .init(.regex, $0.source) }
        + AcceptanceTests.grammars.map { .init(.grammar, $0.source) }
        + SchemaTests.rows.map { .init(.jsonSchema, $0.source) }
        + [
            .init(.jsonSchema, #"{"type":"string","minLength":40,"maxLength":90}"#),
            .init(
                .jsonSchema, #"{"type":"array","minItems":30,"maxItems":60,"items":{"type":"string","maxLength":20}}"#),
            .init(.regex, "(ab){3,40}x{20,}"),
        ]

    @Test(arguments: constraints) func `a mask allows a token if and only if its bytes may follow`(
        constraint: OutputConstraint
    ) throws {
        let grammar = try CompiledGrammar(constraint)
        let matcher = GrammarMatcher(grammar, TinyVocabulary.vocabulary)
        var random = SeededRandom(seed: UInt64(constraint.source.utf8.count))
        for _ in 0..<3 {
            var tokens: [TokenID] = []
            for _ in 0..<60 {
                let state = try matcher.follow(tokens[...])
                let mask = try matcher.mask(state)
                let tokensOfAll = 0..<TokenID(TinyVocabulary.bytes.count)
                let allowed = tokensOfAll.filter { matcher.allowedCount(of: [$0][...], after: state) == 1 }
                #expect(tokensOfAll.filter(mask.contains) == allowed, "\(constraint.source), after \(tokens)")
                #expect(mask.count == allowed.count)
                #expect(
                    mask.mayEnd == (try grammar.accepts(tokens.flatMap { TinyVocabulary.vocabulary.bytes(of: $0) })))
                guard !allowed.isEmpty else { break }
                tokens.append(allowed[random.below(allowed.count)])
            }
        }
    }

    @Test func `a long string needs few masks`() throws {
        let matcher = GrammarMatcher(
            try CompiledGrammar(.init(.jsonSchema, #"{"type":"string","minLength":500,"maxLength":1000}"#)),
            TinyVocabulary.vocabulary)
        var tokens = [TokenID(UInt8(ascii: "\""))]
        var state = try matcher.follow(tokens[...])
        for _ in 0..<900 {
            tokens.append(TokenID(UInt8(ascii: "x")))
            state = try matcher.follow(tokens[...], from: state)
            _ = try matcher.mask(state)
        }
        #expect(matcher.maskWalkCount < 60)
    }

    @Test func `a list of as many choices as there may be has its masks`() throws {
        let letters = Array("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789".utf8)
        var random = SeededRandom(seed: 4)
        func word(_ length: Int) -> [UInt8] { (0..<length).map { _ in letters[random.below(letters.count)] } }
        let words = (0..<GrammarLimits.choiceMax).map { _ in word(8) }
        let source = words.map { "\"\(String(decoding: $0, as: UTF8.self))\"" }.joined(separator: ",")
        let tokens = letters.map { [$0] } + words.flatMap { word in (2...8).map { Array(word.prefix($0)) } }
        let vocabulary = TokenVocabulary(Array(Set(tokens)))
        let matcher = GrammarMatcher(try CompiledGrammar(.init(.choice, "[\(source)]")), vocabulary)

        #expect(try matcher.mask(matcher.follow([])).count > 6 * GrammarLimits.choiceMax)
    }

    @Test func `a vocabulary that cannot go on says so`() throws {
        let matcher = GrammarMatcher(try CompiledGrammar(.init(.regex, "ab")), TokenVocabulary([Array("a".utf8)]))
        let state = try matcher.follow([0])
        #expect(throws: GrammarFailure.noToken) { try matcher.mask(state) }
        #expect(throws: GrammarFailure.notAllowed(position: 1)) { try matcher.follow([0, 0]) }
    }
}
