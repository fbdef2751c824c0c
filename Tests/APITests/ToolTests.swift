import Foundation
import Inference
import JSON
import Serving
import Testing
import Text

@testable import API

/// Tools in chats: what the template sees, and what clients see of the calls.
@Suite struct ToolTests {
    static let tools = #""tools":[{"type":"function","function":{"name":"weather","parameters":{"type":"object"}}}]"#
    static let call = "<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"city\": \"Zürich\"}}\n</tool_call>"

    static func desk() -> Desk { Desk(models: [.tiny(contextLength: 2048, hasTools: true)]) }

    private static func prompt(_ desk: Desk) -> String {
        String(decoding: desk.service.submitted[0].prompts[0].filter { $0 < 256 }.map { UInt8($0) }, as: UTF8.self)
    }

    @Test func `the template sees tools, calls and answers`() {
        let desk = Self.desk()
        desk.post(
            "/v1/chat/completions",
            #"""
            {"model":"tiny",\#(Self.tools),"messages":[{"role":"user","content":"Hi"},
            {"role":"assistant","content":null,"tool_calls":[{"id":"c1","type":"function",
            "function":{"name":"weather","arguments":"{\"days\": 2}"}}]},
            {"role":"tool","tool_call_id":"c1","content":"sunny"}]}
            """#)
        let prompt = Self.prompt(desk)
        #expect(prompt.contains(#""name": "weather""#))
        #expect(prompt.contains(#"weather {"days": 2}c1"#))
        #expect(prompt.contains("tool\nsunny"))
    }

    /// As Apus itself may have answered: what a model writes is not held to JSON, and what is may be cut.
    @Test(arguments: [#"{"city": "Zü"#, "Zürich", "[1]", #"{"a":1,"a":2}"#])
    func `arguments that are no JSON object reach the template as they are`(text: String) throws {
        let written = String(decoding: try JSONEncoder().encode(text), as: UTF8.self)
        for (path, body) in [
            (
                "/v1/chat/completions",
                #"""
                "messages":[{"role":"user","content":"Hi"},{"role":"assistant","content":null,
                "tool_calls":[{"id":"c1","type":"function","function":{"name":"weather","arguments":\#(written)}}]}]
                """#
            ),
            (
                "/v1/responses",
                #""input":[{"type":"function_call","call_id":"c1","name":"weather","arguments":\#(written)}]"#
            ),
        ] {
            let desk = Self.desk()
            let exchange = desk.post(path, #"{"model":"tiny",\#(body)}"#)
            try #require(desk.service.submitted.count == 1, "\(exchange.text)")
            // The template writes values as JSON: a string is one.
            let quoted = "\"" + text.replacing("\"", with: "\\\"") + "\""
            #expect(Self.prompt(desk).contains("weather " + quoted), "\(Self.prompt(desk))")
        }
    }

    @Test func `without tools, or with none to be chosen, nothing is a call`() {
        for fields in ["", ",\(Self.tools),\"tool_choice\":\"none\"", ",\"tools\":[],\"tool_choice\":\"auto\""] {
            let desk = Self.desk()
            let exchange = desk.chat(fields)
            desk.service.produce(
                .delta(choice: 0, text: Self.call, tokens: [1], logprobs: []), .choiceFinished(choice: 0, .stop(nil)),
                .finished(StreamTests.usage))
            #expect(exchange.text.contains("<tool_call>") && exchange.text.contains(#""finish_reason":"stop""#))
            #expect(!Self.prompt(desk).contains("weather"))
        }
    }

    @Test func `a whole answer has calls beside what is said`() {
        let desk = Self.desk()
        let exchange = desk.chat(",\(Self.tools)")
        desk.service.produce(
            .delta(choice: 0, text: "Let me see.\n" + Self.call, tokens: [1], logprobs: []),
            .delta(choice: 0, text: "\n" + Self.call, tokens: [1], logprobs: []),
            .choiceFinished(choice: 0, .stop(nil)), .finished(StreamTests.usage))
        let id = "call_\(StreamTests.name)_0_"
        let function = #""type":"function","function":{"name":"weather","arguments":"{\"city\": \"Zürich\"}"}}"#
        #expect(
            exchange.text.contains(
                #""message":{"role":"assistant","content":"Let me see.","tool_calls":[{"id":"\#(id)0",\#(function),"#
                    + #"{"id":"\#(id)1",\#(function)],"refusal":null}"#), "\(exchange.text)")
        #expect(exchange.text.contains(#""finish_reason":"tool_calls""#))
    }

    @Test func `a call alone has no content, and one is enough where they may not be parallel`() {
        let desk = Self.desk()
        let exchange = desk.chat(",\(Self.tools),\"parallel_tool_calls\":false")
        desk.service.produce(
            .delta(choice: 0, text: Self.call + Self.call + " More.", tokens: [1], logprobs: []),
            .choiceFinished(choice: 0, .stop(nil)), .finished(StreamTests.usage))
        #expect(exchange.text.contains(#""content":null,"tool_calls":[{"id":"call_"#))
        #expect(exchange.text.components(separatedBy: "call_\(StreamTests.name)").count == 2)
    }

    @Test func `a stream names the call first and then its arguments, and ends with what was held back`() {
        let desk = Self.desk()
        let exchange = desk.chat(",\"stream\":true,\(Self.tools)")
        for piece in [
            "So: <", "tool_call>{\"name\": \"weather\", \"argu", "ments\": {\"ci", "ty\": 1}}", "</tool_call><too",
        ] {
            desk.service.produce(.delta(choice: 0, text: piece, tokens: [1], logprobs: []))
        }
        desk.service.produce(.choiceFinished(choice: 0, .stop(nil)), .finished(StreamTests.usage))
        func calls(_ content: String, _ calls: String, _ finish: String = "null") -> String {
            StreamTests.chat(
                #"{"index":0,"delta":{"content":\#(content),"tool_calls":[{"index":0,\#(calls)}]},"logprobs":null,"#
                    + #""finish_reason":\#(finish)}"#)
        }
        let first =
            #""id":"call_\#(StreamTests.name)_0_0","type":"function","function":{"name":"weather","arguments":"{\"ci"}"#
        #expect(
            exchange.text
                == StreamTests.chat(StreamTests.role()) + StreamTests.chat(StreamTests.delta("So:"))
                + calls("null", first) + calls("null", #""function":{"arguments":"ty\": 1}"}"#)
                + StreamTests.chat(
                    #"{"index":0,"delta":{"content":"<too"},"logprobs":null,"finish_reason":"tool_calls"}"#)
                + StreamTests.done)
    }

    @Test(arguments: [#""required""#, #"{"type":"function","function":{"name":"weather"}}"#])
    func `a call that has to come is held to its schema, behind the mark that opens it`(choice: String) throws {
        let desk = Self.desk()
        let other = #"{"type":"function","function":{"name":"other"}}"#
        let exchange = desk.chat(
            #","tools":[{"type":"function","function":{"name":"weather","parameters":{"type":"object","#
                + ##""properties":{"city":{"$ref":"#/$defs/City"}},"$defs":{"City":{"type":"string"}}}}},\##(other)],"##
                + #""tool_choice":\#(choice)"#)
        let request = try #require(desk.service.submitted.first)
        let constraint = try #require(request.sampling.constraint)
        #expect(constraint.kind == .jsonSchema)
        #expect(constraint.source.contains(#""$defs":{"City":{"type":"string"}}"#), "\(constraint.source)")
        #expect(constraint.source.contains("other") == (choice == #""required""#))
        #expect(Self.prompt(desk).hasSuffix("<tool_call>\n"))

        desk.service.produce(
            .delta(choice: 0, text: #"{"name": "weather", "arguments": {"city": "Zug"}}"#, tokens: [1], logprobs: []),
            .choiceFinished(choice: 0, .stop(nil)), .finished(StreamTests.usage))
        #expect(exchange.text.contains(#""content":null,"tool_calls":[{"id":"call_"#))
        #expect(exchange.text.contains(#""arguments":"{\"city\": \"Zug\"}""#))
    }

    /// Parameters, and the schema of the call's arguments.
    static let forced: [(String, String)] = [
        (##"{"type":"object","properties":{}}"##, ##"{"type":"object","properties":{}}"##),
        ("{}", ##"{"allOf":[{"type":"object"},{}]}"##),
        (##"{"type":["object","null"]}"##, ##"{"allOf":[{"type":"object"},{"type":["object","null"]}]}"##),
        (
            ##"{"type":"object","properties":{"a":{"$ref":"#"},"$ref":{"const":{"$ref":"#/x"}}}}"##,
            ##"{"type":"object","properties":{"a":{"$ref":"#/anyOf/0/properties/arguments"},"$ref":{"const":{"$ref":"#/x"}}}}"##
        ),
        (
            ##"{"properties":{"const":{"items":[{"$ref":"#/properties/b"}]},"b":{"$ref":"http://x#"}}}"##,
            ##"{"allOf":[{"type":"object"},{"properties":{"const":{"items":[{"$ref":"#/anyOf/0/properties/arguments/allOf/1/properties/b"}]},"b":{"$ref":"http://x#"}}}]}"##
        ),
    ]

    @Test(arguments: forced)
    func `arguments that have to come are an object, and their schema's references are to itself`(
        parameters: String, schema: String
    ) throws {
        guard case .object(let object) = try JSONParser.parse(Array(parameters.utf8)) else {
            Issue.record("no object: \(parameters)")
            return
        }
        let function = ToolFields.Function(name: "f", definition: .mapping([]), parameters: object)
        let fields = try ToolFields([function], .required, isParallel: true, model: .tiny(hasTools: true))

        #expect(try fields.constraint()?.source.contains(#""arguments":\#(schema)"#) == true)
    }

    @Test func `tools that define different things under one name can be chosen from`() {
        let desk = Self.desk()
        func tool(_ name: String, _ type: String) -> String {
            #"{"type":"function","function":{"name":"\#(name)","parameters":{"type":"object","#
                + ##""properties":{"x":{"$ref":"#/$defs/X"}},"$defs":{"X":{"type":"\##(type)"}}}}}"##
        }
        let exchange = desk.chat(
            #","tools":[\#(tool("a", "string")),\#(tool("b", "integer"))],"tool_choice":"required""#)
        let source = desk.service.submitted.first?.sampling.constraint?.source ?? exchange.text
        for place in 0...1 { #expect(source.contains("#/anyOf/\(place)/properties/arguments/$defs/X"), "\(source)") }
    }

    struct Bad: Sendable {
        var fields: String
        var parameter: String
        var code: String
    }

    static let bad: [Bad] = [
        Bad(fields: #""tools":{}"#, parameter: "tools", code: "invalid_type"),
        Bad(fields: #""tools":[1]"#, parameter: "tools[0]", code: "invalid_type"),
        Bad(fields: #""tools":[{}]"#, parameter: "tools[0].type", code: "missing_required_parameter"),
        Bad(fields: #""tools":[{"type":"retrieval"}]"#, parameter: "tools[0].type", code: "unsupported_value"),
        Bad(
            fields: #""tools":[{"type":"function"}]"#, parameter: "tools[0].function",
            code: "missing_required_parameter"),
        Bad(
            fields: #""tools":[{"type":"function","function":{"name":"a b"}}]"#, parameter: "tools[0].function.name",
            code: "invalid_value"),
        Bad(
            fields: #""tools":[{"type":"function","function":{"name":"a","parameters":[]}}]"#,
            parameter: "tools[0].function.parameters", code: "invalid_type"),
        Bad(
            fields:
                #""tools":[{"type":"function","function":{"name":"a"}},{"type":"function","function":{"name":"a"}}]"#,
            parameter: "tools[1].function.name", code: "invalid_value"),
        Bad(fields: #""tool_choice":"required""#, parameter: "tool_choice", code: "invalid_value"),
        Bad(fields: tools + #","tool_choice":"some""#, parameter: "tool_choice", code: "invalid_value"),
        Bad(fields: tools + #","tool_choice":7"#, parameter: "tool_choice", code: "invalid_type"),
        Bad(fields: tools + #","tool_choice":{"type":"function"}"#, parameter: "tool_choice", code: "invalid_value"),
        Bad(
            fields: tools + #","tool_choice":{"type":"function","function":{"name":"b"}}"#,
            parameter: "tool_choice.function.name", code: "invalid_value"),
        Bad(
            fields: tools + #","tool_choice":"required","response_format":{"type":"json_object"}"#,
            parameter: "tool_choice", code: "invalid_value"),
        Bad(
            fields:
                #""tool_choice":"required","tools":[{"type":"function","function":{"name":"a","parameters":{"not":{}}}}]"#,
            parameter: "tools", code: "unsupported_constraint"),
        Bad(fields: tools + #","parallel_tool_calls":1"#, parameter: "parallel_tool_calls", code: "invalid_type"),
    ]

    @Test(arguments: bad) func `bad tools are refused by name`(_ bad: Bad) {
        let exchange = Self.desk().chat("," + bad.fields)
        #expect(exchange.status == 400)
        #expect(exchange.text.contains(#""param":"\#(bad.parameter)""#), "\(exchange.text)")
        #expect(exchange.text.contains(#""code":"\#(bad.code)""#), "\(exchange.text)")
    }

    @Test func `a model whose template has no place for tools says so`() {
        let exchange = Desk().chat(",\(Self.tools)")
        #expect(exchange.status == 400 && exchange.text.contains(#""code":"tools_unsupported""#))
    }
}
