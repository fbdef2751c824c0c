import Foundation
import Inference
import TestSupport
import Testing

@testable import Grammar

/// Sources that would cost time, memory or the process: each ends in an error or in an automaton of bounded size.
@Suite struct HostileSourceTests {
    static let refused: [(OutputConstraint.Kind, String, String)] = [
        (.regex, "(a{1000}){1000}", "10000"), (.regex, "((a{100}){100}){100}", "10000"),
        (.regex, "a{99999999999999999999}", "1000"),
        (.regex, String(repeating: "(", count: 5000), "deep"), (.regex, String(repeating: "a", count: 70_000), "bytes"),
        (.regex, "a**", "repeats"), (.regex, "*a", "nothing"), (.regex, "a)", "no group"), (.regex, "[a", "not closed"),
        (.regex, "(a", "not closed"), (.regex, "\\1", "back reference"), (.regex, "a\\b", "boundary"),
        (.regex, "a^b", "ends"),
        (.regex, "[b-a]", "order"), (.regex, "\\p{L}", "not supported"), (.regex, "\\ud800", "surrogate"),
        (.regex, "a{3,2}", "at most"),
        (.regex, "\\", "backslash"), (.regex, "(?i)a", "flags"), (.regex, "[]a]", "dialects"),
        (.regex, "a++", "possessive"),
        (.regex, String(repeating: "[^a].[^b]", count: 5000), "states"),
        (.grammar, "root ::= root \"a\" | \"b\"", "begins with itself"),
        (.grammar, "root ::= a\na ::= b? root | \"y\"\nb ::= \"x\"", "begins with itself"),
        (.grammar, "root ::= \"a\" root", "no text satisfies"), (.grammar, "a ::= \"a\"", "no rule root"),
        (.grammar, "root ::= b", "not defined"),
        (.grammar, "root ::= \"a\"\nroot ::= \"b\"", "twice"), (.grammar, "root = \"a\"", "::="),
        (.grammar, "root ::= \"a", "not closed"),
        (.grammar, "root ::= <think>", "tokens"), (.grammar, "root ::= \"\\q\"", "escape"),
        (.grammar, "root ::= [a", "not closed"),
        (.grammar, "root ::= \"a\" )", "end here"), (.grammar, "root ::= (\"a\"", "not closed"),
        (.grammar, "root ::= (\"a\"{1000}){1000}", "10000"), (.grammar, "", "empty"),
        (.grammar, "root ::= \"a\"" + String(repeating: "*", count: 20_000), "repeats"),
        (.grammar, "root ::= \"a\"" + String(repeating: "{1}", count: 6_000), "repeats"),
        (
            .grammar,
            "root ::= "
                + (0..<2_500).map { "[^\(UnicodeScalar(0x4E00 + UInt32($0)).map(String.init) ?? "")]" }.joined(),
            "classes"
        ),
        (.choice, "[]", "at least one"), (.choice, "{}", "list"), (.choice, "[1]", "string"),
        (.choice, "[\"\"]", "not empty"),
        (.jsonSchema, String(repeating: #"{"items":"#, count: 5000), "not valid JSON"),
        (.jsonSchema, #"{"type":"string","pattern":"(a{1000}){1000}"}"#, "10000"),
        // Each definition names the next one twice: 2^20 when written out.
        (
            .jsonSchema,
            ##"{"$ref":"#/$defs/d0","$defs":{"##
                + (0..<20).map {
                    ##""d\##($0)":{"allOf":[{"$ref":"#/$defs/d\##($0 + 1)"},{"$ref":"#/$defs/d\##($0 + 1)"}]}"##
                }
                .joined(separator: ",") + ##","d20":{"type":"integer"}}}"##, "10000 schemas"
        ),
        // What many names of one large definition say is written out for each.
        (
            .jsonSchema,
            ##"{"anyOf":["##
                + Array(repeating: ##"{"$ref":"#/$defs/z","type":"integer"}"##, count: 1_000).joined(separator: ",")
                + ##"],"$defs":{"z":{"enum":"## + list(1_900) { String($0) } + "}}}", "names and values"
        ),
        (.jsonSchema, #"{"allOf":"# + list(2_000) { #"{"required":["r\#($0)"]}"# } + "}", "names and values"),
        (
            .jsonSchema,
            #"{"oneOf":"# + list(6) { part in #"{"enum":\#(list(1_280) { #""\#(part)x\#($0)""# })}"# } + "}", "4096"
        ),
        (
            .jsonSchema,
            #"{"type":"object","properties":{"\#(String(repeating: "a", count: 20_000))":{}},"additionalProperties":true}"#,
            "1500 characters"
        ),
        (.regex, (0..<5_000).map { "a\($0)" }.joined(separator: "|"), "4096"),
    ]

    private static func list(_ count: Int, _ element: (Int) -> String) -> String {
        "[" + (0..<count).map(element).joined(separator: ",") + "]"
    }

    @Test(arguments: refused) func `a hostile source is refused with a reason`(
        kind: OutputConstraint.Kind, source: String, reason: String
    ) {
        let error = #expect(throws: GrammarError.self, "\(source.prefix(60))") {
            try CompiledGrammar(OutputConstraint(kind, source))
        }
        #expect(error?.reason.contains(reason) == true, "\(source.prefix(60)): \(String(describing: error))")
    }

    /// Long lists of what a careless reader would nest: on a thread's smallest stack.
    static let long: [(OutputConstraint.Kind, String)] = [
        (.jsonSchema, #"{"properties":{"\#(String(repeating: "a", count: 1_400))":{}},"additionalProperties":true}"#),
        (.jsonSchema, #"{"prefixItems":"# + list(256) { _ in "{}" } + "}"),
        (.jsonSchema, #"{"allOf":"# + list(800) { #"{"properties":{"a":{"minLength":\#($0 % 2)}}}"# } + "}"),
        (.jsonSchema, #"{"anyOf":"# + list(1_500) { #"{"const":"\#($0)"}"# } + "}"),
        (.jsonSchema, #"{"const":"# + String(repeating: "[", count: 60) + String(repeating: "]", count: 60) + "}"),
        (.jsonSchema, String(repeating: #"{"anyOf":["#, count: 30) + "true" + String(repeating: "]}", count: 30)),
        (.regex, String(repeating: "a|", count: 30_000)), (.regex, "(" + String(repeating: "a?", count: 2_000) + ")*"),
        (.regex, String(repeating: "(", count: 45) + "a?" + String(repeating: "b?)*", count: 45)),
        (
            .grammar,
            "root ::= r0*\n" + (0..<2_500).map { "r\($0) ::= r\($0 + 1)?\n" }.joined() + "r2500 ::= \"a\""
        ),
    ]

    @Test(arguments: long) func `a long source needs little stack`(kind: OutputConstraint.Kind, source: String) async {
        let compiles = await withCheckedContinuation { done in
            let thread = Thread {
                done.resume(returning: (try? CompiledGrammar(OutputConstraint(kind, source))) != nil)
            }
            thread.stackSize = 512 << 10
            thread.start()
        }
        #expect(compiles)
    }

    static let valid: [(OutputConstraint.Kind, String)] =
        AcceptanceTests.expressions.map { (.regex, $0.source) } + AcceptanceTests.grammars.map { (.grammar, $0.source) }
        + SchemaTests.rows.map { (.jsonSchema, $0.source) }

    @Test(arguments: [UInt64(1), 2, 3, 4]) func `mutated sources compile or are refused`(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        var refusedCount = 0
        let pieces = "(){}[]|*+?\\^$.-,:\"#09azé{2,3} \n".unicodeScalars.map { String($0) }
        for (kind, source) in Self.valid {
            for _ in 0..<20 {
                var scalars = Array(source.unicodeScalars)
                for _ in 0...random.below(3) where !scalars.isEmpty {
                    let place = random.below(scalars.count)
                    switch random.below(4) {
                    case 0: scalars.remove(at: place)
                    case 1: scalars.insert(contentsOf: pieces[random.below(pieces.count)].unicodeScalars, at: place)
                    case 2: scalars[place] = pieces[random.below(pieces.count)].unicodeScalars.first ?? "x"
                    default: scalars.swapAt(place, random.below(scalars.count))
                    }
                }
                let text = String(String.UnicodeScalarView(scalars))
                do {
                    _ = try CompiledGrammar(OutputConstraint(kind, text)).accepts(Array("a1,\"x\"".utf8))
                } catch {
                    refusedCount += 1
                }
            }
        }
        #expect(refusedCount > 100)
    }

    @Test func `an expression that can be read in too many ways fails, and does not run on`() throws {
        let source = "(" + String(repeating: "(a{1,30}b?){1,30}|", count: 20) + "x)"
        let matcher = GrammarMatcher(try CompiledGrammar(OutputConstraint(.regex, source)), TinyVocabulary.vocabulary)
        var failure: GrammarFailure?
        do throws(GrammarFailure) {
            _ = try matcher.follow(ArraySlice(repeatElement(TokenID(UInt8(ascii: "a")), count: 400)))
        } catch {
            failure = error
        }
        #expect(failure == .tooAmbiguous)
    }
}
