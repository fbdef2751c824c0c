import Foundation
import HTTP
import InferenceProtocol
import Serving
import SwiftProtobuf
import Testing

@testable import API

/// Calls of every method of `inference.GRPCInferenceService` with the answers that they get, as Tests/Fixtures/grpc keeps
/// them: one file each, messages in protobuf's JSON. What an answer is must not change by chance. `APUS_RECORD=1` writes
/// the answers anew, to be looked at before they are kept.
///
/// A file has `method` and `requests`; `model` as in Fixtures/exchanges, `says` with the pieces that the model says to
/// each request, and `repository` where models can be loaded, by a caller who may. `responses` and `status` are the answer.
@Suite struct RecordedGRPCTests {
    private static let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appending(path: "Fixtures/grpc")
    private static let isRecording = ProcessInfo.processInfo.environment["APUS_RECORD"] == "1"

    static let names: [String] = {
        let files = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
        return files.filter { $0.hasSuffix(".json") }.sorted()
    }()

    static func load(_ name: String) throws -> [String: Any] {
        let data = try Data(contentsOf: folder.appending(path: name))
        return try #require(JSONSerialization.jsonObject(with: data) as? [String: Any], "\(name)")
    }

    /// Between JSON and the wire.
    struct Method: Sendable {
        var encoded: @Sendable (Data) throws -> [UInt8]
        var decoded: @Sendable ([UInt8]) throws -> Data

        init<Request: Message, Response: Message>(_: Request.Type, _: Response.Type) {
            encoded = { try Request(jsonUTF8Data: $0).serializedBytes() }
            decoded = { bytes in
                var options = JSONEncodingOptions()
                options.preserveProtoFieldNames = true
                return try Response(serializedBytes: bytes).jsonUTF8Data(options: options)
            }
        }
    }

    static let methods: [String: Method] = [
        "ServerLive": Method(WireServerLiveRequest.self, WireServerLiveResponse.self),
        "ServerReady": Method(WireServerReadyRequest.self, WireServerReadyResponse.self),
        "ServerMetadata": Method(WireServerMetadataRequest.self, WireServerMetadataResponse.self),
        "ModelReady": Method(WireModelReadyRequest.self, WireModelReadyResponse.self),
        "ModelMetadata": Method(WireModelMetadataRequest.self, WireModelMetadataResponse.self),
        "ModelConfig": Method(WireModelConfigRequest.self, WireModelConfigResponse.self),
        "ModelInfer": Method(WireModelInferRequest.self, WireModelInferResponse.self),
        "ModelStreamInfer": Method(WireModelInferRequest.self, WireModelStreamInferResponse.self),
        "ModelStatistics": Method(WireModelStatisticsRequest.self, WireModelStatisticsResponse.self),
        "RepositoryIndex": Method(WireRepositoryIndexRequest.self, WireRepositoryIndexResponse.self),
        "RepositoryModelLoad": Method(WireRepositoryModelLoadRequest.self, WireRepositoryModelLoadResponse.self),
        "RepositoryModelUnload": Method(WireRepositoryModelUnloadRequest.self, WireRepositoryModelUnloadResponse.self),
        "TraceSetting": Method(WireTraceSettingRequest.self, WireTraceSettingResponse.self),
        "LogSettings": Method(WireLogSettingsRequest.self, WireLogSettingsResponse.self),
    ]

    @Test(arguments: names) func `a method answers as it did`(name: String) throws {
        var exchange = try Self.load(name)
        let (responses, status) = try Self.answer(exchange)
        if Self.isRecording {
            (exchange["responses"], exchange["status"]) = (responses, status)
            let data = try JSONSerialization.data(
                withJSONObject: exchange, options: [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes])
            try (data + Data("\n".utf8)).write(to: Self.folder.appending(path: name))
        }
        #expect(try Self.text(responses) == Self.text(exchange["responses"] as? [Any] ?? ["none are recorded"]))
        #expect(try Self.text(status) == Self.text(exchange["status"] as? [String: Any] ?? [:]))
    }

    private static func answer(_ exchange: [String: Any]) throws -> (responses: [Any], status: [String: Any]) {
        let name = try #require(exchange["method"] as? String)
        let method = try #require(methods[name])
        let repository = exchange["repository"] as? Bool == true ? ScriptedRepository([]) : nil
        let desk = GRPCDesk(
            models: [.recorded(exchange["model"] as? String)],
            access: repository == nil ? nil : AccessControl(AccessTests.keys), repository: repository)
        let call = desk.open(
            "/inference.GRPCInferenceService/\(name)", fields: repository == nil ? [] : AccessTests.bearer("rule"))
        for request in exchange["requests"] as? [Any] ?? [] {
            call.send(bytes: try method.encoded(JSONSerialization.data(withJSONObject: request)))
        }
        call.end()
        if repository?.asked.isEmpty == false { repository?.answer(nil) }
        for request in desk.service.submitted.indices {
            desk.service.say(exchange["says"] as? [String] ?? [], to: request)
        }
        let status = try #require(call.status, "the call is still open")
        let responses = try call.messages.map { try JSONSerialization.jsonObject(with: method.decoded($0)) }
        return (responses, ["code": "\(status.code)", "message": status.message])
    }

    private static func text(_ json: Any) throws -> String {
        String(decoding: try JSONSerialization.data(withJSONObject: json, options: [.sortedKeys]), as: UTF8.self)
    }

    @Test func `every method has a recorded exchange that went well, unless none can`() throws {
        let recorded = try Self.names.map { try Self.load($0) }
        let answered = recorded.filter { ($0["status"] as? [String: Any])?["code"] as? String == "ok" }
        let names = Set(answered.compactMap { $0["method"] as? String })
        #expect(names == Set(try GRPCDesk.inferenceMethods()).subtracting(["LogSettings"]))
        #expect(recorded.contains { $0["method"] as? String == "LogSettings" })
        #expect(Set(Self.methods.keys) == Set(try GRPCDesk.inferenceMethods()))
    }
}

