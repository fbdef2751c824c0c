import NIOCore
import NIOPosix
import NIOTLS

/// Makes the connection of a client: TCP, then TLS when there is a context. The session comes after.
enum ClientDialer {
    /// Completes on `eventLoop` with an open channel and the protocol that ALPN chose.
    static func dial(
        host: String, port: Int, eventLoop: any EventLoop, tls: TLSContextBox?, options: HTTPClientOptions
    ) -> EventLoopFuture<(any Channel, String?)> {
        let handshake = eventLoop.makePromise(of: String?.self)
        let context = tls?.current
        if context == nil { handshake.succeed(nil) }
        let connected = ClientBootstrap(group: eventLoop)
            .connectTimeout(options.connectTimeout)
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelOption(.maxMessagesPerRead, value: 4)
            .channelOption(.writeBufferWaterMark, value: .init(low: 64 << 10, high: 256 << 10))
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    guard let context else { return }
                    try channel.pipeline.syncOperations.addHandlers([
                        TLSHandler(context, serverName: host),
                        HandshakeWaiter(handshake, timeout: options.connectTimeout),
                    ])
                }
            }
            .connect(host: host, port: port)
        connected.whenFailure { handshake.fail($0) }
        return connected.and(handshake.futureResult).flatMapErrorThrowing { error in
            throw connectError(error, host: host, port: port)
        }
    }

    static func connectError(_ error: any Error, host: String, port: Int) -> HTTPConnectError {
        switch error {
        case let error as HTTPConnectError: return error
        case let error as TLSHandshakeError: return .tls(host: host, port: port, reason: error.reason)
        case ChannelError.connectTimeout: return .timedOut(host: host, port: port)
        case let error as IOError:
            return error.errnoCode == ECONNREFUSED
                ? .refused(host: host, port: port) : .failed(host: host, port: port, reason: error.description)
        case let error as NIOConnectionError:
            guard let first = error.connectionErrors.first else { return .badHost(host) }
            return connectError(first.error, host: host, port: port)
        default: return .failed(host: host, port: port, reason: "\(error)")
        }
    }
}

/// Tells a promise how the handshake went, then leaves the pipeline. Holds reading back until the session is there.
private final class HandshakeWaiter: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer
    private var promise: EventLoopPromise<String?>?
    private let timeout: TimeAmount
    private var timer: Scheduled<Void>?

    init(_ promise: EventLoopPromise<String?>, timeout: TimeAmount) {
        self.promise = promise
        self.timeout = timeout
    }

    func channelActive(context: ChannelHandlerContext) {
        timer = context.eventLoop.assumeIsolated().scheduleTask(in: timeout) {
            self.end(.failure(ChannelError.connectTimeout(self.timeout)))
            context.close(promise: nil)
        }
        context.fireChannelActive()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case .handshakeCompleted(let name)? = event as? TLSUserEvent { end(.success(name)) }
        context.fireUserInboundEventTriggered(event)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        end(.failure(error))
    }

    func channelInactive(context: ChannelHandlerContext) {
        end(.failure(TLSHandshakeError(reason: "the server closed the connection")))
        context.fireChannelInactive()
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        end(.failure(ChannelError.ioOnClosedChannel))
    }

    private func end(_ result: Result<String?, any Error>) {
        timer?.cancel()
        timer = nil
        guard let promise else { return }
        self.promise = nil
        promise.completeWith(result)
    }
}
