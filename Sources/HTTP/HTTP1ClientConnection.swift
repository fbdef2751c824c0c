package import NIOCore
import NIOHTTP1

/// One HTTP/1.1 connection to a server: a request at a time, kept alive between them. Requests opened meanwhile wait
/// their turn. Confined to its event loop.
package final class HTTP1ClientConnection: HTTPClientConnection {
    package let eventLoop: any EventLoop
    package var onClosed: (() -> Void)?
    private let host: String
    private let session: HTTP1ClientSession

    private init(host: String, session: HTTP1ClientSession, eventLoop: any EventLoop) {
        self.host = host
        self.session = session
        self.eventLoop = eventLoop
    }

    /// The future completes on `eventLoop`; read it there by `assumeIsolated()`. Fails with an `HTTPConnectError`.
    package static func connect(
        host: String, port: Int, eventLoop: any EventLoop, tls: TLSContextBox? = nil,
        options: HTTPClientOptions = .init()
    ) -> EventLoopFuture<HTTP1ClientConnection> {
        ClientDialer.dial(host: host, port: port, eventLoop: eventLoop, tls: tls, options: options) { channel, _ in
            let session = HTTP1ClientSession(eventLoop: eventLoop)
            let connection = HTTP1ClientConnection(host: "\(host):\(port)", session: session, eventLoop: eventLoop)
            session.connection = connection
            let pipeline = channel.pipeline.syncOperations
            try pipeline.addHandler(HTTPRequestEncoder())
            try pipeline.addHandler(ByteToMessageHandler(HTTPResponseDecoder(leftOverBytesStrategy: .dropBytes)))
            try pipeline.addHandler(session)
            return connection
        }
    }

    package var isUsable: Bool { session.isUsable }

    package func openStream(_ head: HTTPRequestHead, hasBody: Bool) -> any HTTPClientStream {
        let named =
            head.header("host") != nil
            ? head
            : HTTPRequestHead(
                method: head.method, path: head.path, query: head.query,
                headers: [HTTPField("host", host)] + head.headers, majorVersion: head.majorVersion)
        let stream = HTTP1ClientStream(named, session: session, eventLoop: eventLoop)
        if !hasBody { stream.finish() }
        session.enqueue(stream)
        return stream
    }

    package func close() {
        session.close()
    }

    func gone() {
        let closed = onClosed
        onClosed = nil
        closed?()
    }
}

/// The client's side of HTTP/1.1: runs the first of its streams, keeps the others waiting.
final class HTTP1ClientSession: ChannelInboundHandler {
    typealias InboundIn = HTTPClientResponsePart
    typealias OutboundOut = HTTPClientRequestPart

    var connection: HTTP1ClientConnection?
    private let eventLoop: any EventLoop
    private var context: ChannelHandlerContext?
    private var waiting: [HTTP1ClientStream] = []
    private var current: HTTP1ClientStream?
    private var keepsAlive = true
    private var isScheduled = false
    private var isClosed = false

    init(eventLoop: any EventLoop) {
        self.eventLoop = eventLoop
    }

    var isUsable: Bool { context != nil && keepsAlive && !isClosed }

    func enqueue(_ stream: HTTP1ClientStream) {
        waiting.append(stream)
        workSoon()
    }

    func workSoon() {
        guard !isScheduled else { return }
        isScheduled = true
        eventLoop.assumeIsolated().execute { self.work() }
    }

    /// Once per tick: begins the next stream when none runs, and sends what the running one has.
    private func work() {
        isScheduled = false
        guard let context, !isClosed else { return lose() }
        if current == nil, !waiting.isEmpty {
            let next = waiting.removeFirst()
            guard keepsAlive else {
                next.end(.refused)
                return workSoon()
            }
            current = next
            context.write(wrapOutboundOut(.head(next.makeHead())), promise: nil)
        }
        guard let current, context.channel.isWritable else { return }
        if let bytes = current.takeOutput() {
            context.write(wrapOutboundOut(.body(.byteBuffer(bytes))), promise: nil)
        }
        if current.takesEnd() { context.write(wrapOutboundOut(.end(nil)), promise: nil) }
        context.flush()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard let current else { return }
        switch unwrapInboundIn(data) {
        case .head(let head):
            keepsAlive = keepsAlive && head.isKeepAlive
            current.headArrived(head)
        case .body(let bytes): current.bodyArrived(bytes)
        case .end(let trailers):
            // A response before the end of its request leaves the connection in between two messages.
            if !current.hasSentEnd { keepsAlive = false }
            self.current = nil
            if let trailers { current.trailersArrived(trailers) }
            current.end(.complete)
            if keepsAlive { workSoon() } else { close() }
        }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable { workSoon() }
        context.fireChannelWritabilityChanged()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        let stream = current
        current = nil
        stream?.end(error is HTTPParserError ? .malformed : .connectionLost)
        close()
    }

    func cancelled(_ stream: HTTP1ClientStream) {
        eventLoop.assumeIsolated().execute { stream.end(.cancelled) }
        guard stream === current else { return waiting.removeAll { $0 === stream } }
        current = nil
        close()
    }

    func close() {
        guard !isClosed else { return }
        isClosed = true
        guard let context else { return }
        eventLoop.assumeIsolated().execute { context.close(promise: nil) }
    }

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        lose()
    }

    func channelInactive(context: ChannelHandlerContext) {
        lose()
        context.fireChannelInactive()
    }

    private func lose() {
        isClosed = true
        let running = current
        let others = waiting
        let connection = self.connection
        current = nil
        waiting = []
        context = nil
        self.connection = nil
        running?.end(.connectionLost)
        for stream in others { stream.end(.refused) }
        connection?.gone()
    }
}
