import Grammar
import Inference
import Models
import Testing
import Text
import Weights

/// Masks over the default model's vocabulary: right for its tokens, and what they cost, printed.
@Suite struct TokenMaskCostTests {
    static let constraints: [(name: String, constraint: OutputConstraint)] = [
        ("any object", .jsonObject),
        (
            "a person",
            OutputConstraint(
                .jsonSchema,
                #"{"type":"object","properties":{"name":{"type":"string","maxLength":200},"age":{"type":"integer","minimum":0},"tags":{"type":"array","items":{"type":"string"}}},"required":["name","age","tags"]}"#
            )
        ),
        ("words", OutputConstraint(.regex, "([A-Za-z]{1,12} ){1,20}[A-Za-z]{1,12}")),
    ]

    @Test func `texts of the model's own tokens are allowed token by token`() throws {
        let spec = try TokenizerSpec(metadata: try GGUFFile(path: RealModel.path).metadata)
        let vocabulary = TokenVocabulary(Tokenizer.textBytes(of: spec))
        let tokenizer = try Tokenizer(spec)
        let texts = [
            #"{"name": "Ada Lovelace é日本 \u00e9\n", "list": [1, -2.5e3, true, null], "x": {"y": {}}}"#,
            #"{"name": "Grace \"Amazing\" Hopper", "age": 85, "tags": ["navy", "cobol", "日本語"]}"#,
            "the quick brown fox jumps",
        ]
        for ((name, constraint), text) in zip(Self.constraints, texts) {
            let clock = ContinuousClock()
            var matcher: GrammarMatcher?
            let compiling = try clock.measure { matcher = GrammarMatcher(try CompiledGrammar(constraint), vocabulary) }
            let found = try #require(matcher)
            let tokens = tokenizer.encode(text, parsesSpecialTokens: false, addsBOS: false)
            var passes: [Duration] = []
            for _ in 0..<2 {
                passes.append(
                    try clock.measure {
                        var state = try found.follow([])
                        for (count, token) in tokens.enumerated() {
                            #expect(try found.mask(state).contains(token), "\(text), token \(count)")
                            state = try found.follow(tokens[...count], from: state)
                        }
                        #expect(try found.mask(state).mayEnd)
                    })
            }
            print(
                "\(name): compiled in \(compiling); \(tokens.count) tokens, \(found.maskWalkCount) masks in \(passes[0]), "
                    + "again in \(passes[1])")
        }
    }
}
