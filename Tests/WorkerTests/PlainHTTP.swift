import NIOCore
import NIOPosix

/// The least of HTTP/1.1 that asks for a page.
enum PlainHTTP {
    struct Page: Sendable {
        var status: Int
        var head: String
        var body: String
    }

    static func get(_ path: String, port: Int, accept: String = "*/*", method: String = "GET") async throws -> Page {
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        let whole = loop.makePromise(of: ByteBuffer.self)
        let channel = try await ClientBootstrap(group: loop).channelInitializer { channel in
            channel.eventLoop.makeCompletedFuture {
                try channel.pipeline.syncOperations.addHandler(Collector(whole))
            }
        }.connect(host: "127.0.0.1", port: port).get()
        let request = "\(method) \(path) HTTP/1.1\r\nhost: w\r\naccept: \(accept)\r\nconnection: close\r\n\r\n"
        try await channel.writeAndFlush(ByteBuffer(string: request)).get()
        let text = String(buffer: try await whole.futureResult.get())
        let parts = text.split(separator: "\r\n\r\n", maxSplits: 1, omittingEmptySubsequences: false)
        let status = parts[0].split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
        return Page(status: status, head: String(parts[0]), body: parts.count > 1 ? String(parts[1]) : "")
    }

    private final class Collector: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        private var bytes = ByteBuffer()
        private let whole: EventLoopPromise<ByteBuffer>

        init(_ whole: EventLoopPromise<ByteBuffer>) { self.whole = whole }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            var piece = unwrapInboundIn(data)
            bytes.writeBuffer(&piece)
        }

        func channelInactive(context: ChannelHandlerContext) { whole.succeed(bytes) }
    }
}
