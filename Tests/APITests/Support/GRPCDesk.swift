import FoundationEssentials
import HTTP
import InferenceProtocol
import Logging
import NIOCore
import NIOEmbedded
import Serving
import SwiftProtobuf
import Telemetry

@testable import API

/// The public gRPC services with everything around them under the test's control.
final class GRPCDesk {
    let loop = EmbeddedEventLoop()
    let service: ScriptedService
    let metrics = MetricRegistry()
    private let dispatcher = GRPCDispatcher()

    init(
        models: [ServedModel] = [.tiny()], access: AccessControl? = nil, repository: (any ModelRepository)? = nil,
        logger: Logger? = nil, _ change: (inout APIOptions) -> Void = { _ in }
    ) {
        var options = APIOptions()
        options.version = "1.2.3"
        change(&options)
        service = ScriptedService(models: models)
        GRPCInferenceService(
            service: service, metrics: metrics, inference: InferenceStatistics(metrics), options: options,
            access: access, repository: repository, logger: logger, offload: { $0() },
            surroundings: APISurroundings(
                unixSeconds: { 1_700_000_000 }, steadySeconds: { 0 }, randomWord: { 1 })
        ).register(in: dispatcher)
        ExternalScaler(service: service).register(in: dispatcher)
        ServerReflection().register(in: dispatcher)
    }

    /// Opens a call.
    func open(_ path: String, timeout: String? = nil, fields more: [HTTPField] = []) -> GRPCExchange {
        let fields =
            [HTTPField("content-type", "application/grpc")] + (timeout.map { [HTTPField("grpc-timeout", $0)] } ?? [])
            + more
        let exchange = RecordingExchange(
            HTTPRequestHead(method: "POST", path: path, query: nil, headers: fields, majorVersion: 2), body: nil,
            loop: loop)
        dispatcher.handle(exchange)
        return GRPCExchange(exchange: exchange)
    }

    /// A unary call of the inference service, as far as it goes by itself.
    @discardableResult
    func call(
        _ method: String, _ request: some Message, timeout: String? = nil, fields: [HTTPField] = []
    ) -> GRPCExchange {
        call(method, bytes: (try? request.serializedBytes()) ?? [], timeout: timeout, fields: fields)
    }

    @discardableResult
    func call(
        _ method: String, bytes: [UInt8], timeout: String? = nil, fields: [HTTPField] = []
    ) -> GRPCExchange {
        let call = open("/inference.GRPCInferenceService/\(method)", timeout: timeout, fields: fields)
        call.send(bytes: bytes)
        call.end()
        return call
    }

    /// The methods of the inference service that reflection tells of.
    static func inferenceMethods() throws -> [String] {
        let call = GRPCDesk().open("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo")
        call.send(WireServerReflectionRequest.with { $0.fileByFilename = "inference/inference.proto" })
        call.end()
        let bytes = call.responses(WireServerReflectionResponse.self).first?.fileDescriptorResponse.fileDescriptorProto
        let file = try Google_Protobuf_FileDescriptorProto(serializedBytes: Array(bytes?.first ?? Data()))
        return file.service.flatMap { $0.method.map(\.name) }
    }
}

/// A client's end of a call.
struct GRPCExchange {
    let exchange: RecordingExchange

    func send(_ message: some Message) { send(bytes: (try? message.serializedBytes()) ?? []) }

    func send(bytes: [UInt8]) {
        var frame = ByteBuffer()
        frame.writeInteger(UInt8(0))
        frame.writeInteger(UInt32(bytes.count))
        frame.writeBytes(bytes)
        exchange.receive?(frame)
    }

    func end() { exchange.receive?(nil) }

    /// The bytes of each message that has been answered so far.
    var messages: [[UInt8]] {
        var (rest, messages) = (ByteBuffer(bytes: exchange.written), [[UInt8]]())
        while let length = rest.getInteger(at: rest.readerIndex + 1, as: UInt32.self) {
            rest.moveReaderIndex(forwardBy: 5)
            guard let bytes = rest.readBytes(length: Int(length)) else { break }
            messages.append(bytes)
        }
        return messages
    }

    /// What has been answered so far.
    func responses<Response: Message>(_: Response.Type = Response.self) -> [Response] {
        messages.compactMap { try? Response(serializedBytes: $0) }
    }

    /// The status that ended the call; nil while it runs.
    var status: GRPCStatus? {
        exchange.isFinished ? GRPCStatus(fields: exchange.trailers + exchange.headers) : nil
    }
}
