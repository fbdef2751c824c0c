import HTTP
import Inference
import InferenceProtocol
import Serving
import SwiftProtobuf
import Testing

@testable import API

/// What counts as a request of a tenant's allowance: whatever makes the router read and compute.
@Suite struct AllowanceTests {
    static let keys = [
        AccessTests.key("one", "a", [.inference, .admin], requests: 1),
        AccessTests.key("used", "b", [.inference], tokens: 1),
    ]

    static let headers = AccessTests.bearer("one")

    @Test(arguments: [
        ("/tokenize", #"{"prompt":"Hi"}"#), ("/detokenize", #"{"tokens":[65]}"#),
        ("/v1/messages/count_tokens", #"{"model":"tiny","messages":[{"role":"user","content":"Hi"}]}"#),
        ("/v1/completions", #"{"prompt":"Hi"}"#), ("/v2/models/tiny/generate", #"{"text_input":"Hi"}"#),
        ("/v1/completions", #"{"prompt":7}"#), ("/v1/completions", "{"),
        ("/v1/chat/completions", #"{"messages":[{"role":"user","content":"Hi"}],"guided_regex":"a+"}"#),
    ]) func `each request counts once, whatever becomes of it`(path: String, body: String) {
        let desk = Desk(access: AccessControl(Self.keys))
        #expect(desk.post(path, body, headers: Self.headers).status != 429)
        let refused = desk.post(path, body, headers: Self.headers)
        #expect(refused.status == 429 && refused.header("retry-after") == "60")
        #expect(refused.text.contains("Your limit of 1 requests a minute is used up."), "\(refused.text)")
        desk.clock.seconds += 60
        #expect(desk.post(path, body, headers: Self.headers).status != 429)
    }

    @Test func `over the limit, nothing is read`() {
        let desk = Desk(access: AccessControl(Self.keys))
        desk.offloaded.isHeld = true
        let long = #"{"prompt":"\#(String(repeating: "x", count: 20_000))"}"#
        #expect(desk.post("/tokenize", long, headers: Self.headers).status == nil)
        #expect(desk.post("/tokenize", long, headers: Self.headers).status == 429)
        #expect(desk.offloaded.count == 1)
    }

    @Test func `nothing is read for whom no tokens are left`() {
        let desk = Desk(access: AccessControl(Self.keys))
        let headers = AccessTests.bearer("used")
        desk.post("/v1/completions", #"{"prompt":"Hi"}"#, headers: headers)
        let refused = desk.post("/v1/completions", "{", headers: headers)
        #expect(refused.status == 429 && refused.text.contains("1 tokens a minute"), "\(refused.text)")
    }

    @Test func `what asks no model is not counted`() {
        let desk = Desk(access: AccessControl(Self.keys))
        for _ in 0..<3 {
            #expect(desk.get("/v1/models", headers: Self.headers).status == 200)
            #expect(desk.post("/v2/repository/index", "{}", headers: Self.headers).status == 200)
        }
        #expect(desk.post("/tokenize", #"{"prompt":"Hi"}"#, headers: Self.headers).status == 200)
    }

    @Test func `each message of a gRPC stream counts`() {
        let desk = GRPCDesk(access: AccessControl(Self.keys))
        let stream = desk.open("/inference.GRPCInferenceService/ModelStreamInfer", fields: Self.headers)
        stream.send(KServeGRPCTests.request(id: "wrong") { $0.parameters["n"] = .with { $0.int64Param = -1 } })
        stream.send(KServeGRPCTests.request(id: "more"))
        let errors = stream.responses(WireModelStreamInferResponse.self).map(\.errorMessage)
        #expect(errors.count == 2 && errors.last?.contains("1 requests a minute") == true, "\(errors)")
        #expect(desk.service.submitted.isEmpty)
    }
}
