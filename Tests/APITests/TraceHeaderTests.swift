import HTTP
import Inference
import Serving
import Telemetry
import Testing

@testable import API

/// Callers' traces, in and out.
@Suite struct TraceHeaderTests {
    static let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    static let headers = [
        HTTPField("traceparent", parent), HTTPField("tracestate", "a=1"), HTTPField("tracestate", "b=2"),
    ]
    static let prompt = #"{"model":"tiny","prompt":"hi"}"#

    @Test(arguments: [
        ("/v1/chat/completions", #"{"model":"tiny","messages":[{"role":"user","content":"hi"}]}"#, "chat"),
        (
            "/v1/chat/completions", #"{"model":"tiny","stream":true,"messages":[{"role":"user","content":"hi"}]}"#,
            "chat"
        ),
        ("/v1/messages", #"{"model":"tiny","max_tokens":5,"messages":[{"role":"user","content":"hi"}]}"#, "chat"),
        ("/v1/responses", #"{"model":"tiny","input":"hi"}"#, "chat"),
        ("/api/chat", #"{"model":"tiny","messages":[{"role":"user","content":"hi"}]}"#, "chat"),
        ("/v1/completions", prompt, "text_completion"),
        ("/api/generate", #"{"model":"tiny","prompt":"hi"}"#, "text_completion"),
        ("/v2/models/tiny/generate", #"{"text_input":"hi"}"#, "text_completion"),
    ]) func `each way to ask goes on with the caller's trace, and says so`(
        path: String, body: String, operation: String
    ) throws {
        let desk = Desk { $0.traceSampling = TraceSampling(share: 0) }
        let exchange = desk.post(path, body, headers: Self.headers)
        desk.service.produce(.finished(Usage(promptTokens: 1, completionTokens: 0, cachedTokens: 0)))

        let trace = try #require(desk.service.submitted.first?.trace)
        #expect(trace.operation == operation)
        #expect(trace.context.traceID.description == "4bf92f3577b34da6a3ce929d0e0e4736")
        #expect(trace.parentID?.description == "00f067aa0ba902b7")
        #expect(trace.context.spanID != trace.parentID && trace.context.isSampled)
        #expect(trace.context.state == "a=1,b=2")
        #expect(exchange.header("traceresponse") == trace.context.parent)
    }

    @Test func `a broken parent begins a trace, without the state`() throws {
        let desk = Desk { $0.traceSampling = TraceSampling(share: 1) }
        for broken in [Self.parent + "-", Self.parent.uppercased()] {
            desk.post(
                "/v1/completions", Self.prompt,
                headers: [HTTPField("traceparent", broken), HTTPField("tracestate", "a=1")])
            let trace = try #require(desk.service.submitted.last?.trace)
            #expect(trace.parentID == nil && trace.context.state.isEmpty && trace.context.isSampled)
            #expect(!trace.context.parent.contains("4bf92f3577b34da6a3ce929d0e0e4736"))
        }
    }

    @Test func `a refusal by the service belongs to the trace too`() {
        let desk = Desk { $0.traceSampling = TraceSampling(share: 0) }
        desk.service.refusal = .shuttingDown
        let exchange = desk.post("/v1/completions", Self.prompt, headers: Self.headers)

        #expect(exchange.status == 503)
        #expect(exchange.header("traceresponse")?.hasPrefix("00-4bf92f3577b34da6a3ce929d0e0e4736-") == true)
    }

    @Test func `without the setting nothing is read and nothing said`() {
        let desk = Desk()
        let exchange = desk.post("/v1/completions", Self.prompt, headers: Self.headers)
        desk.service.produce(.finished(Usage(promptTokens: 1, completionTokens: 0, cachedTokens: 0)))

        #expect(desk.service.submitted.first?.trace == nil && desk.service.submitted.count == 1)
        #expect(exchange.status == 200 && exchange.header("traceresponse") == nil)
    }

    @Test func `gRPC's metadata names a trace as headers do`() throws {
        let desk = GRPCDesk { $0.traceSampling = TraceSampling(share: 0) }
        let call = desk.open("/inference.GRPCInferenceService/ModelInfer", fields: Self.headers)
        call.send(KServeGRPCTests.request())
        call.end()

        #expect(desk.service.submitted.first?.trace?.context.traceID.description == "4bf92f3577b34da6a3ce929d0e0e4736")
    }
}
