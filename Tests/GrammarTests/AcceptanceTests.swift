import Inference
import Testing

@testable import Grammar

/// Which texts each kind of constraint allows.
@Suite struct AcceptanceTests {
    typealias Row = (source: String, accepted: [String], rejected: [String])

    static let expressions: [Row] = [
        ("abc", ["abc"], ["", "ab", "abcd", "xabc"]),
        ("a|bc|", ["a", "bc", ""], ["b", "abc"]),
        ("[a-c]+x?", ["a", "abcx"], ["x", "d", "axx"]),
        ("(ab){2,3}", ["abab", "ababab"], ["ab", "abababab", "aba"]),
        ("a{3}", ["aaa"], ["aa", "aaaa"]), ("a{2,}", ["aa", "aaaaaaa"], ["a"]), ("a{0}b", ["b"], ["ab"]),
        ("a{,2}", ["", "aa"], ["aaa"]),
        ("\\d{3}-\\d{4}", ["555-1234"], ["5555-123", "555-123a"]),
        ("[^a-z]", ["A", "é", "日", "\u{1F600}"], ["a", "z", ""]),
        (".", ["a", "é", "\u{10FFFF}"], ["\n", "ab"]),
        ("\\w+@\\w+\\.(com|org)", ["me@x.org"], ["me@x.net", "@x.org"]),
        ("^abc$", ["abc"], ["xabc"]), ("(?:a|b)(?<n>c)", ["ac", "bc"], ["a"]),
        ("a*?b+?", ["aab", "b"], ["a"]), ("\\u00e9\\x41", ["éA"], ["eA"]),
        ("[\\]\\-a]", ["]", "-", "a"], ["b"]), ("[a-]", ["a", "-"], ["b"]),
        ("(a?){3}b", ["b", "aaab"], ["aaaab"]), ("(a*)*b", ["b", "aab"], ["a"]),
        ("(a?b?c?)*d", ["d", "abcd", "ccbad", "bd"], ["", "abc", "dd"]),
        ("((a?(b?|c*))+x?){2,3}y", ["y", "abccxby", "xxxy"], ["xxxxy", "a"]),
        ("((a|b)*c){0,2}", ["", "abcc"], ["ccc"]),
        ("[à-ü日]", ["é", "日"], ["e"]), ("\\W", ["-"], ["a", "é"]), ("{", ["{"], ["a"]), ("a{x", ["a{x"], ["a"]),
    ]

    @Test(arguments: expressions) func `a regular expression allows what it matches as a whole`(row: Row) throws {
        try check(.regex, row)
    }

    static let grammars: [Row] = [
        ("root ::= \"a\" | \"b\"", ["a", "b"], ["ab", ""]),
        ("root ::= \"a\" * (\n\"b\" | \"c\"\n) +\n", ["aab", "cb"], ["a", ""]),
        ("root ::= item (\",\" item)*\nitem ::= [0-9]+", ["1", "12,3"], ["", "1,", ",1"]),
        ("# a comment\nroot ::= (\n  \"x\" # another\n  | \"y\"\n)\n", ["x", "y"], ["xy"]),
        ("root ::= \"a\"\n  | \"b\"", ["a", "b"], []),
        ("root ::= \"(\" root? \")\"", ["()", "((()))"], ["(", "(()"]),
        (
            "root ::= expr\nexpr ::= term (\"+\" term)*\nterm ::= \"(\" expr \")\" | [a-z]", ["a+(b+c)", "a"],
            ["a+", "(a"]
        ),
        ("root ::= [^\"\\\\\\n]{2,3}", ["ab", "日本x"], ["a", "a\"", "abcd"]),
        ("root ::= \"\\x41\\u00e9\\U0001F600\\n\"", ["Aé\u{1F600}\n"], ["A"]), ("root ::= .", ["x", "\n"], ["xy"]),
        ("root ::= ws \"a\" ws{2}\nws ::= \" \"?", ["a", " a  "], ["a   "]),
        (
            "root ::= (pair \";\"?)*\npair ::= left? right?\nleft ::= \"l\" | none\nright ::= left{2} | \"r\"\nnone ::= \"\"",
            ["", "l", "rlr;;", ";lll"], ["x", "l,"]
        ),
        ("root ::= a-b\na-b ::= \"\" | \"c\"", ["", "c"], ["cc"]),
    ]

    @Test(arguments: grammars) func `a grammar allows what its root makes`(row: Row) throws {
        try check(.grammar, row)
    }

    @Test func `a choice is one of the list`() throws {
        try check(
            .choice, (#"["yes","no","\"quoted\" 日"]"#, ["yes", "no", "\"quoted\" 日"], ["", "ye", "yesno", "maybe"]))
    }

    private func check(_ kind: OutputConstraint.Kind, _ row: Row) throws {
        let constraint = OutputConstraint(kind, row.source)
        for text in row.accepted { #expect(try constraint.accepts(text), "\(row.source) should allow \(text)") }
        for text in row.rejected { #expect(try !constraint.accepts(text), "\(row.source) should not allow \(text)") }
    }
}
