import HTTP
import Inference
import InferenceProtocol
import NIOEmbedded
import Serving
import SwiftProtobuf
import Testing

@testable import API

/// What is worked on here, and what on other threads, in whose turn.
@Suite struct PreparationTests {
    static func held(_ desk: Desk) -> Desk {
        desk.offloaded.isHeld = true
        return desk
    }

    static let messages = #""model":"tiny","max_tokens":4,"messages":[{"role":"user","content":"Hi"}]"#
    static let schema = #"{"type":"object","properties":{"a":{"type":"integer"}}}"#
    static let tool = #"{"type":"function","function":{"name":"f","parameters":\#(schema)}}"#

    /// A request of each way to say what an answer must be.
    static let constrained: [(path: String, body: String)] = [
        ("/v1/completions", #"{"prompt":"Hi","guided_regex":"a+"}"#),
        ("/v1/completions", #"{"prompt":"Hi","guided\u005fregex":"a+"}"#),
        ("/v1/completions", #"{"prompt":"Hi","guided_choice":["a","b"]}"#),
        ("/v1/completions", #"{"prompt":"Hi","grammar":"root ::= \"a\""}"#),
        ("/v1/completions", #"{"prompt":"Hi","structured_outputs":{"json":\#(schema)}}"#),
        ("/v1/chat/completions", #"{\#(messages),"guided_json":\#(schema)}"#),
        ("/v1/chat/completions", #"{\#(messages),"response_format":{"type":"json_object"}}"#),
        ("/v1/chat/completions", #"{\#(messages),"tools":[\#(tool)],"tool_choice":"required"}"#),
        (
            "/v1/responses",
            #"{"model":"tiny","input":"Hi","text":{"format":{"type":"json_schema","name":"n","schema":\#(schema)}}}"#
        ),
        (
            "/v1/messages",
            #"{\#(messages),"tools":[{"name":"f","input_schema":\#(schema)}],"tool_choice":{"type":"any"}}"#
        ),
        ("/v1/messages", #"{\#(messages),"output_config":{"format":{"type":"json_schema","schema":\#(schema)}}}"#),
        ("/api/chat", #"{\#(messages),"stream":false,"format":\#(schema)}"#),
        ("/v2/models/tiny/generate", #"{"text_input":"Hi","guided_regex":"a+"}"#),
    ]

    @Test(arguments: constrained) func `a constraint is compiled on another thread, however short it is`(
        path: String, body: String
    ) {
        let desk = Self.held(Desk(models: [.tiny(contextLength: 2048, hasTools: true)]))
        let exchange = desk.post(path, body)
        #expect(desk.offloaded.count == 1 && desk.service.submitted.isEmpty)
        desk.offloaded.runAll()
        desk.loop.run()
        #expect(desk.service.submitted.count == 1, "\(exchange.text)")
        #expect(desk.service.submitted.first?.sampling.constraint != nil)
    }

    @Test func `a short request without one is worked on at once`() {
        let desk = Self.held(ToolTests.desk())
        desk.chat()
        desk.chat(#","response_format":{"type":"text"}"#)
        desk.chat(#","tools":[\#(Self.tool)]"#)
        desk.chat(#","tools":[\#(Self.tool)],"tool_choice":"none""#)
        #expect(desk.offloaded.count == 0 && desk.service.submitted.count == 4)
    }

    @Test func `tenants take turns on threads, and one leaves room for others`() {
        let desk = Self.held(
            Desk {
                $0.inlineByteCountMax = 100
                $0.preparationCountMax = 6
                $0.tenantHeader = "tenant"
            })
        let long = String(repeating: "x", count: 100)
        func ask(_ tenant: String) -> Int? {
            desk.post("/v1/completions", #"{"prompt":"\#(long)"}"#, headers: [HTTPField("tenant", tenant)]).status
        }
        #expect(ask("b") == nil && (0..<3).allSatisfy { _ in ask("a") == nil })
        // Others ask: the half is enough for it.
        #expect(ask("a") == 429)
        #expect(ask("b") == nil && ask("c") == nil)
        // All are taken.
        #expect(ask("c") == 429)
        desk.offloaded.runAll()
        desk.loop.run()
        #expect(desk.service.submitted.map(\.tenant) == ["b", "a", "c", "b", "a", "a"])
        #expect(ask("a") == nil)
    }

    @Test func `a constraint by gRPC is compiled on another thread too`() {
        let desk = GRPCDesk()
        let call = desk.open("/inference.GRPCInferenceService/ModelInfer")
        call.send(KServeGRPCTests.request { $0.parameters["guided_regex"] = .with { $0.stringParam = "a+" } })
        call.end()
        #expect(desk.service.submitted.isEmpty)
        desk.loop.run()
        #expect(desk.service.submitted.first?.sampling.constraint != nil)
    }
}
