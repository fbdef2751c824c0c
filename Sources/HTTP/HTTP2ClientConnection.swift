package import NIOCore

/// One HTTP/2 connection to a server, over TLS when it has a context, by prior knowledge without. Confined to its event
/// loop. It lives until it is closed or lost, whether or not somebody keeps it.
package final class HTTP2ClientConnection: HTTPClientConnection {
    package let eventLoop: any EventLoop
    package var onClosed: (() -> Void)?
    /// When the server's last byte came.
    package private(set) var lastReadAt = NIODeadline.now()
    private let host: String
    private let scheme: String
    private var session: HTTP2ClientSession?

    private init(host: String, port: Int, scheme: String, eventLoop: any EventLoop) {
        self.host = "\(host):\(port)"
        self.scheme = scheme
        self.eventLoop = eventLoop
    }

    /// The future completes on `eventLoop`; read it there by `assumeIsolated()`. Fails with an `HTTPConnectError`.
    package static func connect(
        host: String, port: Int, eventLoop: any EventLoop, tls: TLSContextBox? = nil,
        options: HTTPClientOptions = .init()
    ) -> EventLoopFuture<HTTP2ClientConnection> {
        ClientDialer.dial(host: host, port: port, eventLoop: eventLoop, tls: tls, options: options) { channel, name in
            guard tls == nil || name == "h2" else {
                throw HTTPConnectError.protocolNotOffered(host: host, port: port)
            }
            let connection = HTTP2ClientConnection(
                host: host, port: port, scheme: tls == nil ? "http" : "https", eventLoop: eventLoop)
            let session = HTTP2ClientSession(connection, options: options)
            connection.session = session
            try channel.pipeline.syncOperations.addHandler(session)
            return connection
        }
    }

    package var isUsable: Bool { session?.takesStreams ?? false }

    /// A stream on a connection that takes none ends in `.refused`: nothing was sent.
    package func openStream(_ head: HTTPRequestHead, hasBody: Bool) -> any HTTPClientStream {
        let stream = HTTP2ClientStream(head, scheme: scheme, host: host, eventLoop: eventLoop, session: session)
        if !hasBody { stream.finish() }
        return stream
    }

    /// Asks the server for a sign of life.
    package func ping() { session?.ping() }

    /// All bytes that came from the server.
    package var receivedByteCount: Int { session?.receivedByteCount ?? 0 }

    /// Closes now; open streams end as `.connectionLost`.
    package func close() {
        session?.close()
    }

    // MARK: Told by the session

    func bytesArrived() { lastReadAt = .now() }

    func gone() {
        session = nil
        let closed = onClosed
        onClosed = nil
        closed?()
    }
}
