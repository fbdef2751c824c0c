import Foundation
import HTTP
import Inference
import Serving
import Testing

@testable import API

/// Answers byte for byte where they are short, and event by event where they are long.
@Suite struct DialectStreamTests {
    static let usage = Usage(promptTokens: 30, completionTokens: 3, cachedTokens: 16)
    static let name = StreamTests.name
    static let responseEnd =
        #""parallel_tool_calls":true,"previous_response_id":null,"reasoning":{"effort":null,"summary":null},"#
        + #""store":false,"temperature":1.0,"text":{"format":{"type":"text"}},"tool_choice":"auto","tools":[],"#
        + #""top_p":1.0,"truncation":"disabled","usage":"#
    static let responseUsage =
        #"{"input_tokens":30,"input_tokens_details":{"cached_tokens":16,"cache_write_tokens":0},"output_tokens":3,"#
        + #""output_tokens_details":{"reasoning_tokens":0},"total_tokens":33},"metadata":{}}"#

    static func response(_ status: String, _ details: String, _ output: String, _ usage: String) -> String {
        #"{"id":"resp_\#(name)","object":"response","created_at":1700000000,"status":"\#(status)","#
            + #""background":false,"error":null,"incomplete_details":\#(details),"instructions":null,"#
            + #""max_output_tokens":9,"model":"tiny","output":[\#(output)],\#(responseEnd)\#(usage)"#
    }
    static func item(_ status: String, _ content: String) -> String {
        #"{"id":"msg_\#(name)_0","type":"message","status":"\#(status)","role":"assistant","content":[\#(content)]}"#
    }
    static func part(_ text: String) -> String {
        #"{"type":"output_text","text":"\#(text)","annotations":[],"logprobs":[]}"#
    }

    /// Type and members of each event.
    static func events(_ text: String) throws -> [(type: String, data: String, json: [String: Any])] {
        try text.components(separatedBy: "\n\n").filter { !$0.isEmpty }.map { event in
            let lines = event.components(separatedBy: "\n")
            #expect(lines.count == 2 && lines[0].hasPrefix("event: ") && lines[1].hasPrefix("data: "), "\(event)")
            let data = String(lines[1].dropFirst(6))
            let json = try #require(try JSONSerialization.jsonObject(with: Data(data.utf8)) as? [String: Any])
            #expect(json["type"] as? String == String(lines[0].dropFirst(7)))
            return (String(lines[0].dropFirst(7)), data, json)
        }
    }

    static func say(_ desk: Desk, _ pieces: [String], _ reason: FinishReason) {
        for piece in pieces { desk.service.produce(.delta(choice: 0, text: piece, tokens: [1], logprobs: [])) }
        desk.service.produce(.choiceFinished(choice: 0, reason), .finished(usage))
    }

    @Test func `a response in one`() {
        let desk = Desk()
        let exchange = desk.post("/v1/responses", #"{"input":"Hi","max_output_tokens":9}"#)
        Self.say(desk, ["Hel", "lo"], .length)
        #expect(
            exchange.text
                == Self.response(
                    "incomplete", #"{"reason":"max_output_tokens"}"#, Self.item("incomplete", Self.part("Hello")),
                    Self.responseUsage))
        #expect(exchange.header("content-type") == "application/json")
    }

