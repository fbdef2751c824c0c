import API
import HTTP
import NIOCore
import NIOEmbedded
import Telemetry

/// Calls of the public gRPC port: a byte that chooses the method, one that says how the rest is cut into pieces, and
/// the framed messages.
enum GRPCTarget {
    static func run(_ bytes: [UInt8]) -> String? {
        guard bytes.count >= 2 else { return nil }
        return GRPCDesk.shared.call(
            GRPCDesk.paths[Int(bytes[0]) % GRPCDesk.paths.count], pieceByteCount: 1 + Int(bytes[1]), bytes.dropFirst(2))
    }
}

private final class GRPCDesk {
    // SENDABLE: targets run on one thread at a time.
    nonisolated(unsafe) static let shared = GRPCDesk()

    static let paths =
        [
            "ServerLive", "ServerReady", "ServerMetadata", "TraceSetting", "LogSettings", "ModelReady", "ModelMetadata",
            "ModelConfig", "ModelStatistics", "RepositoryIndex", "RepositoryModelLoad", "RepositoryModelUnload",
            "ModelInfer", "ModelStreamInfer",
        ].map { "/\(GRPCInferenceService.name)/\($0)" } + [
            "/externalscaler.ExternalScaler/IsActive", "/externalscaler.ExternalScaler/GetMetricSpec",
            "/externalscaler.ExternalScaler/GetMetrics", "/externalscaler.ExternalScaler/StreamIsActive",
            "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", "/grpc.health.v1.Health/Check",
            "/grpc.health.v1.Health/Watch",
        ]

    private let loop = EmbeddedEventLoop()
    private let service = InstantService()
    private let dispatcher = GRPCDispatcher()

    private init() {
        let metrics = MetricRegistry()
        GRPCInferenceService(
            service: service, metrics: metrics, inference: InferenceStatistics(metrics), offload: { $0() },
            surroundings: APISurroundings(
                unixSeconds: { 1_700_000_000 }, steadySeconds: { 0 }, randomWord: { 1 })
        ).register(in: dispatcher)
        ExternalScaler(service: service).register(in: dispatcher)
        ServerReflection().register(in: dispatcher)
        GRPCHealth().register(in: dispatcher)
    }

    func call(_ path: String, pieceByteCount: Int, _ bytes: ArraySlice<UInt8>) -> String? {
        let pieces = stride(from: bytes.startIndex, to: bytes.endIndex, by: pieceByteCount).map { start in
            ByteBuffer(bytes: bytes[start..<min(start + pieceByteCount, bytes.endIndex)])
        }
        let exchange = QuietExchange(
            HTTPRequestHead(
                method: "POST", path: path, query: nil, headers: [HTTPField("content-type", "application/grpc")],
                majorVersion: 2),
            pieces: pieces, loop: loop)
        dispatcher.handle(exchange)
        loop.run()
        service.answer()
        loop.run()
        defer { exchange.clientLeaves() }
        // Streams that watch something end when their client leaves.
        let watches = path.hasSuffix("Watch") || path.hasSuffix("StreamIsActive")
        return exchange.isOver || watches ? nil : "the call \(path) is not answered"
    }
}
