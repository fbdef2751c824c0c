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
            let frames = old.receive { $0.payload == Array("too slow".utf8) }
            #expect(frames.contains { $0.payload == Array("too slow".utf8) })
        }
        new.send("0123456789")
        #expect(new.receiveAll()?.hasSuffix("a0123456789") == true)
        try await server.stop()
    }

    @Test(arguments: [1, 2])
    func `of readers that leave too much unread together the worst is given up`(version: Int) async throws {
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

    @Test func `a stream that leaves too much unread ends without the others of its connection`() async throws {
        var options = HTTPListenerOptions.test
        options.unsentTotalByteCountMax = 8 << 20
        let gone = Tally()
        let server = try await TestServer.serving(options: options) { exchange in
            let path = exchange.request.path
            exchange.onClientGone = { gone.add(path) }
            guard path != "/fine" else { return exchange.echo() }
            exchange.sendHead(status: 200, headers: [])
            exchange.write(ByteBuffer(repeating: 0x61, count: path == "/most" ? 7 << 20 : 2 << 20))
        }
        let socket = try RawSocket(port: server.port)

        socket.send(HTTP2Frames.preface + HTTP2Frames.settings([(4, 1000)]))
        socket.send(HTTP2Frames.request(1, "GET", "/much") + HTTP2Frames.request(3, "GET", "/most"))
        try await until { gone["/most"] == 1 }
        socket.send(HTTP2Frames.request(5, "GET", "/fine"))
        let frames = socket.receive { $0.type == 1 && $0.stream == 5 }

        #expect(frames.contains { $0.type == 1 && $0.stream == 5 })
        #expect(frames.filter { $0.type == 3 }.map(\.stream) == [3])
        // An answer that is cut off does not look whole.
        #expect(!frames.contains { $0.type == 0 && $0.stream == 3 && $0.flags & 1 == 1 })
        #expect(gone["/much"] == 0)
        try await server.stop()
    }

    @Test func `who does not read what is written already is closed`() async throws {
        var options = HTTPListenerOptions.test
        options.unsentTotalByteCountMax = 100_000
        let gone = Tally()
        let server = try await TestServer.serving(options: options) { exchange in
            exchange.onClientGone = { gone.add("client") }
            exchange.sendHead(status: 200, headers: [])
            exchange.write(ByteBuffer(repeating: 0x61, count: 16 << 20))
        }
        let socket = try RawSocket(port: server.port, receiveBuffer: 4096)

        // Windows are wide open, and nobody reads.
        socket.send(HTTP2Frames.preface + HTTP2Frames.settings([(4, 1 << 30)]))
        socket.send(HTTP2Frames.windowUpdate(0, 1 << 30) + HTTP2Frames.request(1, "GET", "/"))
        try await until { gone["client"] == 1 }
        // A sweep later.
        try await server.loop.scheduleTask(in: .milliseconds(50)) {}.futureResult.get()

        // Ends when the connection does.
        _ = socket.receiveAll()
        try await server.stop()
    }
}
