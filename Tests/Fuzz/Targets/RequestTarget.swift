import API
import HTTP
import NIOCore
import NIOEmbedded
import Telemetry

/// Requests of the public port: a byte that chooses the route, the body, and behind a NUL the event to resume from.
enum RequestTarget {
    static let paths = [
        "/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/rerank", "/v1/score", "/tokenize",
        "/detokenize", "/v1/responses", "/v1/messages", "/v1/messages/count_tokens", "/api/chat", "/api/generate",
        "/api/embed", "/api/show", "/v2/models/tiny/infer", "/v2/models/reader/infer", "/v2/models/tiny/generate",
        "/v2/models/tiny/generate_stream", "/v2/repository/index", "/v2/models/tiny/trace/setting",
    ]

    static func run(_ bytes: [UInt8]) -> String? {
        guard let first = bytes.first else { return nil }
        let parts = bytes.dropFirst().split(separator: 0, maxSplits: 1, omittingEmptySubsequences: false)
        var headers = [HTTPField("content-type", "application/json")]
        if parts.count == 2 { headers.append(HTTPField("last-event-id", String(decoding: parts[1], as: UTF8.self))) }
        return APIDesk.shared.send(
            HTTPRequestHead(
                method: "POST", path: paths[Int(first) % paths.count], query: nil, headers: headers, majorVersion: 1),
            body: parts.first ?? [])
    }
}

/// The whole API on an event loop of its own.
private final class APIDesk {
    // SENDABLE: targets run on one thread at a time.
    nonisolated(unsafe) static let shared = APIDesk()

    private let loop = EmbeddedEventLoop()
    private let service = InstantService()
    private let handler: APIHandler

    private init() {
        let metrics = MetricRegistry()
        var options = APIOptions()
        options.resumeKey = [UInt8](repeating: 7, count: 32)
        handler = APIHandler(
            service: service, metrics: metrics, inference: InferenceStatistics(metrics), options: options,
            offload: { $0() },
            surroundings: APISurroundings(
                unixSeconds: { 1_700_000_000 }, steadySeconds: { 0 }, randomWord: { 0x0123_4567_89ab_cdef }))
    }

    func send(_ request: HTTPRequestHead, body: ArraySlice<UInt8>) -> String? {
        let exchange = QuietExchange(request, pieces: [ByteBuffer(bytes: body)], loop: loop)
        handler.handle(exchange)
        loop.run()
        service.answer()
        loop.run()
        defer { exchange.clientLeaves() }
        return exchange.isOver && exchange.status != nil ? nil : "the request is not answered"
    }
}