    @Test func `a response's stream builds the same response`() throws {
        let desk = Desk()
        let exchange = desk.post("/v1/responses", #"{"input":"Hi","max_output_tokens":9,"stream":true}"#)
        Self.say(desk, ["Hel", "lo"], .stop(nil))
        let place = #""item_id":"msg_\#(Self.name)_0","output_index":0,"content_index":0"#
        let started = Self.response("in_progress", "null", "", #"null,"metadata":{}}"#)
        let done = Self.response(
            "completed", "null", Self.item("completed", Self.part("Hello")), Self.responseUsage)
        let expected = [
            ("response.created", #""response":\#(started)"#), ("response.in_progress", #""response":\#(started)"#),
            ("response.output_item.added", #""output_index":0,"item":\#(Self.item("in_progress", ""))"#),
            ("response.content_part.added", #"\#(place),"part":\#(Self.part(""))"#),
            ("response.output_text.delta", #"\#(place),"delta":"Hel","logprobs":[]"#),
            ("response.output_text.delta", #"\#(place),"delta":"lo","logprobs":[]"#),
            ("response.output_text.done", #"\#(place),"text":"Hello","logprobs":[]"#),
            ("response.content_part.done", #"\#(place),"part":\#(Self.part("Hello"))"#),
            (
                "response.output_item.done",
                #""output_index":0,"item":\#(Self.item("completed", Self.part("Hello")))"#
            ),
            ("response.completed", #""response":\#(done)"#),
        ]
        let events = try Self.events(exchange.text)
        #expect(events.count == expected.count)
        for (number, (event, (type, members))) in zip(events, expected).enumerated() {
            #expect(event.data == #"{"type":"\#(type)","sequence_number":\#(number),\#(members)}"#)
        }
        #expect(exchange.header("content-type") == "text/event-stream" && exchange.isFinished)
    }

    static let tool = #"{"type":"function","name":"weather","parameters":{"type":"object"}}"#
    static let pieces = [
        "So: <", "tool_call>{\"name\": \"weather\", \"argu", "ments\": {\"ci", "ty\": 1}}", "</tool_call>",
    ]

    @Test func `a response's call is an item of its own`() throws {
        let desk = ToolTests.desk()
        let exchange = desk.post("/v1/responses", #"{"input":"Hi","stream":true,"tools":[\#(Self.tool)]}"#)
        Self.say(desk, Self.pieces, .stop(nil))
        let events = try Self.events(exchange.text)
        let types = events.map { String($0.type.dropFirst("response.".count)) }
        #expect(
            types == [
                "created", "in_progress", "output_item.added", "content_part.added", "output_text.delta",
                "output_text.done", "content_part.done", "output_item.done", "output_item.added",
                "function_call_arguments.delta", "function_call_arguments.delta", "function_call_arguments.done",
                "output_item.done", "completed",
            ])
        let call =
            #"{"id":"fc_\#(Self.name)_1","type":"function_call","status":"completed","call_id":"call_\#(Self.name)_1","#
            + #""name":"weather","arguments":"{\"city\": 1}"}"#
        #expect(events[12].data.hasSuffix(#""output_index":1,"item":\#(call)}"#), "\(events[12].data)")
        #expect(events[13].data.contains(call))

        let whole = desk.post("/v1/responses", #"{"input":"Hi","tools":[\#(Self.tool)]}"#)
        Self.say(desk, Self.pieces, .stop(nil))
        #expect(whole.text.contains(#""text":"So:""#) && whole.text.contains(#""arguments":"{\"city\": 1}"}]"#))
    }

    static let message = #"{"max_tokens":9,"messages":[{"role":"user","content":"Hi"}]"#

    @Test(arguments: [
        (FinishReason.stop(nil), #""end_turn","stop_sequence":null"#),
        (.stop("END"), #""stop_sequence","stop_sequence":"END""#), (.length, #""max_tokens","stop_sequence":null"#),
    ]) func `a message in one says why it stopped`(reason: FinishReason, says: String) {
        let desk = Desk()
        let exchange = desk.post(
            "/v1/messages", Self.message + "}",
            headers: [.init("anthropic-version", "2023-06-01"), .init("x-api-key", "k")])
        Self.say(desk, ["Hel", "lo"], reason)
        #expect(
            exchange.text
                == #"{"id":"msg_\#(Self.name)","type":"message","role":"assistant","model":"tiny","content":["#
                + #"{"type":"text","text":"Hello"}],"stop_reason":\#(says),"usage":{"input_tokens":14,"#
                + #""cache_creation_input_tokens":0,"cache_read_input_tokens":16,"output_tokens":3}}"#)
    }

    @Test func `a message's stream has blocks of text and of calls`() throws {
        let desk = ToolTests.desk()
        let tools = #","stream":true,"tools":[{"name":"weather","input_schema":{"type":"object"}}]}"#
        let exchange = desk.post("/v1/messages", Self.message + tools)
        let promptCount = desk.service.submitted[0].prompts[0].count
        Self.say(desk, Self.pieces, .stop(nil))
        let block =
            #""index":1,"content_block":{"type":"tool_use","id":"toolu_\#(Self.name)_0","name":"weather","input":{}}"#
        #expect(
            try Self.events(exchange.text).map(\.data) == [
                #"{"type":"message_start","message":{"id":"msg_\#(Self.name)","type":"message","role":"assistant","#
                    + #""model":"tiny","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":"#
                    + #"\#(promptCount),"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":0}}}"#,
                #"{"type":"ping"}"#,
                #"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#,
                #"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"So:"}}"#,
                #"{"type":"content_block_stop","index":0}"#, #"{"type":"content_block_start",\#(block)}"#,
                #"{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"{\"ci"}}"#,
                #"{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"ty\": 1}"}}"#,
                #"{"type":"content_block_stop","index":1}"#,
                #"{"type":"message_delta","delta":{"stop_reason":"tool_use","stop_sequence":null},"usage":"#
                    + #"{"input_tokens":14,"cache_creation_input_tokens":0,"cache_read_input_tokens":16,"output_tokens":3}}"#,
                #"{"type":"message_stop"}"#,
            ])

        let whole = desk.post("/v1/messages", Self.message + tools.replacing(#""stream":true,"#, with: ""))
        Self.say(desk, Self.pieces, .stop(nil))
        #expect(whole.text.contains(#"{"type":"text","text":"So:"},{"type":"tool_use""#), "\(whole.text)")
        #expect(whole.text.contains(#""input":{"city":1}}],"stop_reason":"tool_use""#))
    }

    @Test func `tokens of a message are those that its prompt has`() {
        let desk = Desk()
        desk.post("/v1/messages", Self.message + "}")
        let count = desk.post("/v1/messages/count_tokens", #"{"messages":[{"role":"user","content":"Hi"}]}"#)
        #expect(count.text == #"{"input_tokens":\#(desk.service.submitted[0].prompts[0].count)}"#)
        #expect(desk.service.submitted.count == 1)
    }

    static let line = #"{"model":"tiny","created_at":"2023-11-14T22:13:20Z","#
    static let counts =
        #""total_duration":0,"load_duration":0,"prompt_eval_count":30,"prompt_eval_duration":0,"eval_count":3,"#
        + #""eval_duration":0}"#

    @Test func `Ollama's chats are lines, of which the last says how it ended`() {
        let desk = ToolTests.desk()
        let tools = #""tools":[{"type":"function","function":{"name":"weather","parameters":{"type":"object"}}}]"#
        let body = #"{"model":"tiny","messages":[{"role":"user","content":"Hi"}],\#(tools)"#
        let exchange = desk.post("/api/chat", body + "}")
        #expect(exchange.header("content-type") == "application/x-ndjson")
        Self.say(desk, Self.pieces, .stop(nil))
        let call = #""tool_calls":[{"function":{"name":"weather","arguments":{"city":1}}}]"#
        #expect(
            exchange.text
                == Self.line + #""message":{"role":"assistant","content":"So:"},"done":false}"# + "\n"
                + Self.line + #""message":{"role":"assistant","content":"",\#(call)},"done":false}"# + "\n" + Self.line
                + #""message":{"role":"assistant","content":""},"done":true,"done_reason":"stop",\#(Self.counts)"#
                + "\n")

        let whole = desk.post("/api/chat", body + #","stream":false}"#)
        Self.say(desk, Self.pieces, .length)
        #expect(
            whole.text == Self.line
                + #""message":{"role":"assistant","content":"So:",\#(call)},"done":true,"done_reason":"length",\#(Self.counts)"#
        )
    }

    @Test func `Ollama's prompts are lines too, and none is asked of an empty one`() {
        let desk = Desk()
        let exchange = desk.post("/api/generate", #"{"model":"tiny","prompt":"Hi","keep_alive":"5m"}"#)
        Self.say(desk, ["a"], .stop("x"))
        #expect(
            exchange.text == Self.line + #""response":"a","done":false}"# + "\n" + Self.line
                + #""response":"","done":true,"done_reason":"stop",\#(Self.counts)"# + "\n")
        for path in ["/api/generate", "/api/chat"] {
            let load = desk.post(path, #"{"model":"tiny","keep_alive":0}"#)
            #expect(load.text.hasSuffix(#""done":true,"done_reason":"load"}"#), "\(load.text)")
        }
        #expect(desk.service.submitted.count == 1)
    }

    @Test func `Ollama's lists have the models that are served, and those that are ready`() {
        let desk = Desk(models: [.tiny(), .tiny(name: "other", hasTools: true)])
        desk.service.unreadyModels = ["other"]
        let tags = desk.get("/api/tags").text
        #expect(tags.contains(#""name":"tiny","model":"tiny","modified_at":"2020-09-13T12:26:40Z","digest":"0123"#))
        #expect(tags.contains(#""name":"other""#))
        #expect(!desk.get("/api/ps").text.contains(#""name":"other""#))
        let shown = desk.post("/api/show", #"{"model":"other:latest"}"#).text
        #expect(shown.contains(#""general.context_length":256"#) && shown.contains(#"["completion","tools"]"#))
        #expect(desk.get("/api/version").text == #"{"version":"1.2.3"}"#)
    }

    @Test(
        arguments: [
            (0, "1970-01-01T00:00:00Z"), (951_782_399, "2000-02-28T23:59:59Z"), (951_782_400, "2000-02-29T00:00:00Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"), (1_798_761_599, "2026-12-31T23:59:59Z"),
            (-5, "1970-01-01T00:00:00Z"),
            (Int64.max, "9999-12-31T23:59:59Z"),
        ] as [(Int64, String)]) func `times are written as RFC 3339 has them`(seconds: Int64, text: String)
    {
        #expect(UTCTime.text(unixSeconds: seconds) == text)
    }
}
