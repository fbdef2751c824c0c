package import NIOCore

extension HTTPListener {
    /// Serves one connection, without TLS, on a channel that somebody else opened and that may be no socket, until it
    /// closes. Call it on the channel's event loop.
    package static func serve(
        _ channel: any Channel, options: HTTPListenerOptions = .init(), handler: any HTTPHandler
    ) throws {
        let loop = ServerLoop(eventLoop: channel.eventLoop, options: options, handler: handler)
        let connection = ServerConnection(loop: loop)
        channel.closeFuture.assumeIsolated().whenComplete { _ in loop.remove(connection) }
        try channel.pipeline.syncOperations.addHandler(ProtocolChooser(connection, hasTLS: false))
    }
}
