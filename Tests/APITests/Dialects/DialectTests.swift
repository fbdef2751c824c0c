import HTTP
import Inference
import NIOCore
import NIOEmbedded
import Serving
import Testing

@testable import API

/// What every dialect owes: the same request, errors in its own shape, and an end when the client leaves.
@Suite struct DialectTests {
    static let parameters = #""temperature":0.5,"top_p":0.9,"top_k":7,"min_p":0.1,"seed":11"#
    static let schema = #"{"type":"object","properties":{"a":{"type":"integer"}}}"#
    static let function = #""name":"weather","description":"Tells it.""#

    /// The same conversation in each dialect: path and body.
    static let conversations: [(path: String, body: String)] = [
        (
            "/v1/chat/completions",
            #"""
            {"model":"tiny",\#(parameters),"max_tokens":20,"stop":["END"],
            "messages":[{"role":"system","content":"Be brief."},{"role":"user","content":"Hi"},
            {"role":"assistant","content":null,"tool_calls":[{"id":"c1","type":"function",
            "function":{"name":"weather","arguments":"{\"a\": 1}"}}]},
            {"role":"tool","tool_call_id":"c1","content":"sunny"},{"role":"user","content":"So?"}],
            "tools":[{"type":"function","function":{\#(function),"parameters":\#(schema)}}]}
            """#
        ),
        (
            "/v1/responses",
            #"""
            {"model":"tiny",\#(parameters),"max_output_tokens":20,"stop":["END"],"instructions":"Be brief.",
            "input":[{"role":"user","content":[{"type":"input_text","text":"Hi"}]},
            {"type":"function_call","call_id":"c1","name":"weather","arguments":"{\"a\": 1}"},
            {"type":"function_call_output","call_id":"c1","output":"sunny"},
            {"type":"message","role":"user","content":"So?"}],
            "tools":[{"type":"function",\#(function),"parameters":\#(schema)}]}
            """#
        ),
        (
            "/v1/messages",
            #"""
            {"model":"tiny",\#(parameters),"max_tokens":20,"stop_sequences":["END"],
            "system":[{"type":"text","text":"Be brief."}],
            "messages":[{"role":"user","content":"Hi"},
            {"role":"assistant","content":[{"type":"tool_use","id":"c1","name":"weather","input":{"a":1}}]},
            {"role":"user","content":[{"type":"tool_result","tool_use_id":"c1","content":[{"type":"text","text":"sunny"}]},
            {"type":"text","text":"So?"}]}],
            "tools":[{\#(function),"input_schema":\#(schema)}]}
            """#
        ),
        (
            "/api/chat",
            #"""
            {"model":"tiny:latest","options":{\#(parameters),"num_predict":20,"stop":["END"],"num_ctx":4096},
            "messages":[{"role":"system","content":"Be brief."},{"role":"user","content":"Hi"},
            {"role":"assistant","content":"","tool_calls":[{"function":{"name":"weather","arguments":{"a":1}}}]},
            {"role":"tool","tool_name":"weather","tool_call_id":"c1","content":"sunny"},{"role":"user","content":"So?"}],
            "tools":[{"type":"function","function":{\#(function),"parameters":\#(schema)}}]}
            """#
        ),
    ]

    @Test func `the same conversation is the same request in every dialect`() throws {
        var requests: [GenerationRequest] = []
        for (path, body) in Self.conversations {
            let desk = ToolTests.desk()
            let exchange = desk.post(path, body)
            let request = try #require(desk.service.submitted.first, "\(path): \(exchange.text)")
            requests.append(request)
            #expect(request.prompts == requests[0].prompts, "\(path)")
            #expect(request.sampling == requests[0].sampling, "\(path)")
            #expect(request.stopStrings == ["END"], "\(path)")
        }
        #expect(requests[0].sampling.seed == 11 && requests[0].sampling.maxTokens == 20)
        #expect(requests[0].sampling.topK == 7)
    }

    @Test func `a prompt without a template is the prompt of a completion`() throws {
        let desk = Desk()
        desk.post("/v1/completions", #"{"model":"tiny","prompt":"Once","max_tokens":5}"#)
        desk.post("/api/generate", #"{"model":"tiny","prompt":"Once","raw":true,"options":{"num_predict":5}}"#)
        #expect(desk.service.submitted.count == 2)
        #expect(desk.service.submitted[0].prompts == desk.service.submitted[1].prompts)
        #expect(desk.service.submitted[1].sampling.maxTokens == 5)
    }

    @Test(arguments: [
        ("/v1/responses", #"{"input":"Hi","text":{"format":{"type":"json_schema","name":"a","schema":\#(schema)}}}"#),
        (
            "/v1/messages",
            #"{"max_tokens":9,"messages":[{"role":"user","content":"Hi"}],"output_config":{"format":{"type":"json_schema","schema":\#(schema)}}}"#
        ),
        ("/api/generate", #"{"model":"tiny","prompt":"Hi","format":\#(schema)}"#),
    ]) func `a schema holds the answer`(path: String, body: String) throws {
        let desk = Desk()
        let exchange = desk.post(path, body)
        let request = try #require(desk.service.submitted.first, "\(exchange.text)")
        #expect(request.sampling.constraint == OutputConstraint(.jsonSchema, Self.schema))
    }

    /// Bodies that begin a stream, what the stream says while it is silent, and how it fails.
    static let streams: [(path: String, body: String, silence: String, failure: String)] = [
        (
            "/v1/responses", #"{"input":"Hi","stream":true}"#, ": keep-alive\n\n",
            #""status":"failed","background":false,"error":{"code":"internal_error","message":"broken"}"#
        ),
        (
            "/v1/messages", #"{"max_tokens":9,"messages":[{"role":"user","content":"Hi"}],"stream":true}"#,
            "event: ping\ndata: {\"type\":\"ping\"}\n\n",
            #"event: error\#ndata: {"type":"error","error":{"type":"api_error","message":"broken"},"request_id":""#
        ),
        (
            "/api/chat", #"{"model":"tiny","messages":[{"role":"user","content":"Hi"}]}"#,
            #""message":{"role":"assistant","content":""},"done":false}"# + "\n", #"{"error":"broken"}"# + "\n"
        ),
    ]

    @Test(arguments: 0..<3) func `a silent stream is kept open, and a failure ends it in the dialect's words`(
        _ index: Int
    ) {
        let stream = Self.streams[index]
        let desk = Desk()
        let exchange = desk.post(stream.path, stream.body)
        #expect(exchange.status == 200)
        let before = exchange.text
        desk.loop.advanceTime(by: .seconds(11))
        #expect(exchange.text.dropFirst(before.count).hasSuffix(stream.silence), "\(exchange.text)")
        desk.service.produce(.failed(.internalFailure("broken")))
        #expect(exchange.text.contains(stream.failure), "\(exchange.text)")
        #expect(exchange.isFinished)
    }

    @Test(arguments: 0..<3) func `a client that leaves cancels its request`(_ index: Int) {
        let desk = Desk()
        let exchange = desk.post(Self.streams[index].path, Self.streams[index].body)
        exchange.onClientGone?()
        #expect(desk.service.cancelled.count == 1)
        desk.service.produce(.delta(choice: 0, text: "late", tokens: [1], logprobs: []))
        #expect(!exchange.text.contains("late"))
    }

    @Test(arguments: 0..<3) func `streams that cannot be gone on with say so`(_ index: Int) {
        let desk = Desk()
        let exchange = desk.post(
            Self.streams[index].path, Self.streams[index].body, headers: [HTTPField("last-event-id", "abc")])
        #expect(exchange.status == 400 && exchange.text.contains("Last-Event-ID"), "\(exchange.text)")
        #expect(desk.service.submitted.isEmpty)
    }

    @Test func `errors have the shape of the path's dialect`() {
        let desk = Desk()
        let shapes = [
            ("/v1/responses", #"{"error":{"message":""#), ("/v1/messages", #"{"type":"error","error":{"type":""#),
            ("/v1/messages/count_tokens", #"{"type":"error","error":{"type":""#), ("/api/chat", #"{"error":""#),
        ]
        for (path, shape) in shapes {
            let broken = desk.post(path, "{")
            #expect(broken.status == 400 && broken.text.hasPrefix(shape), "\(broken.text)")
            let misused = desk.get(path)
            #expect(misused.status == 405 && misused.text.hasPrefix(shape), "\(misused.text)")
        }
        desk.service.refusal = .queueFull(limit: 9, retryAfterSeconds: 3)
        let full = desk.post("/v1/messages", #"{"max_tokens":9,"messages":[{"role":"user","content":"Hi"}]}"#)
        #expect(full.status == 429 && full.text.contains(#""type":"rate_limit_error""#))
        #expect(full.header("retry-after") == "3")
        let unknown = desk.post("/v1/messages", #"{"model":"x","max_tokens":9,"messages":[]}"#)
        #expect(unknown.status == 404 && unknown.text.contains(#""type":"not_found_error""#))
    }
}
