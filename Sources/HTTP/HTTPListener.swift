package import NIOCore
import NIOPosix

/// Accepts connections and serves HTTP/1.1 and HTTP/2 on them.
///
/// Without TLS a connection's first bytes choose the version (HTTP/2 by prior knowledge); with TLS, ALPN does. Each
/// connection stays on one event loop of `group`; each loop has a handler of its own.
///
/// When file descriptors run out, accepting pauses for a second and goes on; connections that live are not touched.
package final class HTTPListener: Sendable {
    package let host: String
    /// The port that was bound; the system's choice when 0 was asked for.
    package let port: Int
    private let channel: any Channel
    let loops: [NIOLoopBound<ServerLoop>]
    private let book: ConnectionBook

    private init(
        host: String, port: Int, channel: any Channel, loops: [NIOLoopBound<ServerLoop>], book: ConnectionBook
    ) {
        self.host = host
        self.port = port
        self.channel = channel
        self.loops = loops
        self.book = book
    }

    /// Binds and begins to accept. `port` 0 lets the system choose. `makeHandler` is called once per event loop, on it.
    package static func bind(
        host: String, port: Int, group: any EventLoopGroup, options: HTTPListenerOptions = .init(),
        tls: TLSContextBox? = nil, makeHandler: @escaping @Sendable (any EventLoop) -> any HTTPHandler
    ) async throws(HTTPListenError) -> HTTPListener {
        do {
            var loops: [NIOLoopBound<ServerLoop>] = []
            for eventLoop in group.makeIterator() {
                let loop = eventLoop.submit {
                    NIOLoopBound(
                        ServerLoop(eventLoop: eventLoop, options: options, handler: makeHandler(eventLoop)),
                        eventLoop: eventLoop)
                }
                loops.append(try await loop.get())
            }
            let book = ConnectionBook(options)
            let offenders = options.offenders.map { OffenderBook($0) }
            let bound = loops
            let channel = try await ServerBootstrap(group: group)
                .serverChannelOption(.backlog, value: options.backlog)
                .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
                .serverChannelInitializer { server in
                    server.eventLoop.makeCompletedFuture {
                        try server.pipeline.syncOperations.addHandler(AcceptPause())
                    }
                }
                .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
                .childChannelOption(.maxMessagesPerRead, value: 4)
                .childChannelOption(
                    .writeBufferWaterMark, value: .init(low: 64 << 10, high: 256 << 10)
                )
                .childChannelInitializer { child in
                    let adopt: @Sendable () throws -> Void = {
                        try Self.adopt(child, loops: bound, offenders: offenders, tls: tls?.current)
                    }
                    let entered = child.eventLoop.makeCompletedFuture { try Self.enter(child, book) }
                    guard let delay = offenders?.delay(for: child.remoteAddress, now: .now()) else {
                        return entered.flatMapThrowing(adopt)
                    }
                    // Nothing is read from it before this is done.
                    return entered.flatMap { child.eventLoop.scheduleTask(in: delay, adopt).futureResult }
                }
                .bind(host: host, port: port).get()
            return HTTPListener(
                host: host, port: channel.localAddress?.port ?? port, channel: channel, loops: loops, book: book)
        } catch {
            throw Self.listenError(error, host: host, port: port)
        }
    }

    /// Connections open now.
    package var connectionCount: Int { book.count }

    /// Counts a connection from its first moment, also while it is made to wait.
    private static func enter(_ child: any Channel, _ book: ConnectionBook) throws {
        let address = child.remoteAddress
        guard book.enter(address) else { throw ChannelError.operationUnsupported }
        child.closeFuture.whenComplete { _ in book.leave(address) }
    }

    private static func adopt(
        _ child: any Channel, loops: [NIOLoopBound<ServerLoop>], offenders: OffenderBook?, tls: TLSContext?
    ) throws {
        guard let loop = loops.first(where: { $0.eventLoop === child.eventLoop })?.value else {
            throw ChannelError.operationUnsupported
        }
        let address = child.remoteAddress
        let connection = ServerConnection(loop: loop)
        if let offenders {
            connection.onOffence = { offenders.offended(address, now: .now()) }
        }
        // After it has left the book: whoever waits for the loop to be empty may count connections then.
        child.closeFuture.assumeIsolated().whenComplete { _ in loop.remove(connection) }
        if let tls { try child.pipeline.syncOperations.addHandler(TLSHandler(tls)) }
        try child.pipeline.syncOperations.addHandler(ProtocolChooser(connection, hasTLS: tls != nil))
    }

    private static func listenError(_ error: any Error, host: String, port: Int) -> HTTPListenError {
        if let error = error as? IOError {
            switch error.errnoCode {
            case EADDRINUSE: return .portInUse(host: host, port: port)
            case EADDRNOTAVAIL: return .addressNotAvailable(host: host, port: port)
            case EACCES, EPERM: return .notPermitted(host: host, port: port)
            default: return .failed(host: host, port: port, errno: error.errnoCode)
            }
        }
        return .badHost(host)
    }

    /// Accepts whoever has connected and nobody else, tells the clients to go elsewhere (GOAWAY, `connection: close`),
    /// lets running exchanges finish, and closes what is left after `limit`.
    /// - Parameter sending: connections that are still being sent something have at least so long.
    package func drain(within limit: TimeAmount, sending: TimeAmount = .zero) async {
        await AcceptQueue.drain(channel)
        try? await channel.close().get()
        let loops = self.loops
        let drained = loops.map { loop in loop.eventLoop.flatSubmit { loop.value.drain() } }
        let timers = [
            channel.eventLoop.scheduleTask(in: limit) {
                for loop in loops { loop.eventLoop.execute { loop.value.closeUnlessSending() } }
            },
            channel.eventLoop.scheduleTask(in: max(limit, sending)) {
                for loop in loops { loop.eventLoop.execute { _ = loop.value.close() } }
            },
        ]
        for loop in drained { try? await loop.get() }
        for timer in timers { timer.cancel() }
    }

    /// Stops accepting and closes every connection now.
    package func close() async {
        try? await channel.close().get()
        for loop in loops { try? await loop.eventLoop.flatSubmit { loop.value.close() }.get() }
    }
}
