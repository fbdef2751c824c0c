import Foundation
import Grammar
import Inference
import TestSupport
import Testing

/// Constraints as clients send them, and as other readers of the same sources understand them.
@Suite(.serialized) struct ConstrainedOutputTests {
    static let packages = ["openai==3.52.0", "pydantic", "jsonschema"]

    @Test func `the openai package gets what it asks for`() throws {
        let cluster = try Cluster()
        let (status, said) = try PythonEnvironment.outcome(
            "constrained_client.py", ["http://127.0.0.1:\(cluster.port)/v1"], packages: Self.packages)
        #expect(status == 0, "\(said)")
    }

    static let expressions = [
        "a|bc|", "[a-c]+x?", "(ab){2,3}", "\\d{3}-\\d{4}", "[^a-z]{1,4}", "\\w+@\\w+\\.(com|org)", "^[A-Z][a-z]*$",
        "(?:a|b)(?P<n>c)?d", "a*?b+?", "[\\]\\-a]+", "(a?){3}b", "((a|b)*c){0,2}", "(\\s|[a-z]){2}", "[à-ü日]{1,3}",
        ".{0,3}\\.",
        "-?(0|[1-9]\\d{0,3})(\\.\\d{1,2})?", "\\x41\\u00e9\\t?", "[\\w.-]{1,3}",
    ]
    static let schemas = [
        #"{"type":"object","properties":{"a":{"type":"integer","minimum":-7,"maximum":1203},"b":{"type":"string","maxLength":4},"c":{"enum":["x",2,null]}},"required":["b"],"additionalProperties":false}"#,
        #"{"type":"object","properties":{"a":{"type":"integer"}},"additionalProperties":{"type":"string","minLength":1}}"#,
        #"{"type":"array","prefixItems":[{"const":"p"},{"type":"boolean"}],"items":{"type":"null"},"minItems":1,"maxItems":4}"#,
        #"{"type":"number","exclusiveMinimum":-2.5,"maximum":17.25}"#,
        #"{"type":"number","minimum":0.125,"exclusiveMaximum":0.25}"#,
        #"{"type":"string","pattern":"b[0-9]+\"?$"}"#, #"{"format":"date-time"}"#, #"{"format":"ipv4"}"#,
        #"{"format":"uuid"}"#,
        #"{"format":"email"}"#, #"{"format":"date"}"#, #"{"format":"time"}"#,
        ##"{"$ref":"#/$defs/n","$defs":{"n":{"anyOf":[{"type":"null"},{"type":"array","items":{"$ref":"#/$defs/n"},"maxItems":2}]}}}"##,
        #"{"oneOf":[{"type":"string","maxLength":2},{"type":"integer","exclusiveMinimum":5,"maximum":7},{"type":"object","properties":{"k":{"const":1}},"required":["k"]}]}"#,
        #"{"allOf":[{"type":"object","properties":{"a":{"type":"integer","minimum":3}}},{"properties":{"a":{"maximum":9}},"required":["a"]}]}"#,
        #"{"type":"object"}"#, "true",
    ]

    /// Texts that were walked at random through our automata, and changed copies of them.
    @Test func `re and jsonschema agree with what is allowed here`() throws {
        var random = SeededRandom(seed: 20)
        var cases: [[String: Any]] = []
        let sources =
            Self.expressions.map { ("regex", OutputConstraint(.regex, $0)) }
            + Self.schemas.map { ("schema", OutputConstraint(.jsonSchema, $0)) }
        for (kind, constraint) in sources {
            let grammar = try CompiledGrammar(constraint)
            for _ in 0..<30 {
                guard var text = try Self.walk(grammar, &random) else { continue }
                for isChanged in [false, true] {
                    if isChanged {
                        let place = random.below(text.count + 1)
                        if random.happens(0.5), place < text.count {
                            text.remove(at: place)
                        } else {
                            text.insert(Array("ab-.1 \"]}é".unicodeScalars)[random.below(10)], at: place)
                        }
                    }
                    let string = String(String.UnicodeScalarView(text))
                    let isOurs = try grammar.accepts(Array(string.utf8))
                    #expect(isOurs || isChanged)
                    cases.append(["kind": kind, "source": constraint.source, "text": string, "ours": isOurs])
                }
            }
        }
        #expect(cases.count > 1000)
        let file = FileManager.default.temporaryDirectory.appending(path: "apus-constraints-\(getpid()).json")
        try JSONSerialization.data(withJSONObject: cases).write(to: file)
        defer { try? FileManager.default.removeItem(at: file) }
        let (status, said) = try PythonEnvironment.outcome("check_constraints.py", [file.path], packages: Self.packages)
        #expect(status == 0, "\(said)")
    }

    /// All bytes, and some characters whole.
    static let vocabulary = TokenVocabulary(
        (0..<256).map { [UInt8($0)] } + ["é", "日", "\u{1F600}"].map { Array($0.utf8) })

    private static func walk(_ grammar: CompiledGrammar, _ random: inout SeededRandom) throws -> [Unicode.Scalar]? {
        let matcher = GrammarMatcher(grammar, vocabulary)
        var tokens: [TokenID] = []
        var state = try matcher.follow([])
        while tokens.count < 200 {
            let mask = try matcher.mask(state)
            if mask.mayEnd && (mask.count == 0 || random.happens(0.3)) {
                let bytes = tokens.flatMap {
                    $0 < 256 ? [UInt8($0)] : Array("é日\u{1F600}".unicodeScalars.map { String($0) }[Int($0) - 256].utf8)
                }
                return Array(String(decoding: bytes, as: UTF8.self).unicodeScalars)
            }
            let allowed = (0..<TokenID(259)).filter(mask.contains)
            let closing = "\"}]".utf8.map { TokenID($0) }.filter(mask.contains)
            let pool = random.happens(0.3) && !closing.isEmpty ? closing : allowed
            tokens.append(pool[random.below(pool.count)])
            state = try matcher.follow(tokens[...], from: state)
        }
        return nil
    }
}
