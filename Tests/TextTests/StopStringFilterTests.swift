import TestSupport
import Testing
import Text

@Suite struct StopStringFilterTests {
    /// All that is shown of `text` when it comes in `pieces`, and which stop string ended it.
    private func filtered(
        _ pieces: [String], _ stops: [String], includesStopString: Bool = false
    ) -> StopStringFilter.Output {
        var filter = StopStringFilter(stopStrings: stops, includesStopString: includesStopString)
        var shown = ""
        for piece in pieces {
            let output = filter.process(piece)
            shown += output.text
            if let matched = output.matched { return .init(text: shown, matched: matched) }
        }
        return .init(text: shown + filter.finish(), matched: nil)
    }

    @Test func `text without stop strings passes at once`() {
        var filter = StopStringFilter(stopStrings: [], includesStopString: false)
        #expect(filter.process("abc") == .init(text: "abc", matched: nil))
        #expect(filter.finish() == "")
    }

    @Test func `only what may become a stop string is held back`() {
        var filter = StopStringFilter(stopStrings: ["STOP", "Never"], includesStopString: false)
        #expect(filter.process("go S") == .init(text: "go ", matched: nil))
        #expect(filter.process("T") == .init(text: "", matched: nil))
        #expect(filter.process("AR") == .init(text: "STAR", matched: nil))
        #expect(filter.process("T, Nev") == .init(text: "T, ", matched: nil))
        #expect(filter.finish() == "Nev")
    }

    @Test func `the stop string is cut, or kept when asked for`() {
        #expect(filtered(["one ", "E", "ND two"], ["END"]) == .init(text: "one ", matched: "END"))
        #expect(
            filtered(["one ", "E", "ND two"], ["END"], includesStopString: true)
                == .init(text: "one END", matched: "END"))
    }

    @Test(arguments: [
        // What completes first wins, even if another began earlier.
        (["abcd", "bc"], "xabcdx", "xa", "bc"),
        // Of those that complete together the longest, which began first.
        (["bc", "abc"], "xabcx", "x", "abc"),
        (["aab"], "aaab", "a", "aab"), (["ab", "a"], "xab", "x", "a"), (["\n\n"], "a\n\nb", "a", "\n\n"),
        (["ü"], "grün", "gr", "ü"), (["é"], "e\u{301}é", "e\u{301}", "é"), (["🌍"], "🚀🌍", "🚀", "🌍"),
    ])
    func `overlapping stop strings have one rule, however the text comes`(
        stops: [String], text: String, shown: String, matched: String
    ) {
        let scalars = text.unicodeScalars.map(String.init)

        for pieces in [[text], scalars] {
            let output = filtered(pieces, stops)
            #expect(output.matched == matched)
            #expect(output.text.utf8.elementsEqual(shown.utf8))
        }
    }

    @Test(arguments: 0..<60) func `the result does not depend on how the text was cut`(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        let letters = ["a", "b", "é", "\n"]
        func text(_ lengths: ClosedRange<Int>) -> String {
            (0..<Int.random(in: lengths, using: &random)).map { _ in letters.randomElement(using: &random) ?? "" }
                .joined()
        }

        for _ in 0..<40 {
            let stops = (0..<Int.random(in: 1...4, using: &random)).map { _ in text(1...4) }
            let whole = text(0...24)
            var pieces: [String] = [""]
            for scalar in whole.unicodeScalars {
                if Bool.random(using: &random) { pieces.append("") }
                pieces[pieces.count - 1].unicodeScalars.append(scalar)
            }
            let includes = Bool.random(using: &random)

            let output = filtered(pieces, stops, includesStopString: includes)

            #expect(output == filtered([whole], stops, includesStopString: includes))
            let found = stops.contains { whole.utf8Contains($0) }
            #expect((output.matched != nil) == found)
            if !found { #expect(output.text == whole) }
        }
    }
}

extension String {
    /// Without normalization, unlike `contains`.
    fileprivate func utf8Contains(_ part: String) -> Bool {
        let (whole, part) = (Array(utf8), Array(part.utf8))
        return whole.indices.contains { whole[$0...].starts(with: part) }
    }
}
