import NIOCore

/// A proxy that connections go through. Source: RFC 9110, section 9.3.6 (CONNECT).
package struct HTTPProxy: Equatable, Sendable {
    package var host: String
    package var port: Int
    /// Value of `Proxy-Authorization`; nil sends none.
    package var authorization: String?

    package init(host: String, port: Int, authorization: String? = nil) {
        self.host = host
        self.port = port
        self.authorization = authorization
    }
}

/// Asks the proxy for a tunnel when the connection is there; whoever stands above sees it as active once the tunnel is.
final class ProxyTunnel: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private static let answerByteCountMax = 16 << 10
    private let proxy: HTTPProxy
    private let host: String
    private let port: Int
    private let timeout: TimeAmount
    private var timer: Scheduled<Void>?
    private var answer = ByteBuffer()
    private var isOver = false

    init(_ proxy: HTTPProxy, host: String, port: Int, timeout: TimeAmount) {
        self.proxy = proxy
        self.host = host
        self.port = port
        self.timeout = timeout
    }

    func channelActive(context: ChannelHandlerContext) {
        let target = host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
        var request = ByteBuffer(string: "CONNECT \(target) HTTP/1.1\r\nhost: \(target)\r\n")
        if let authorization = proxy.authorization {
            request.writeString("proxy-authorization: \(authorization)\r\n")
        }
        request.writeString("\r\n")
        context.writeAndFlush(wrapOutboundOut(request), promise: nil)
        timer = context.eventLoop.assumeIsolated().scheduleTask(in: timeout) {
            self.fail(context, "it did not answer in time")
        }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !isOver else { return context.fireChannelRead(data) }
        answer.writeImmutableBuffer(unwrapInboundIn(data))
        let bytes = answer.readableBytesView
        guard let end = bytes.firstRange(of: Array("\r\n\r\n".utf8)) else {
            if bytes.count > Self.answerByteCountMax { fail(context, "its answer has no end") }
            return
        }
        let line = String(decoding: bytes.prefix { $0 != UInt8(ascii: "\r") }, as: UTF8.self).split(separator: " ")
        guard line.count >= 2, line[0].hasPrefix("HTTP/1."), let status = Int(line[1]) else {
            return fail(context, "its answer is not HTTP/1.1")
        }
        guard (200..<300).contains(status) else { return fail(context, "it answered \(status)") }
        isOver = true
        timer?.cancel()
        answer.moveReaderIndex(to: end.upperBound)
        context.fireChannelActive()
        if answer.readableBytes > 0 { context.fireChannelRead(wrapInboundOut(answer)) }
        context.pipeline.syncOperations.removeHandler(self, promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) {
        if !isOver { fail(context, "it closed the connection") }
        context.fireChannelInactive()
    }

    private func fail(_ context: ChannelHandlerContext, _ reason: String) {
        guard !isOver else { return }
        isOver = true
        timer?.cancel()
        context.fireErrorCaught(
            HTTPConnectError.failed(
                host: host, port: port, reason: "the proxy \(proxy.host):\(proxy.port) made no tunnel: \(reason)"))
        context.close(promise: nil)
    }
}
