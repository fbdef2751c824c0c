import NIOCore
import NIOTLS

/// First stage of a connection: waits for the handshake and the first bytes, then puts the right session in its place.
///
/// Without TLS it compares what arrives with the HTTP/2 preface; the first differing byte means HTTP/1.1.
final class ProtocolChooser: ChannelInboundHandler, RemovableChannelHandler, ConnectionStage {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    private let connection: ServerConnection
    private var context: ChannelHandlerContext?
    private var received = ByteBuffer()
    private var isHandshaking: Bool
    private var deadline: NIODeadline
    private var hasChosen = false

    init(_ connection: ServerConnection, hasTLS: Bool) {
        self.connection = connection
        isHandshaking = hasTLS
        let timeouts = connection.loop.options.timeouts
        // The loop's clock may stand a sweep behind.
        deadline = .now() + (hasTLS ? timeouts.tlsHandshake : timeouts.firstByte)
    }

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        connection.stage = self
        if context.channel.isActive { begin() }
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.context = nil
        if !hasChosen { connection.stage = nil }
    }

    func channelActive(context: ChannelHandlerContext) {
        begin()
        context.fireChannelActive()
    }

    private func begin() {
        connection.loop.add(connection)
        if connection.loop.isDraining { drain() }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var bytes = unwrapInboundIn(data)
        if hasChosen {
            context.fireChannelRead(data)
            return
        }
        received.writeBuffer(&bytes)
        guard !isHandshaking else { return }
        let seen = received.readableBytesView.prefix(HTTP2Preface.bytes.count)
        if !seen.elementsEqual(HTTP2Preface.bytes.prefix(seen.count)) {
            choose(.http1)
        } else if seen.count == HTTP2Preface.bytes.count {
            choose(.http2)
        }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case .handshakeCompleted(let name)? = event as? TLSUserEvent {
            isHandshaking = false
            choose(name == "h2" ? .http2 : .http1)
        } else {
            context.fireUserInboundEventTriggered(event)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }

    private enum Version { case http1, http2 }

    private func choose(_ version: Version) {
        guard let context, !hasChosen else { return }
        hasChosen = true
        let session: any ChannelHandler & ConnectionStage =
            switch version {
            case .http1: HTTP1Session(connection)
            case .http2: HTTP2ServerSession(connection)
            }
        connection.stage = session
        do {
            try context.pipeline.syncOperations.addHandler(session, position: .after(self))
        } catch {
            context.close(promise: nil)
            return
        }
        if received.readableBytes > 0 {
            context.fireChannelRead(wrapInboundOut(received))
            context.fireChannelReadComplete()
        }
        context.pipeline.syncOperations.removeHandler(self, promise: nil)
    }

    func sweep(now: NIODeadline) {
        if now > deadline { close() }
    }

    /// Who has just connected has sent its first request, or is about to: closing now might reset it.
    func drain() {
        deadline = min(deadline, .now() + connection.loop.options.timeouts.firstByteWhileDraining)
    }

    func close() {
        context?.close(promise: nil)
    }
}

enum HTTP2Preface {
    static let bytes = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)
}
