import NIOCore
import TestSupport
import Testing

@testable import HTTP

/// Deadlines, each shortened in its own test: reaching it is what ends the wait.
@Suite(.timeLimit(.minutes(1))) struct HTTPTimeoutTests {
    private func options(_ change: (inout HTTPTimeouts) -> Void) -> HTTPListenerOptions {
        var options = HTTPListenerOptions.test
        change(&options.timeouts)
        return options
    }

    @Test func `a connection that says nothing is closed`() async throws {
        let server = try await TestServer.echo(options: options { $0.firstByte = .milliseconds(20) })
        let socket = try RawSocket(port: server.port)

        #expect(socket.receiveAll() == "")
        try await server.stop()
    }

    @Test func `half a preface does not keep a connection`() async throws {
        let server = try await TestServer.echo(options: options { $0.firstByte = .milliseconds(20) })
        let socket = try RawSocket(port: server.port)

        socket.send(HTTP2Frames.preface.prefix(10))

        #expect(socket.receiveAll() == "")
        try await server.stop()
    }

    @Test func `a head that does not end is answered 408`() async throws {
        let server = try await TestServer.echo(options: options { $0.head = .milliseconds(20) })
        let socket = try RawSocket(port: server.port)

        socket.send("GET / HTTP/1.1\r\nHost: ")

        #expect(socket.receiveAll()?.hasPrefix("HTTP/1.1 408 ") == true)
        try await server.stop()
    }

    @Test func `a head of HTTP 2 that does not end closes the connection`() async throws {
        let server = try await TestServer.echo(options: options { $0.head = .milliseconds(20) })
        let socket = try RawSocket(port: server.port)

        socket.send(HTTP2Frames.opening + HTTP2Frames.frame(1, stream: 1, HTTP2Frames.fields()))

        #expect(socket.receiveAll() != nil)
        try await until { server.listener.connectionCount == 0 }
        try await server.stop()
    }

    @Test func `a client of HTTP 2 that answers no ping is gone, one that has nothing to say is not`() async throws {
        let server = try await TestServer.echo(options: options { $0.peerSilence = .milliseconds(500) })
        let quiet = try await server.http2()
        let gone = try RawSocket(port: server.port)

        gone.send(HTTP2Frames.opening + HTTP2Frames.request(1, "POST", ends: false))

        #expect(gone.receiveAll() != nil)
        #expect(try await quiet.fetch(pieces: [ByteBuffer(string: "still here")]).text == "still here")
        try await server.stop()
    }

    @Test(arguments: [1, 2])
    func `a collected body that stalls is incomplete`(version: Int) async throws {
        let server = try await TestServer.echo(options: options { $0.bodyGrace = .milliseconds(20) })
        let socket = try RawSocket(port: server.port)

        if version == 1 {
            socket.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\nabc")
            let text = socket.receiveAll()
            #expect(text?.hasPrefix("HTTP/1.1 408 ") == true && text?.hasSuffix("\r\n\r\ntoo slow") == true)
        } else {
            socket.send(HTTP2Frames.opening + HTTP2Frames.request(1, "POST", ends: false))
            let frames = socket.receive { $0.type == 0 && $0.payload == Array("too slow".utf8) }
            #expect(frames.contains { $0.type == 1 && $0.stream == 1 })
        }
        try await server.stop()
    }

    @Test(arguments: [1, 2])
    func `a stream that somebody receives may be silent for long`(version: Int) async throws {
        let changed = options {
            $0.bodyGrace = .milliseconds(1)
            $0.idle = .milliseconds(20)
            $0.head = .milliseconds(20)
            $0.firstByte = .milliseconds(20)
        }
        let server = try await TestServer.serving(options: changed) { exchange in
            exchange.sendHead(status: 200, headers: [])
            exchange.receiveBody { if $0 == nil { exchange.finish(trailers: []) } }
            exchange.eventLoop.assumeIsolated().scheduleTask(in: .milliseconds(80)) {
                exchange.write(ByteBuffer(string: "late"))
            }
        }
        let socket = try RawSocket(port: server.port)

        if version == 1 {
            socket.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\nabc")
            #expect(socket.receive(until: "late").hasSuffix("4\r\nlate\r\n"))
        } else {
            socket.send(HTTP2Frames.opening + HTTP2Frames.request(1, "POST", ends: false))
            let frames = socket.receive { $0.type == 0 }
            #expect(frames.contains { $0.payload == Array("late".utf8) })
        }
        try await server.stop()
    }

    @Test(arguments: [1, 2])
    func `an idle connection is closed`(version: Int) async throws {
        let server = try await TestServer.echo(options: options { $0.idle = .milliseconds(20) })
        let client = try await version == 1 ? server.http1() : server.http2()

        // On a slow machine the deadline may come before the answer; either way the connection goes.
        _ = try await client.fetch("GET")

        try await until { server.listener.connectionCount == 0 }
        #expect(try await client.fetch("GET").end != .complete)
        try await server.stop()
    }

    @Test(arguments: [1, 2])
    func `a reader that stops reading is given up`(version: Int) async throws {
        let gone = Tally()
        let server = try await TestServer.serving(options: options { $0.sendProgress = .milliseconds(40) }) {
            exchange in
            exchange.onClientGone = { gone.add("gone") }
            exchange.sendHead(status: 200, headers: [])
            exchange.write(ByteBuffer(repeating: 1, count: 20 << 20))
        }
        let socket = try RawSocket(port: server.port, receiveBuffer: 4096)

        socket.send(
            version == 1
                ? Array("GET / HTTP/1.1\r\nHost: h\r\n\r\n".utf8) : HTTP2Frames.opening + HTTP2Frames.request(1))

        try await until { gone["gone"] == 1 }
        try await server.stop()
    }

    @Test func `a handshake that does not come is not waited for`() async throws {
        let files = try TestCertificates()
        let tls = try TLSContextBox.server(files.options("server"))
        let server = try await TestServer.echo(options: options { $0.tlsHandshake = .milliseconds(20) }, tls: tls)
        let socket = try RawSocket(port: server.port)

        #expect(socket.receiveAll() == "")
        try await server.stop()
    }

    @Test func `no more than the allowed connections are kept`() async throws {
        var options = HTTPListenerOptions.test
        options.connectionCountMax = 2
        let server = try await TestServer.echo(options: options)
        let first = try await server.http1()
        let second = try await server.http1()
        #expect(try await first.fetch("GET").status == 200)
        #expect(try await second.fetch("GET").status == 200)

        let third = try RawSocket(port: server.port)

        #expect(third.receiveAll() == "")
        first.close()
        try await until { server.listener.connectionCount == 1 }
        let fourth = try await server.http1()
        #expect(try await fourth.fetch("GET").status == 200)
        try await server.stop()
    }
}
