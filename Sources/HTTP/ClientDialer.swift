import NIOCore
import NIOPosix
import NIOTLS

/// Makes the connection of a client: TCP, then TLS when there is a context, then the session.
enum ClientDialer {
    /// Completes on `eventLoop` with what `addSession` makes of the open channel and the protocol that ALPN chose. The
    /// session gets every byte of the server, also those that came before it was there.
    static func dial<Connection>(
        host: String, port: Int, eventLoop: any EventLoop, tls: TLSContextBox?, options: HTTPClientOptions,
        addSession: @escaping @Sendable (any Channel, String?) throws -> Connection
    ) -> EventLoopFuture<Connection> {
        let ready = eventLoop.makePromise(of: String?.self)
        let context = tls?.current
        let dialled = options.proxy.map { (host: $0.host, port: $0.port) } ?? (host: host, port: port)
        let connected = ClientBootstrap(group: eventLoop)
            .connectTimeout(options.connectTimeout)
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelOption(.maxMessagesPerRead, value: 4)
            .channelOption(.writeBufferWaterMark, value: .init(low: 64 << 10, high: 256 << 10))
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let pipeline = channel.pipeline.syncOperations
                    if let proxy = options.proxy {
                        try pipeline.addHandler(
                            ProxyTunnel(proxy, host: host, port: port, timeout: options.connectTimeout))
                    }
                    if let context { try pipeline.addHandler(TLSHandler(context, serverName: host)) }
                    try pipeline.addHandler(
                        SessionGate(ready, hasTLS: context != nil, timeout: options.connectTimeout))
                }
            }
            .connect(host: dialled.host, port: dialled.port)
        connected.whenFailure { ready.fail($0) }
        return connected.and(ready.futureResult)
            .flatMapThrowing { channel, name in
                do {
                    let connection = try addSession(channel, name)
                    let pipeline = channel.pipeline.syncOperations
                    pipeline.removeHandler(context: try pipeline.context(handlerType: SessionGate.self), promise: nil)
                    return connection
                } catch {
                    channel.close(promise: nil)
                    throw error
                }
            }
            .flatMapErrorThrowing { error in throw connectError(error, host: dialled.host, port: dialled.port) }
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

/// Tells a promise when a session can begin, or why none can, and keeps what arrives until it leaves the pipeline.
///
/// The future of a connect may complete some ticks after the channel has become active: by then a quick server has
/// spoken.
private final class SessionGate: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer
    private var promise: EventLoopPromise<String?>?
    private let hasTLS: Bool
    private let timeout: TimeAmount
    private var timer: Scheduled<Void>?
    private var arrived: [NIOAny] = []

    init(_ promise: EventLoopPromise<String?>, hasTLS: Bool, timeout: TimeAmount) {
        self.promise = promise
        self.hasTLS = hasTLS
        self.timeout = timeout
    }

    func channelActive(context: ChannelHandlerContext) {
        if hasTLS {
            timer = context.eventLoop.assumeIsolated().scheduleTask(in: timeout) {
                self.end(.failure(ChannelError.connectTimeout(self.timeout)))
                context.close(promise: nil)
            }
        } else {
            end(.success(nil))
        }
        context.fireChannelActive()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case .handshakeCompleted(let name)? = event as? TLSUserEvent { end(.success(name)) }
        context.fireUserInboundEventTriggered(event)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        arrived.append(data)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        end(.failure(error))
    }

    func channelInactive(context: ChannelHandlerContext) {
        end(.failure(TLSHandshakeError(reason: "the server closed the connection")))
        context.fireChannelInactive()
    }

    func removeHandler(context: ChannelHandlerContext, removalToken: ChannelHandlerContext.RemovalToken) {
        let early = arrived
        arrived = []
        for data in early { context.fireChannelRead(data) }
        if !early.isEmpty { context.fireChannelReadComplete() }
        context.leavePipeline(removalToken: removalToken)
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
