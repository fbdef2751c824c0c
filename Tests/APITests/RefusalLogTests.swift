import HTTP
import Inference
import InferenceProtocol
import Logging
import NIOCore
import NIOEmbedded
import Serving
import SwiftProtobuf
import Telemetry
import TestSupport
import Testing

@testable import API

/// Each request that the service never had leaves one line, by which it is found.
@Suite struct RefusalLogTests {
    static let canary = "canary-91c3"

    /// What is asked, and the status and code of its line.
    struct Story: CustomTestStringConvertible {
        var path = "/v1/completions"
        var body = #"{"model":"tiny","prompt":"\#(canary)"}"#
        var method = "POST"
        var key = "ask"
        var type = "application/json"
        var status: Int
        var code: String
        var testDescription: String { "\(status) \(code)" }
    }

    static let stories = [
        Story(key: canary, status: 401, code: "invalid_api_key"),
        Story(key: "read", status: 403, code: "insufficient_role"),
        Story(path: "/v1/\(canary)", status: 404, code: "not_found"),
        Story(body: #"{"model":"\#(canary)","prompt":"x"}"#, status: 404, code: "model_not_found"),
        Story(method: "PATCH", status: 405, code: "method_not_allowed"),
        Story(type: "text/\(canary)", status: 415, code: "unsupported_media_type"),
        Story(
            body: #"{"model":"tiny","prompt":"\#(canary)","temperature":9}"#, status: 400,
            code: "decimal_above_max_value"),
        Story(body: #"{"\#(canary)""#, status: 400, code: "invalid_json"),
        Story(key: "none", status: 429, code: "rate_limit_exceeded"),
    ]

    static func desk(_ recorder: LogRecorder) -> Desk {
        let keys =
            AccessTests.keys + [AccessTests.key("none", "empty", [.inference], tokens: 1)]
        return Desk(access: AccessControl(keys), logger: recorder.logger)
    }

    @Test(arguments: stories) func `a refusal leaves one line that tells who, what and why`(story: Story) throws {
        let recorder = LogRecorder()
        let desk = Self.desk(recorder)
        let headers = [
            HTTPField("x-request-id", "mine-1"), HTTPField("content-type", story.type),
            HTTPField("user-agent", Self.canary),
            HTTPField("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
        ]
        if story.status == 429 {
            desk.post("/v1/completions", #"{"model":"tiny","prompt":"x x"}"#, headers: AccessTests.bearer(story.key))
            #expect(recorder.lines.isEmpty)
        }
        let exchange = desk.send(
            story.method, story.path, headers: headers + AccessTests.bearer(story.key),
            body: .success(Array(story.body.utf8)))

        #expect(exchange.status == story.status, "\(exchange.text)")
        #expect(recorder.lines.count == 1)
        let line = try #require(recorder.lines.first)
        #expect(line.message == "request refused")
        let said = ["id", "status", "code", "trace"].map { line.metadata[$0]?.description }
        #expect(said == ["mine-1", "\(story.status)", story.code, "4bf92f3577b34da6a3ce929d0e0e4736"])
        #expect(!"\(line)".contains(Self.canary))
    }

    @Test func `a request that the service has leaves its line to the service, with its names`() {
        let recorder = LogRecorder()
        let desk = Self.desk(recorder)
        let headers = AccessTests.bearer("ask") + [HTTPField("x-request-id", "mine-1")]
        let exchange = desk.post("/v1/completions", #"{"model":"tiny","prompt":"x"}"#, headers: headers)
        let origin = desk.service.submitted.last?.origin
        desk.service.produce(.failed(.timedOut(afterSeconds: 3)))

        #expect(exchange.status == 503)
        #expect(recorder.lines.isEmpty)
        #expect(origin?.id == "mine-1" && origin?.route == "/v1/completions")
        #expect(origin?.answer?.hasPrefix("cmpl-") == true)
    }

    @Test func `the answer's name in the log is the one that the client sees`() throws {
        let desk = Self.desk(LogRecorder())
        for (path, prompt) in [
            ("/v1/completions", #""prompt":"x""#),
            ("/v1/chat/completions", #""messages":[{"role":"user","content":"x"}]"#),
            ("/v1/messages", #""max_tokens":9,"messages":[{"role":"user","content":"x"}]"#),
            ("/v1/responses", #""input":"x""#),
            ("/v2/models/tiny/generate", #""id":"r-5","text_input":"x""#),
        ] {
            let exchange = desk.post(path, #"{"model":"tiny",\#(prompt)}"#, headers: AccessTests.bearer("ask"))
            desk.service.say(["a"])

            #expect(exchange.status == 200, "\(exchange.text)")
            let name = try #require(desk.service.submitted.last?.origin?.answer, "\(path)")
            #expect(exchange.text.contains("\"\(name)\""), "\(path): \(name) in \(exchange.text)")
        }
    }

    @Test func `a client that leaves before there is an answer is found too`() {
        let recorder = LogRecorder()
        let desk = Self.desk(recorder)
        let exchange = desk.send(
            "POST", "/v1/completions", headers: AccessTests.bearer("ask") + [HTTPField("x-request-id", "mine-1")],
            body: nil)
        exchange.onClientGone?()

        #expect(recorder.lines.map { $0.metadata["code"]?.description } == ["client_gone"])
        #expect(recorder.lines.map { $0.metadata["id"]?.description } == ["mine-1"])
    }

    @Test func `what the listener could not read is counted and has its line`() throws {
        let recorder = LogRecorder()
        let desk = Self.desk(recorder)
        desk.handler.refused(status: 431, sentence: "The head is too large.", on: desk.loop)

        let line = try #require(recorder.lines.first)
        let said = ["status", "code", "reason"].map { line.metadata[$0]?.description }
        #expect(said == ["431", "bad_http", "The head is too large."])
        #expect(desk.metrics.counter(.httpRequests, labels: ["other", "431"]).value == 1)
        #expect(desk.metrics.counter(.requestsRejected, labels: ["bad_http"]).value == 1)
    }

    @Test func `a hundred lines a second, and a count of the rest`() {
        let recorder = LogRecorder()
        let desk = Self.desk(recorder)
        for _ in 0..<150 { desk.get("/v1/models") }
        #expect(recorder.lines.count == 100)

        desk.loop.advanceTime(by: .seconds(1))
        #expect(recorder.lines.count == 101)
        #expect(recorder.lines.last?.metadata["count"]?.description == "50")
        desk.get("/v1/models")
        #expect(recorder.lines.count == 102)
        desk.loop.advanceTime(by: .seconds(10))
        #expect(recorder.lines.count == 102)
    }

    @Test func `where nobody reads the lines there are none, and requests carry no names`() {
        let recorder = LogRecorder(level: .warning)
        let desk = Self.desk(recorder)
        desk.get("/v1/models")
        desk.post("/v1/completions", #"{"model":"tiny","prompt":"x"}"#, headers: AccessTests.bearer("ask"))

        #expect(recorder.lines.isEmpty)
        #expect(desk.service.submitted.count == 1)
        #expect(desk.service.submitted.last?.origin == nil)
    }

    @Test func `calls of gRPC leave lines too`() {
        let recorder = LogRecorder()
        let desk = GRPCDesk(access: AccessControl(AccessTests.keys), logger: recorder.logger)
        func fields(_ id: String, _ key: String) -> [HTTPField] {
            AccessTests.bearer(key) + [HTTPField("x-request-id", id)]
        }
        desk.call("ServerMetadata", WireServerMetadataRequest(), fields: fields("r1", Self.canary))
        desk.call("ModelReady", WireModelReadyRequest.with { $0.name = Self.canary }, fields: fields("r2", "ask"))
        desk.call("ModelInfer", WireModelInferRequest.with { $0.modelName = Self.canary }, fields: fields("r3", "ask"))
        desk.call("ModelInfer", bytes: [0xff], fields: fields("r4", "ask"))
        desk.call("ServerMetadata", WireServerMetadataRequest(), fields: fields("r5", "ask"))

        let lines = recorder.lines.map { line in
            ["id", "route", "grpc_status", "tenant"].map { line.metadata[$0]?.description ?? "-" }
        }
        #expect(
            lines == [
                ["r1", "ServerMetadata", "16", "-"], ["r2", "ModelReady", "5", "a"], ["r3", "ModelInfer", "5", "a"],
                ["r4", "ModelInfer", "3", "a"],
            ])
        #expect(!"\(recorder.lines)".contains(Self.canary))
    }

    @Test func `a call of gRPC without a request says what it has instead`() {
        let recorder = LogRecorder()
        let desk = GRPCDesk(access: AccessControl(AccessTests.keys), logger: recorder.logger)
        func open(_ method: String) -> GRPCExchange {
            desk.open("/inference.GRPCInferenceService/\(method)", fields: AccessTests.bearer("ask"))
        }
        func receive(_ call: GRPCExchange, _ bytes: [UInt8]) { call.exchange.receive?(ByteBuffer(bytes: bytes)) }
        for method in ["ModelInfer", "ModelStreamInfer", "ServerMetadata"] {
            receive(open(method), [0, 0xff, 0xff, 0xff, 0xff])
            receive(open(method), [1, 0, 0, 0, 0])
        }
        let half = open("ModelInfer")
        receive(half, [0, 0, 0, 0, 9, 0x0a])
        half.end()
        let double = open("ModelInfer")
        for _ in 0..<2 { receive(double, [0, 0, 0, 0, 0]) }
        open("ModelInfer").exchange.onClientGone?()
        desk.call("ServerMetadata", bytes: [0xff], fields: AccessTests.bearer("ask"))

        let lines = recorder.lines.map { line in
            ["route", "grpc_status", "reason"].map { line.metadata[$0]?.description ?? "-" }.joined(separator: " ")
        }
        let large = "a message of 4294967295 bytes is larger than the limit of 8388608"
        let compressed = "compressed messages are not supported"
        #expect(
            lines == [
                "ModelInfer 8 \(large)", "ModelInfer 12 \(compressed)", "ModelStreamInfer 8 \(large)",
                "ModelStreamInfer 12 \(compressed)", "ServerMetadata 8 \(large)", "ServerMetadata 12 \(compressed)",
                "ModelInfer 13 the request ends inside a message", "ModelInfer 12 a unary call has one message",
                "ModelInfer 1 the client is gone", "ServerMetadata 3 The message is not a valid ServerMetadataRequest.",
            ])
    }
}
