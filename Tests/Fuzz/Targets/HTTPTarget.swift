import HTTP
import NIOCore
import NIOEmbedded

/// Connections of strangers, from the first byte to the last, without a socket.
enum HTTPTarget {
    /// HTTP/1.1, where requests must be the same however the bytes were cut into packets: what one reader takes for two
    /// requests and another for one is how requests are smuggled.
    static func http1(_ bytes: [UInt8]) -> String? {
        let (whole, cut) = (RecordingHandler(), RecordingHandler())
        if let problem = serve(bytes, pieceByteCount: max(1, bytes.count), whole) { return problem }
        if let problem = serve(bytes, pieceByteCount: 1 + bytes.count % 5, cut) { return problem }
        guard !whole.answersEarly, whole.requests != cut.requests else { return nil }
        return "\(whole.requests) is in one piece what is \(cut.requests) in several"
    }

    /// HTTP/2 behind the client's preface and settings.
    static func http2(_ bytes: [UInt8]) -> String? {
        serve(opening + bytes, pieceByteCount: 1 + bytes.count % 200, RecordingHandler())
    }

    private static let opening = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8) + [0, 0, 0, 4, 0, 0, 0, 0, 0]

    private static let shortestRequestByteCount = "G / HTTP/1.1\r\n\r\n".utf8.count

    private static func serve(_ bytes: [UInt8], pieceByteCount: Int, _ handler: RecordingHandler) -> String? {
        let channel = EmbeddedChannel()
        defer { _ = try? channel.finish(acceptAlreadyClosed: true) }
        do {
            try HTTPListener.serve(channel, handler: handler)
            try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
            for start in stride(from: 0, to: bytes.count, by: pieceByteCount) where channel.isActive {
                let piece = bytes[start..<min(start + pieceByteCount, bytes.count)]
                try channel.writeInbound(ByteBuffer(bytes: piece))
                channel.embeddedEventLoop.run()
                while try channel.readOutbound(as: ByteBuffer.self) != nil {}
            }
            // Of requests that come all at once so many are served in a turn, and the next turn is a millisecond later.
            channel.embeddedEventLoop.advanceTime(by: .milliseconds(1 + Int64(bytes.count / shortestRequestByteCount)))
            while try channel.readOutbound(as: ByteBuffer.self) != nil {}
            // What is half open ends with the connection.
            try? channel.close().wait()
            channel.embeddedEventLoop.run()
        } catch {
            return "the connection threw \(error)"
        }
        return handler.openCount == 0 ? nil : "\(handler.openCount) exchanges never heard that their client is gone"
    }
}
