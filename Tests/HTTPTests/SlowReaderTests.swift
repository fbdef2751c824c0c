import NIOCore
import Testing

@testable import HTTP

/// Who reads late loses nothing of an answer that has ended.
@Suite(.timeLimit(.minutes(1))) struct SlowReaderTests {
    /// More than a socket's buffers take.
    private static let byteCount = 24 << 20

    /// The answer comes in two ticks. "/open" has no end.
    private static func server() async throws -> TestServer {
        var options = HTTPListenerOptions.test
        options.timeouts.linger = .milliseconds(20)
        options.unsentByteCountMax = 16 << 20
        return try await TestServer.serving(options: options) { exchange in
            exchange.sendHead(status: 200, headers: [HTTPField("content-length", "\(byteCount)")])
            guard exchange.request.path != "/open" else { return exchange.onClientGone = {} }
            exchange.write(ByteBuffer(repeating: 0x61, count: 1))
            exchange.eventLoop.assumeIsolated().execute {
                exchange.write(ByteBuffer(repeating: 0x61, count: byteCount - 1))
                exchange.finish(trailers: [])
            }
        }
    }

    /// Of HTTP/2 all windows are wide open.
    private static func ask(
        _ server: TestServer, version: Int, _ path: String = "/", closes: Bool = false
    ) throws -> RawSocket {
        let socket = try RawSocket(port: server.port, receiveBuffer: 4096)
        if version == 1 {
            socket.send("GET \(path) HTTP/1.1\r\nHost: h\r\n\(closes ? "Connection: close\r\n" : "")\r\n")
        } else {
            socket.send(HTTP2Frames.preface + HTTP2Frames.settings([(4, 1 << 30)]))
            socket.send(HTTP2Frames.windowUpdate(0, 1 << 30) + HTTP2Frames.request(1, "GET", path))
            if closes { socket.send(HTTP2Frames.goAway) }
        }
        return socket
    }

    /// Reads after several times as long as a connection lingers when nothing is left to be said.
    private static func expectWhole(_ socket: RawSocket, version: Int) async throws {
        try await Task.sleep(for: .milliseconds(200))
        let bytes = try #require(socket.receiveAllBytes())
        if version == 1 {
            let end = try #require(bytes.firstRange(of: Array("\r\n\r\n".utf8)))
            #expect(bytes.count - end.upperBound == byteCount)
        } else {
            let data = HTTP2Frames.parse(bytes).filter { $0.type == 0 }
            #expect(data.reduce(0) { $0 + $1.payload.count } == byteCount && data.last?.flags == 1)
        }
    }

    @Test(arguments: [1, 2])
    func `a connection that closes after an answer does so when it is read`(version: Int) async throws {
        let server = try await Self.server()

        let socket = try Self.ask(server, version: version, closes: true)

        try await Self.expectWhole(socket, version: version)
        try await server.stop()
    }

    @Test(arguments: [1, 2])
    func `a listener that drains waits for readers, and for nobody else`(version: Int) async throws {
        let server = try await Self.server()
        let (reader, other) = try (
            Self.ask(server, version: version), Self.ask(server, version: version, "/open")
        )
        #expect(reader.receive(exactly: 1).count == 1 && other.receive(exactly: 1).count == 1)

        async let drained: Void = server.listener.drain(within: .milliseconds(20), sending: .seconds(30))
        try await until { server.listener.connectionCount == 1 }
        let rest = try #require(reader.receiveAllBytes())
        await drained

        #expect(rest.count > Self.byteCount)
        try await server.group.shutdownGracefully()
    }
}
