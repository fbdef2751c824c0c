import TestSupport
import Testing
import Text

@Suite struct ToolCallTests {
    typealias Event = ToolCallScanner.Event

    /// Events with neighbouring pieces joined.
    static func scan(_ dialect: ToolDialect, _ pieces: [String]) -> [Event] {
        var scanner = ToolCallScanner(dialect)
        var events: [Event] = []
        for event in pieces.flatMap({ scanner.append($0) }) + scanner.finish() {
            switch (events.last, event) {
            case (.text(let a)?, .text(let b)): events[events.count - 1] = .text(a + b)
            case (.arguments(let a)?, .arguments(let b)): events[events.count - 1] = .arguments(a + b)
            default: events.append(event)
            }
        }
        return events
    }

    @Test(.timeLimit(.minutes(1)), arguments: [ToolDialect.hermes, .llama3, .mistral])
    func `a megabyte of white space is read in a moment`(dialect: ToolDialect) {
        let spaces = String(repeating: " \n", count: 1 << 19)
        #expect(
            Self.scan(dialect, [spaces, "x", spaces, "<", spaces]) == [.text(spaces + "x" + spaces + "<" + spaces)])
    }

    struct Case: CustomTestStringConvertible, Sendable {
        var dialect: ToolDialect
        var text: String
        var events: [Event]
        var testDescription: String { "\(dialect): \(text.debugDescription)" }

        init(_ dialect: ToolDialect, _ text: String, _ events: [Event]) {
            (self.dialect, self.text, self.events) = (dialect, text, events)
        }
    }

    static let weather = #"{"city": "Zürich", "days": [1, {"a": "}]\""}]}"#

    static let cases: [Case] = [
        Case(.hermes, "Just text. ", [.text("Just text. ")]),
        Case(.hermes, "", []),
        Case(.hermes, " \n", [.text(" \n")]),
        Case(
            .hermes, "<tool_call>\n{\"name\": \"weather\", \"arguments\": \(weather)}\n</tool_call>",
            [.call(name: "weather"), .arguments(weather)]),
        Case(
            .hermes,
            """
            Let me see.

            <tool_call>
            {"arguments": {"x": 1}, "name": "a"}
            </tool_call>
            <tool_call>
            {"id": 7, "name": "b", "arguments": {}}
            </tool_call>

            """,
            [
                .text("Let me see."), .call(name: "a"), .arguments("{\"x\": 1}"), .call(name: "b"), .arguments("{}"),
            ]),
        Case(
            .hermes, "<tool_call>{\"name\":\"a\",\"arguments\":{}}</tool_call> Done.",
            [.call(name: "a"), .arguments("{}"), .text(" Done.")]),
        // Marks that are none, calls that break before and after they are told.
        Case(.hermes, "1 < 2, <tool> and <tool_cal", [.text("1 < 2, <tool> and <tool_cal")]),
        Case(.hermes, "<tool_call>no JSON", [.text("<tool_call>no JSON")]),
        Case(.hermes, "<tool_call>{\"name\": 3}", [.text("<tool_call>{\"name\": 3}")]),
        Case(.hermes, "<tool_call>{\"name\": \"a\"}</tool_call>", [.text("<tool_call>{\"name\": \"a\"}</tool_call>")]),
        Case(
            .hermes, "<tool_call>{\"name\": \"a\", \"arguments\": {\"x\": [1, 2",
            [.call(name: "a"), .arguments("{\"x\": [1, 2")]),
        Case(.hermes, "<tool_call>{\"name\": \"a", [.text("<tool_call>{\"name\": \"a")]),
        Case(
            .hermes, "<tool_call>{\"name\": \"a\", \"arguments\": {]} and more",
            [.call(name: "a"), .arguments("{]"), .text("} and more")]),
        Case(
            .llama3, "{\"name\": \"weather\", \"parameters\": \(weather)}",
            [.call(name: "weather"), .arguments(weather)]),
        Case(
            .llama3,
            "\n<|python_tag|>{\"type\": \"function\", \"name\": \"a\", \"parameters\": {}}; "
                + "{\"name\": \"b\", \"parameters\": {\"x\":\"y\"}}",
            [.call(name: "a"), .arguments("{}"), .call(name: "b"), .arguments("{\"x\":\"y\"}")]),
        Case(
            .hermes, "<tool_call>{\"name\": \"a\", \"arguments\": {]</tool_call> so",
            [.call(name: "a"), .arguments("{]"), .text(" so")]),
        // A brace too few.
        Case(
            .hermes, "<tool_call>{\"name\":\"f\",\"arguments\":{\"a\":1}</tool_call>",
            [.call(name: "f"), .arguments("{\"a\":1}")]),
        Case(
            .hermes,
            "<tool_call>{\"name\":\"f\",\"arguments\":{\"a\":1}\n<tool_call>{\"name\":\"g\",\"arguments\":{}}</tool_call>",
            [.call(name: "f"), .arguments("{\"a\":1}"), .call(name: "g"), .arguments("{}")]),
        Case(
            .hermes, "<tool_call>{\"name\":\"f\",\"arguments\":{}x<tool>y",
            [.call(name: "f"), .arguments("{}"), .text("x<tool>y")]),
        Case(
            .mistral, "[TOOL_CALLS][{\"name\":\"f\",\"arguments\":{\"a\":1}] so",
            [.call(name: "f"), .arguments("{\"a\":1}"), .text(" so")]),
        Case(.llama3, "{\"answer\": 42}", [.text("{\"answer\": 42}")]),
        Case(.llama3, "  {not JSON}", [.text("  {not JSON}")]),
        Case(
            .llama3, "See {\"name\": \"a\", \"parameters\": {}}",
            [.text("See {\"name\": \"a\", \"parameters\": {}}")]),
        Case(
            .mistral,
            "[TOOL_CALLS] [{\"name\": \"a\", \"arguments\": {}}, {\"name\": \"b\", \"arguments\": {\"x\":1}}]",
            [.call(name: "a"), .arguments("{}"), .call(name: "b"), .arguments("{\"x\":1}")]),
        Case(
            .mistral, "Now:[TOOL_CALLS]weather[ARGS]\(weather)[TOOL_CALLS]b[CALL_ID]abc[ARGS]{}",
            [.text("Now:"), .call(name: "weather"), .arguments(weather), .call(name: "b"), .arguments("{}")]),
        Case(.mistral, "[TOOL_CALLS]c{\"x\":1}", [.call(name: "c"), .arguments("{\"x\":1}")]),
        Case(.mistral, "[TOOL] [1, 2]", [.text("[TOOL] [1, 2]")]),
        Case(.mistral, "[TOOL_CALLS] [] x", [.text("[TOOL_CALLS][] x")]),
    ]

    @Test(arguments: cases) func `what is said and what is called`(test: Case) {
        #expect(Self.scan(test.dialect, [test.text]) == test.events)
        #expect(Self.scan(test.dialect, test.text.map(String.init)) == test.events, "character by character")
    }

    @Test func `how a text is cut changes nothing, and no byte of said text is lost`() {
        let parts = [
            "<tool_call>", "</tool_call>", "[TOOL_CALLS]", "<|python_tag|>", "[ARGS]", "{", "}", "[", "]", "\"", "\\",
            "name", "arguments", "parameters", ":", ",", ";", " ", "\n", "é", "7",
            "{\"name\": \"f\", \"arguments\": {}}",
        ]
        for seed in 0..<400 as Range<UInt64> {
            var random = SeededRandom(seed: seed)
            let text = (0..<Int.random(in: 0...24, using: &random)).map { _ in
                parts.randomElement(using: &random) ?? ""
            }.joined()
            for dialect in ToolDialect.allCases {
                let whole = Self.scan(dialect, [text])
                var pieces: [String] = []
                var rest = Substring(text)
                while !rest.isEmpty {
                    let count = Int.random(in: 1...7, using: &random)
                    pieces.append(String(rest.prefix(count)))
                    rest = rest.dropFirst(count)
                }
                #expect(Self.scan(dialect, pieces) == whole, "seed \(seed), \(dialect): \(text)")
                if !whole.contains(where: { if case .call = $0 { true } else { false } }), !text.contains("[TOOL") {
                    let spaceless = { (text: String) in text.filter { !$0.isWhitespace } }
                    let said = whole.map { if case .text(let text) = $0 { text } else { "" } }.joined()
                    #expect(spaceless(said) == spaceless(text), "seed \(seed), \(dialect)")
                }
            }
        }
    }

    @Test func `a dialect is known by its template`() {
        #expect(ToolDialect(template: "{% if tools %}<tool_call>{% endif %}") == .hermes)
        #expect(ToolDialect(template: "{% if tools %}[AVAILABLE_TOOLS][TOOL_CALLS]{% endif %}") == .mistral)
        #expect(ToolDialect(template: "{% if tools %}<|python_tag|>{% endif %}") == .llama3)
        #expect(ToolDialect(template: "{{ messages }}<tool_call>") == nil)
        #expect(ToolDialect(template: "{% if tools %}{{ tools }}{% endif %}") == nil)
    }
}
