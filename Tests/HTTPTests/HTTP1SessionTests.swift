import Foundation
import NIOCore
import Synchronization
import Testing

@testable import HTTP

@Suite(.timeLimit(.minutes(1))) struct HTTP1SessionTests {
    @Test func `a request is answered with a length and the connection lives on`() async throws {
        let server = try await TestServer.echo()
        let client = try await server.http1()

        for text in ["one", "two", ""] {
            let answer = try await client.fetch(pieces: [ByteBuffer(string: text)])
            #expect(answer.status == 200 && answer.text == text && answer.end == .complete)
            #expect(answer.header("content-length") == String(text.utf8.count))
            #expect(answer.header("date")?.hasSuffix(" GMT") == true)
        }

        #expect(server.listener.connectionCount == 1)
        try await server.stop()
    }

    @Test func `pipelined requests are answered in their order, even by a handler that answers late`() async throws {
        let server = try await TestServer.serving { exchange in
            let path = exchange.request.path
            exchange.eventLoop.assumeIsolated().scheduleTask(in: .milliseconds(path == "/0" ? 20 : 0)) {
                exchange.respond(status: 200, headers: [], body: ByteBuffer(string: "[\(path)]"))
            }
        }
        let socket = try RawSocket(port: server.port)

        socket.send((0..<10).map { "GET /\($0) HTTP/1.1\r\nHost: h\r\n\r\n" }.joined())
        let text = socket.receive(until: "[/9]")

        #expect(text.components(separatedBy: "[").dropFirst().map { $0.prefix(2) } == (0..<10).map { "/\($0)" })
        try await server.stop()
    }

    @Test func `a response without a length is chunked, in the writes of the handler`() async throws {
        let server = try await TestServer.serving { exchange in
            exchange.sendHead(status: 200, headers: [])
            for piece in ["a", "", String(repeating: "b", count: 300)] { exchange.write(ByteBuffer(string: piece)) }
            exchange.finish(trailers: [HTTPField("x", "y")])
        }
        let socket = try RawSocket(port: server.port)

        socket.send("GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        let text = try #require(socket.receiveAll())

        #expect(text.contains("transfer-encoding: chunked\r\n"))
        #expect(text.hasSuffix("\r\n\r\n1\r\na\r\n12C\r\n\(String(repeating: "b", count: 300))\r\n0\r\n\r\n"))
        try await server.stop()
    }

    @Test func `HTTP 1.0 gets its stream until the connection ends`() async throws {
        let server = try await TestServer.serving { exchange in
            exchange.sendHead(status: 200, headers: [])
            exchange.write(ByteBuffer(string: "all"))
            exchange.finish(trailers: [])
        }
        let socket = try RawSocket(port: server.port)

        socket.send("GET / HTTP/1.0\r\n\r\n")
        let text = try #require(socket.receiveAll())

        #expect(!text.contains("chunked") && text.hasSuffix("\r\n\r\nall"))
        try await server.stop()
    }

    @Test func `a head without its body answers HEAD, 204 and 304`() async throws {
        let server = try await TestServer.serving { exchange in
            let status = Int(exchange.request.path.dropFirst()) ?? 200
            exchange.sendHead(status: status, headers: [])
            exchange.write(ByteBuffer(string: "never"))
            exchange.finish(trailers: [])
        }
        let socket = try RawSocket(port: server.port)

        socket.send("HEAD /200 HTTP/1.1\r\nHost: h\r\n\r\nGET /204 HTTP/1.1\r\nHost: h\r\n\r\n")
        socket.send("GET /304 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        let text = try #require(socket.receiveAll())

        #expect(text.components(separatedBy: "HTTP/1.1 ").count == 4)
        #expect(!text.contains("never") && !text.contains("chunked"))
        try await server.stop()
    }

    @Test(arguments: ["Content-Length: 120\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\nC\r\n"])
    func `a body over the limit is refused, and the client can read so`(framing: String) async throws {
        let server = try await TestServer.serving { $0.echo(limit: 10) }
        let socket = try RawSocket(port: server.port)

        socket.send("POST / HTTP/1.1\r\nHost: h\r\n\(framing)hello, world")
        let text = try #require(socket.receiveAll())

        #expect(text.hasPrefix("HTTP/1.1 413 ") && text.hasSuffix("too large"))
        #expect(text.contains("connection: close\r\n"))
        try await server.stop()
    }

    @Test(arguments: [
        ("3\r\nabcd\r\n", 400, "The request is malformed: a chunk is longer than its size says."),
        ("0\r\n" + String(repeating: "x: y\r\n", count: 3000), 431, "16384 bytes and 100 fields are the most."),
    ])
    func `whoever waits for a body answers for it when its framing breaks`(
        body: String, status: Int, sentence: String
    ) async throws {
        let server = try await TestServer.echo()
        let socket = try RawSocket(port: server.port)

        socket.send("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n\(body)")
        let text = socket.receiveAll()

        #expect(text?.hasPrefix("HTTP/1.1 \(status) ") == true)
        #expect(text?.hasSuffix(sentence) == true)
        try await server.stop()
    }

    @Test(arguments: [1, 2])
    func `a handler hears that its client is gone before it hears that the body is not whole`(
        version: Int
    ) async throws {
        let heard = Mutex<[String]>([])
        let server = try await TestServer.serving { exchange in
            exchange.onClientGone = { heard.withLock { $0.append("gone") } }
            exchange.collectBody(limit: 100) { body in
                if case .failure(.incomplete) = body { heard.withLock { $0.append("incomplete") } }
            }
            heard.withLock { $0.append("begun") }
        }
        var socket: RawSocket? = try RawSocket(port: server.port)
        socket?.send(
            version == 1
                ? Array("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\nabc".utf8)
                : HTTP2Frames.opening + HTTP2Frames.request(1, "POST", ends: false))
        try await until { heard.withLock { $0.count } == 1 }
        socket = nil

        try await until { heard.withLock { $0.count } == 3 }
        #expect(heard.withLock { $0 } == ["begun", "gone", "incomplete"])
        try await server.stop()
    }

    @Test(arguments: [
        ("GET /../ HTTP/1.1\r\nHost: h\r\n\r\n", 400), ("GET / HTTP/1.1\r\nHost: h\r\nExpect: x\r\n\r\n", 417),
        ("GET / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: x\r\n\r\n", 501), ("GET / HTTP/3.0\r\n\r\n", 505),
    ])
    func `a handler is told what the listener refuses`(request: String, status: Int) async throws {
        let refused = Mutex<[Int]>([])
        let server = try await TestServer.start { _ in
            ClosureHandler({ $0.echo() }, refused: { status in refused.withLock { $0.append(status) } })
        }
        let socket = try RawSocket(port: server.port)

        socket.send(request)

        #expect(socket.receiveAll()?.hasPrefix("HTTP/1.1 \(status) ") == true)
        #expect(refused.withLock { $0 } == [status])
        try await server.stop()
    }

    @Test func `an unread body that has arrived does not cost the connection`() async throws {
        let server = try await TestServer.serving { $0.respond(status: 404, headers: [], body: ByteBuffer()) }
        let socket = try RawSocket(port: server.port)

        socket.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello")
        let first = socket.receive(until: "\r\n\r\n")
        socket.send("GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        let second = try #require(socket.receiveAll())

        #expect(first.hasPrefix("HTTP/1.1 404 ") && !first.contains("connection: close"))
        #expect(second.hasPrefix("HTTP/1.1 404 "))
        try await server.stop()
    }

    @Test func `100-continue is said when the handler wants the body, and only then`() async throws {
        let server = try await TestServer.serving { exchange in
            if exchange.request.path == "/no" {
                exchange.respond(status: 401, headers: [], body: ByteBuffer())
            } else {
                exchange.echo()
            }
        }
        let head = "HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"
        let socket = try RawSocket(port: server.port)
        let refused = try RawSocket(port: server.port)

        socket.send("POST /yes \(head)")
        #expect(socket.receive(until: "\r\n\r\n") == "HTTP/1.1 100 Continue\r\n\r\n")
        socket.send("hello")
        #expect(socket.receive(until: "hello").hasPrefix("HTTP/1.1 200 "))

        refused.send("POST /no \(head)")
        #expect(refused.receiveAll()?.hasPrefix("HTTP/1.1 401 ") == true)
        try await server.stop()
    }

    @Test func `a malformed request is answered after those before it, then the connection ends`() async throws {
        let tally = Tally()
        let server = try await TestServer.serving { exchange in
            tally.add(exchange.request.path)
            exchange.eventLoop.assumeIsolated().execute {
                exchange.respond(status: 200, headers: [], body: ByteBuffer(string: "fine"))
            }
        }
        let socket = try RawSocket(port: server.port)

        socket.send("GET /a HTTP/1.1\r\nHost: h\r\n\r\nPOST /b HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n")
        socket.send("Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /c HTTP/1.1\r\nHost: h\r\n\r\n")
        let text = try #require(socket.receiveAll())

        #expect(text.hasPrefix("HTTP/1.1 200 ") && text.contains("fineHTTP/1.1 400 "))
        #expect(text.components(separatedBy: "HTTP/1.1 ").count == 3)
        #expect(tally["/a"] == 1 && tally["/b"] == 0 && tally["/c"] == 0)
        try await server.stop()
    }

    @Test func `a line break in a header value of ours begins no field`() async throws {
        let server = try await TestServer.serving { exchange in
            exchange.respond(status: 200, headers: [HTTPField("x", "a\r\nset-cookie: b")], body: ByteBuffer())
        }
        let socket = try RawSocket(port: server.port)

        socket.send("GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        let text = try #require(socket.receiveAll())

        #expect(text.contains("x: a  set-cookie: b\r\n"))
        try await server.stop()
    }

    @Test func `three megabytes go both ways`() async throws {
        let server = try await TestServer.echo()
        let client = try await server.http1()
        let body = ByteBuffer(bytes: (0..<3_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) })

        let answer = try await client.fetch(pieces: [body])

        #expect(answer.body == body)
        try await server.stop()
    }

    @Test func `the handler hears of a client that is gone, and nothing after`() async throws {
        let gone = Tally()
        let server = try await TestServer.serving { exchange in
            exchange.onClientGone = { gone.add("gone") }
            exchange.sendHead(status: 200, headers: [])
            exchange.write(ByteBuffer(string: "begun"))
        }
        var socket: RawSocket? = try RawSocket(port: server.port)

        socket?.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        _ = socket?.receive(until: "begun")
        socket = nil
        try await until { gone["gone"] > 0 && server.listener.connectionCount == 0 }

        #expect(gone["gone"] == 1)
        try await server.stop()
        #expect(gone["gone"] == 1)
    }

    @Test func `a request cancelled while it waits its turn leaves the others alone`() async throws {
        let tally = Tally()
        let server = try await TestServer.serving { exchange in
            tally.add(exchange.request.path)
            exchange.eventLoop.assumeIsolated().execute { exchange.echo() }
        }
        let client = try await server.http1()
        let cancelled = client.loop.makePromise(of: HTTPStreamEnd.self)
        async let first = client.fetch("GET", "/first")

        client.loop.execute {
            let head = HTTPRequestHead(method: "GET", path: "/second", query: nil, headers: [], majorVersion: 1)
            let stream = client.connection.value.openStream(head, hasBody: false)
            stream.onClosed = { cancelled.succeed($0) }
            stream.cancel()
        }

        #expect(try await cancelled.futureResult.get() == .cancelled)
        #expect(try await first.status == 200)
        #expect(try await client.fetch("GET", "/third").status == 200)
        #expect(tally["/second"] == 0)
        try await server.stop()
    }

    @Test func `a response that says more or less than its length ends the connection`() async throws {
        let server = try await TestServer.serving { exchange in
            exchange.sendHead(status: 200, headers: [HTTPField("content-length", "4")])
            exchange.write(ByteBuffer(string: exchange.request.path))
            exchange.finish(trailers: [])
        }
        for path in ["/a", "/abcdef"] {
            let socket = try RawSocket(port: server.port)
            socket.send("GET \(path) HTTP/1.1\r\nHost: h\r\n\r\nGET /abc HTTP/1.1\r\nHost: h\r\n\r\n")
            let text = try #require(socket.receiveAll())
            #expect(!text.contains("/abc"))
        }
        try await server.stop()
    }

    @Test func `a client that does not read is not waited for with all of memory`() async throws {
        var options = HTTPListenerOptions.test
        options.unsentByteCountMax = 1 << 20
        let gone = Tally()
        let server = try await TestServer.serving(options: options) { exchange in
            exchange.onClientGone = { gone.add("gone") }
            exchange.sendHead(status: 200, headers: [])
            Self.pour(exchange, gone)
        }
        let socket = try RawSocket(port: server.port, receiveBuffer: 4096)

        socket.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        try await until { gone["gone"] == 1 }

        #expect(gone["most"] == 0)
        try await server.stop()
    }

    /// Writes without end, as a handler that looks at no bound.
    private static func pour(_ exchange: any HTTPExchange, _ tally: Tally) {
        guard tally["gone"] == 0 else { return }
        if exchange.unsentByteCount > 4 << 20 { tally.add("most") }
        exchange.write(ByteBuffer(repeating: 0x61, count: 64 << 10))
        exchange.eventLoop.assumeIsolated().execute { pour(exchange, tally) }
    }
}
