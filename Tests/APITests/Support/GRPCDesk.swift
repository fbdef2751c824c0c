import HTTP
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
        _ change: (inout APIOptions) -> Void = { _ in }
    ) {
        var options = APIOptions()
        options.version = "1.2.3"
        change(&options)
        service = ScriptedService(models: models)
        GRPCInferenceService(
            service: service, metrics: metrics, inference: InferenceStatistics(metrics), options: options,
            access: access, repository: repository, offload: { $0() },
            surroundings: APISurroundings(unixSeconds: { 1_700_000_000 }, randomWord: { 1 })
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
    func call(_ method: String, _ request: some Message, timeout: String? = nil) -> GRPCExchange {
        let call = open("/inference.GRPCInferenceService/\(method)", timeout: timeout)
        call.send(request)
        call.end()
        return call
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

    /// What has been answered so far.
    func responses<Response: Message>(_: Response.Type = Response.self) -> [Response] {
        var (rest, responses) = (ByteBuffer(bytes: exchange.written), [Response]())
        while let length = rest.getInteger(at: rest.readerIndex + 1, as: UInt32.self) {
            rest.moveReaderIndex(forwardBy: 5)
            guard let bytes = rest.readBytes(length: Int(length)) else { break }
            if let response = try? Response(serializedBytes: bytes) { responses.append(response) }
        }
        return responses
    }

    /// The status that ended the call; nil while it runs.
    var status: GRPCStatus? {
        exchange.isFinished ? GRPCStatus(fields: exchange.trailers + exchange.headers) : nil
    }
}
