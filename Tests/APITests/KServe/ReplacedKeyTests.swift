import HTTP
import Inference
import InferenceProtocol
import SwiftProtobuf
import Testing

@testable import API

/// A stream of requests lives longer than the keys that counted when it began.
@Suite struct ReplacedKeyTests {
    static let path = "/inference.GRPCInferenceService/ModelStreamInfer"

    private static func key(_ roles: Set<AccessRole> = [.inference], requests: Int? = nil) -> AccessKey {
        AccessTests.key("mine", "a", roles, requests: requests)
    }

    @Test(arguments: [
        ([], GRPCStatusCode.unauthenticated),
        ([AccessTests.key("mine", "a", [.metrics])], .permissionDenied),
    ]) func `a stream whose key is taken away ends with its next request`(keys: [AccessKey], code: GRPCStatusCode) {
        let access = AccessControl([Self.key()])
        let desk = GRPCDesk(access: access)
        let stream = desk.open(Self.path, fields: AccessTests.bearer("mine"))
        stream.send(KServeGRPCTests.request(id: "a"))
        #expect(desk.service.submitted.count == 1)
        access.replace(keys)
        #expect(stream.status == nil)
        stream.send(KServeGRPCTests.request(id: "b"))
        #expect(stream.status?.code == code)
        #expect(desk.service.submitted.count == 1 && desk.service.cancelled.count == 1)
    }

    @Test func `limits that come later count on streams that are open`() {
        let access = AccessControl([Self.key()])
        let desk = GRPCDesk(access: access)
        let stream = desk.open(Self.path, fields: AccessTests.bearer("mine"))
        stream.send(KServeGRPCTests.request(id: "a"))
        access.replace([Self.key(requests: 1)])
        stream.send(KServeGRPCTests.request(id: "b"))
        stream.send(KServeGRPCTests.request(id: "c"))
        #expect(desk.service.submitted.count == 2)
        let responses = stream.responses(WireModelStreamInferResponse.self)
        #expect(responses.last?.inferResponse.id == "c")
        #expect(responses.last?.errorMessage.contains("1 requests a minute") == true)
        #expect(stream.status == nil)
    }
}
