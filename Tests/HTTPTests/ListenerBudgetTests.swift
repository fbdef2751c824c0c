import Foundation
import NIOCore
import Testing

@testable import HTTP

/// What all connections of a listener may make it hold together.
@Suite(.timeLimit(.minutes(1))) struct ListenerBudgetTests {
    @Test(arguments: [1, 2])
    func `of bodies that are too much together the oldest ends`(version: Int) async throws {
        var options = HTTPListenerOptions.test
        options.gatheredByteCountMax = 100_000
        let server = try await TestServer.echo(options: options)
        let (old, new) = try (RawSocket(port: server.port), RawSocket(port: server.port))
        let head = "POST / HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 60010\r\n\r\n"
        let most = String(repeating: "a", count: 60_000)

        if version == 1 {
            old.send(head + most)
        } else {
            old.send(HTTP2Frames.opening + HTTP2Frames.request(1, "POST", ends: false))
            for _ in 0..<6 { old.send(HTTP2Frames.frame(0, stream: 1, [UInt8](repeating: 0x61, count: 10_000))) }
        }
        // Some sweeps later.
        try await server.loop.scheduleTask(in: .milliseconds(50)) {}.futureResult.get()
        new.send(head + most)

        if version == 1 {
            #expect(old.receiveAll()?.hasPrefix("HTTP/1.1 408 ") == true)
        } else {
            var bytes: [UInt8] = []
            while !HTTP2Frames.parse(bytes).contains(where: { $0.payload == Array("too slow".utf8) }),
                let more = old.receive(), !more.isEmpty
            { bytes += more }
            #expect(HTTP2Frames.parse(bytes).contains { $0.payload == Array("too slow".utf8) })
        }
        new.send("0123456789")
        #expect(new.receiveAll()?.hasSuffix("a0123456789") == true)
        try await server.stop()
    }

    @Test(arguments: [1, 2])
    func `of readers that leave too much unread together the worst is closed`(version: Int) async throws {
        var options = HTTPListenerOptions.test
        options.unsentTotalByteCountMax = 24 << 20
        let gone = Tally()
        let server = try await TestServer.serving(options: options) { exchange in
            let size = exchange.request.path == "/large" ? 30 << 20 : 10 << 20
            exchange.onClientGone = { gone.add(exchange.request.path) }
            exchange.sendHead(status: 200, headers: [HTTPField("content-length", "\(size)")])
            exchange.write(ByteBuffer(repeating: 0x61, count: size))
        }
        let (large, small) = try (
            RawSocket(port: server.port, receiveBuffer: 4096), RawSocket(port: server.port, receiveBuffer: 4096)
        )

        for (socket, path) in [(large, "/large"), (small, "/small")] {
            socket.send(
                version == 1
                    ? Array("GET \(path) HTTP/1.1\r\nHost: h\r\n\r\n".utf8)
                    : HTTP2Frames.opening + HTTP2Frames.request(1, "GET", path))
        }
        try await until { gone["/large"] == 1 }

        #expect(gone["/small"] == 0)
        try await server.stop()
    }
}
