import HTTP
import NIOCore

@testable import Worker

/// Asks `grpc.health.v1` over a socket, as a kubelet does.
final class HealthProbe {
    enum Answer: Equatable, Sendable {
        case serving, notServing, serviceUnknown
        case ended(GRPCStatusCode)
    }

    private let connection: NIOLoopBound<HTTP2ClientConnection>
    private var iterator: AsyncStream<Answer>.Iterator
    private let continuation: AsyncStream<Answer>.Continuation

    convenience init(_ rig: WorkerRig) async throws { try await self.init(rig.eventLoop, port: rig.service.port) }

    init(_ loop: any EventLoop, port: Int) async throws {
        let (stream, continuation) = AsyncStream.makeStream(of: Answer.self)
        iterator = stream.makeAsyncIterator()
        self.continuation = continuation
        connection = try await loop.flatSubmit {
            HTTP2ClientConnection.connect(host: "127.0.0.1", port: port, eventLoop: loop).map {
                NIOLoopBound($0, eventLoop: loop)
            }
        }.get()
    }

    func check(_ service: String) async throws { try await ask("Check", service) }
    func watch(_ service: String) async throws { try await ask("Watch", service) }

    private func ask(_ method: String, _ service: String) async throws {
        let (connection, continuation) = (connection, continuation)
        try await connection.eventLoop.submit {
            let call = GRPCClientCall(connection.value, path: "/grpc.health.v1.Health/\(method)")
            call.onMessage = { message in
                // HealthCheckResponse: field 1, the status.
                switch Array(message.readableBytesView) {
                case [0x08, 1]: continuation.yield(.serving)
                case [0x08, 2]: continuation.yield(.notServing)
                default: continuation.yield(.serviceUnknown)
                }
            }
            call.onStatus = { continuation.yield(.ended($0.code)) }
            // HealthCheckRequest: field 1, the service's name.
            var request = ByteBuffer()
            if !service.isEmpty {
                request.writeBytes([0x0A, UInt8(service.utf8.count)])
                request.writeString(service)
            }
            call.send(request)
            if method == "Check" { call.finishSending() }
        }.get()
    }

    func next() async -> Answer? { await iterator.next() }
}