/// What each method refuses, and with which code.
@Suite struct GRPCRefusalTests {
    struct Row: Sendable, CustomTestStringConvertible {
        var method: String
        var bytes: [UInt8]
        var code: GRPCStatusCode
        var says: String
        var testDescription: String { "\(method): \(says)" }

        init(_ method: String, _ request: some Message, _ code: GRPCStatusCode, _ says: String) {
            (self.method, self.code, self.says) = (method, code, says)
            bytes = (try? request.serializedBytes()) ?? []
        }
    }

    private static func of<Request: Message>(
        _ method: String, _: Request.Type, _ rows: [(GRPCStatusCode, String, (inout Request) -> Void)]
    ) -> [Row] {
        rows.map { code, says, change in Row(method, Request.with { change(&$0) }, code, says) }
    }

    static let rows: [Row] = {
        var rows = of(
            "ModelReady", WireModelReadyRequest.self,
            [
                (.notFound, #""nobody" does not exist"#, { $0.name = "nobody" }),
                (.notFound, #"not "2""#, { ($0.name, $0.version) = ("tiny", "2") }),
                (.notFound, "does not exist", { _ in }),
            ])
        rows += of(
            "ModelMetadata", WireModelMetadataRequest.self,
            [
                (.notFound, #""nobody" does not exist"#, { $0.name = "nobody" }),
                (.notFound, #"not "0""#, { ($0.name, $0.version) = ("tiny", "0") }),
            ])
        rows += of(
            "ModelConfig", WireModelConfigRequest.self,
            [
                (.notFound, #""nobody" does not exist"#, { $0.name = "nobody" }),
                (.notFound, #"not "x""#, { ($0.name, $0.version) = ("tiny", "x") }),
            ])
        rows += of(
            "ModelStatistics", WireModelStatisticsRequest.self,
            [
                (.notFound, #""nobody" does not exist"#, { $0.name = "nobody" }),
                (.notFound, #"not "2""#, { ($0.name, $0.version) = ("tiny", "2") }),
            ])
        rows += of(
            "RepositoryModelLoad", WireRepositoryModelLoadRequest.self,
            [
                (.unimplemented, "apus worker", { $0.modelName = "tiny" }),
                (
                    .invalidArgument, "parameters is not supported",
                    { $0.parameters["file:1/model"] = .with { $0.bytesParam = Data([1]) } }
                ),
            ])
        rows += of(
            "RepositoryModelUnload", WireRepositoryModelUnloadRequest.self,
            [(.unimplemented, "apus worker", { $0.modelName = "tiny" })])
        rows += of(
            "TraceSetting", WireTraceSettingRequest.self,
            [
                (.notFound, #""nobody" does not exist"#, { $0.modelName = "nobody" }),
                (.unimplemented, "OFF", { $0.settings["trace_level"] = .with { $0.value = ["TENSORS"] } }),
                (.unimplemented, "OFF", { $0.settings["trace_rate"] = .with { $0.value = ["1"] } }),
            ])
        rows += of("LogSettings", WireLogSettingsRequest.self, [(.unimplemented, "--log-level", { _ in })])
        return rows
    }()

    @Test(arguments: rows) func `a mistake has its code and a sentence`(_ row: Row) {
        let desk = GRPCDesk()
        let call = desk.call(row.method, bytes: row.bytes)
        #expect(call.status?.code == row.code)
        #expect(call.status?.message.contains(row.says) == true, "\(call.status?.message ?? "")")
        #expect(call.messages.isEmpty)
    }

    @Test(arguments: RecordedGRPCTests.methods.keys.sorted())
    func `a message of another kind, none, and two where one belongs are refused`(method: String) throws {
        let desk = GRPCDesk()
        let damaged = desk.call(method, bytes: [0xff])
        #expect(damaged.status?.code == .invalidArgument)
        #expect(damaged.status?.message.hasPrefix("The message is not a valid ") == true)
        guard method != "ModelStreamInfer" else { return }

        let path = "/inference.GRPCInferenceService/\(method)"
        let empty = desk.open(path)
        empty.end()
        #expect(empty.status == GRPCStatus(.unimplemented, "a unary call has one message"))
        let two = desk.open(path)
        two.send(bytes: [])
        two.send(bytes: [])
        #expect(two.status == GRPCStatus(.unimplemented, "a unary call has one message"))
        #expect(desk.service.submitted.isEmpty)
    }

    /// Probes are open to all; the repository is the administrator's.
    @Test(arguments: RecordedGRPCTests.methods.keys.sorted()) func `a call wants the key of its role`(method: String) {
        let desk = GRPCDesk(access: AccessControl(AccessTests.keys), repository: ScriptedRepository([]))
        func code(_ key: String?) -> GRPCStatusCode? {
            desk.call(method, bytes: [], fields: key.map { AccessTests.bearer($0) } ?? []).status?.code
        }
        if ["ServerLive", "ServerReady"].contains(method) {
            #expect(code(nil) == .ok)
            return
        }
        #expect(code(nil) == .unauthenticated && code("guess") == .unauthenticated)
        #expect((code("read") == .permissionDenied) == (method != "RepositoryIndex"))
        let isAdmin = method.hasPrefix("RepositoryModel")
        #expect((code("ask") == .permissionDenied) == isAdmin)
        #expect(![.unauthenticated, .permissionDenied].contains(code(isAdmin ? "rule" : "ask")))
    }
}
