import NIOCore
import Testing

@testable import HTTP

@Suite(.timeLimit(.minutes(1))) struct HTTP2SessionTests {
    @Test func `many requests run on one connection`() async throws {
        let server = try await TestServer.echo()
        let client = try await server.http2()

        let answers = try await withThrowingTaskGroup(of: (Int, Answer).self) { group in
            for index in 0..<200 {
                group.addTask { (index, try await client.fetch(pieces: [ByteBuffer(string: "body \(index)")])) }
            }
            return try await group.reduce(into: [Int: Answer]()) { $0[$1.0] = $1.1 }
        }

        for (index, answer) in answers {
            #expect(answer.status == 200 && answer.text == "body \(index)" && answer.end == .complete)
            #expect(answer.header("content-type") == "text/plain" && answer.header("date") != nil)
        }
        #expect(answers.count == 200 && server.listener.connectionCount == 1)
        try await server.stop()
    }

    @Test func `what the handler sees is what was asked`() async throws {
        let server = try await TestServer.serving { exchange in
            let request = exchange.request
            let text =
                "\(request.method) \(request.path) \(request.query ?? "-") \(request.majorVersion) "
                + "\(request.header("host") ?? "-") \(request.header("x-a") ?? "-")"
            exchange.respond(status: 201, headers: [HTTPField("x-b", "2")], body: ByteBuffer(string: text))
        }
        let client = try await server.http2()

        let answer = try await client.fetch(
            "PUT", "/v1?q=1", headers: [HTTPField("host", "me"), HTTPField("x-a", "1")])

        #expect(answer.status == 201 && answer.header("x-b") == "2")
        #expect(answer.text == "PUT /v1 q=1 2 me 1")
        try await server.stop()
    }

    @Test func `a streamed response arrives in order with its trailers`() async throws {
        let server = try await TestServer.serving { exchange in
            exchange.sendHead(status: 200, headers: [])
            Self.count(exchange, from: 0)
        }
        let client = try await server.http2()

        let answer = try await client.fetch("GET")

        #expect(answer.text == (0..<100).map { "\($0)," }.joined())
        #expect(answer.trailers == [HTTPField("x-end", "yes")])
        try await server.stop()
    }

    private static func count(_ exchange: any HTTPExchange, from number: Int) {
        guard number < 100 else { return exchange.finish(trailers: [HTTPField("x-end", "yes")]) }
        exchange.write(ByteBuffer(string: "\(number),"))
        exchange.eventLoop.assumeIsolated().execute { count(exchange, from: number + 1) }
    }

    @Test func `three megabytes go both ways through small windows, in pieces and at once`() async throws {
        let server = try await TestServer.echo()
        let client = try await server.http2()
        let body = ByteBuffer(bytes: (0..<3_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) })
        var rest = body
        var pieces: [ByteBuffer] = []
        while let piece = rest.readSlice(length: min(rest.readableBytes, 70_001)), piece.readableBytes > 0 {
            pieces.append(piece)
        }

        async let whole = client.fetch(pieces: [body])
        async let parts = client.fetch(pieces: pieces)

        #expect(try await whole.body == body)
        #expect(try await parts.body == body)
        try await server.stop()
    }

    @Test func `a body that nobody reads yet stays with its sender`() async throws {
        let body = ByteBuffer(repeating: 7, count: 1 << 20)
        let server = try await TestServer.serving { exchange in
            exchange.eventLoop.assumeIsolated().scheduleTask(in: .milliseconds(30)) { exchange.echo() }
        }
        let client = try await server.http2()

        let answer = try await client.fetch(pieces: [body])

        #expect(answer.body == body)
        try await server.stop()
    }

    @Test func `a body over the limit is refused and its rest is not wanted`() async throws {
        let server = try await TestServer.serving { $0.echo(limit: 1000) }
        let client = try await server.http2()

        let large = try await client.fetch(pieces: [ByteBuffer(repeating: 7, count: 500_000)])
        let announced = try await client.fetch(
            headers: [HTTPField("content-length", "2000")], pieces: [ByteBuffer(repeating: 7, count: 2000)])
        let small = try await client.fetch(pieces: [ByteBuffer(repeating: 7, count: 1000)])

        #expect(large.status == 413 && large.end == .complete)
        #expect(announced.status == 413 && announced.end == .complete)
        #expect(small.status == 200)
        try await server.stop()
    }

    @Test func `bad paths, encoded bodies and heads too large end at the door, not the connection`() async throws {
        let tally = Tally()
        let server = try await TestServer.serving { exchange in
            tally.add("handled")
            exchange.respond(status: 200, headers: [], body: ByteBuffer())
        }
        let client = try await server.http2()

        #expect(try await client.fetch("GET", "/a/../b").status == 400)
        #expect(try await client.fetch("GET", "/%2e%2e/b").status == 400)
        #expect(try await client.fetch(headers: [HTTPField("expect", "tea")]).status == 417)
        let many = (0..<101).map { HTTPField("x-\($0)", "v") }
        #expect(try await client.fetch(headers: many).status == 431)
        let cookies = (0..<20).map { _ in HTTPField("cookie", String(repeating: "a", count: 1000)) }
        #expect(try await client.fetch(headers: cookies).status == 431)
        #expect(tally["handled"] == 0)
        #expect(try await client.fetch("GET", "/fine").status == 200)
        try await server.stop()
    }

    @Test func `HEAD, 204 and 304 have no body`() async throws {
        let server = try await TestServer.serving { exchange in
            exchange.sendHead(status: Int(exchange.request.path.dropFirst()) ?? 200, headers: [])
            exchange.write(ByteBuffer(string: "never"))
            exchange.finish(trailers: [])
        }
        let client = try await server.http2()

        for (method, path) in [("HEAD", "/200"), ("GET", "/204"), ("GET", "/304")] {
            let answer = try await client.fetch(method, path)
            #expect(answer.body.readableBytes == 0 && answer.end == .complete && answer.status == Int(path.dropFirst()))
        }
        try await server.stop()
    }

    @Test func `a cancelled request is over on both sides`() async throws {
        let gone = Tally()
        let server = try await TestServer.serving { exchange in
            exchange.onClientGone = { gone.add("gone") }
            exchange.sendHead(status: 200, headers: [])
            exchange.write(ByteBuffer(string: "begun"))
        }
        let client = try await server.http2()
        let ended = client.loop.makePromise(of: HTTPStreamEnd.self)

        client.loop.execute {
            let head = HTTPRequestHead(method: "GET", path: "/", query: nil, headers: [], majorVersion: 2)
            let stream = client.connection.value.openStream(head, hasBody: false)
            stream.onBody = { _ in stream.cancel() }
            stream.onClosed = { ended.succeed($0) }
        }

        #expect(try await ended.futureResult.get() == .cancelled)
        try await until { gone["gone"] > 0 }
        #expect(gone["gone"] == 1)
        #expect(try await client.onLoop { $0.isUsable })
        try await server.stop()
    }

    @Test func `a request cancelled before it is sent never reaches the server`() async throws {
        let tally = Tally()
        let server = try await TestServer.serving { exchange in
            tally.add(exchange.request.path)
            exchange.echo()
        }
        let client = try await server.http2()
        let ended = client.loop.makePromise(of: HTTPStreamEnd.self)

        client.loop.execute {
            let head = HTTPRequestHead(method: "GET", path: "/cancelled", query: nil, headers: [], majorVersion: 2)
            let stream = client.connection.value.openStream(head, hasBody: true)
            stream.onClosed = { ended.succeed($0) }
            stream.cancel()
        }

        #expect(try await ended.futureResult.get() == .cancelled)
        #expect(try await client.fetch("GET", "/after").status == 200)
        #expect(tally["/cancelled"] == 0 && tally["/after"] == 1)
        try await server.stop()
    }

    @Test func `a response given up resets the stream and nothing else`() async throws {
        let server = try await TestServer.serving { exchange in
            guard exchange.request.path != "/fine" else { return exchange.echo() }
            exchange.onClientGone = { Issue.record("the client is not gone") }
            if exchange.request.path == "/late" {
                exchange.sendHead(status: 200, headers: [])
                exchange.write(ByteBuffer(string: "a"))
            }
            exchange.eventLoop.assumeIsolated().scheduleTask(in: .milliseconds(5)) { exchange.abort() }
        }
        let client = try await server.http2()

        #expect(try await client.fetch("GET", "/early").end == .reset(code: 2))
        let late = try await client.fetch("GET", "/late")
        #expect(late.end == .reset(code: 8) && late.text == "a")
        #expect(try await client.fetch("GET", "/fine").status == 200)
        try await server.stop()
    }

    @Test func `a lost connection ends every stream and exchange`() async throws {
        let tally = Tally()
        let server = try await TestServer.serving { exchange in
            tally.add("begun")
            exchange.onClientGone = { tally.add("gone") }
        }
        let client = try await server.http2()
        client.loop.execute { client.connection.value.onClosed = { tally.add("closed") } }
        async let first = client.fetch("GET")
        async let second = client.fetch("POST", pieces: [ByteBuffer(string: "a"), ByteBuffer(string: "b")])

        try await until { tally["begun"] == 2 }
        client.close()

        #expect(try await first.end == .connectionLost)
        #expect(try await second.end == .connectionLost)
        try await until { tally["gone"] == 2 && tally["closed"] == 1 }
        #expect(try await client.fetch("GET").end == .refused)
        try await server.stop()
    }

    @Test func `a ping is answered`() async throws {
        let server = try await TestServer.echo()
        let client = try await server.http2()
        _ = try await client.fetch("GET")
        let before = try await client.onLoop { ($0 as? HTTP2ClientConnection)?.receivedByteCount ?? 0 }

        try await client.onLoop { ($0 as? HTTP2ClientConnection)?.ping() }

        while try await client.onLoop({ ($0 as? HTTP2ClientConnection)?.receivedByteCount ?? 0 }) != before + 17 {
            try Task.checkCancellation()
        }
        try await server.stop()
    }

    @Test func `the preface is recognised byte by byte, and so is its absence`() async throws {
        let server = try await TestServer.echo()
        let second = try RawSocket(port: server.port)
        let first = try RawSocket(port: server.port)

        for byte in HTTP2Frames.opening + HTTP2Frames.request(1) { second.send([byte]) }
        for byte in "PRI /x HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n".utf8 { first.send([byte]) }

        let frames = second.receive { $0.type == 1 && $0.stream == 1 }
        #expect(frames.first?.type == 4)
        #expect(frames.contains { $0.type == 1 && $0.stream == 1 })
        #expect(first.receiveAll()?.hasPrefix("HTTP/1.1 200 ") == true)
        try await server.stop()
    }

    @Test func `a reader that opens no window holds back its own stream only, within the bound`() async throws {
        var options = HTTPListenerOptions.test
        options.unsentByteCountMax = 1 << 20
        let tally = Tally()
        let server = try await TestServer.serving(options: options) { exchange in
            guard exchange.request.path == "/pour" else { return exchange.echo() }
            exchange.onClientGone = { tally.add("gone") }
            exchange.sendHead(status: 200, headers: [])
            Self.pour(exchange, tally)
        }
        let socket = try RawSocket(port: server.port)

        socket.send(HTTP2Frames.preface + HTTP2Frames.settings([(4, 1000)]) + HTTP2Frames.request(1, "GET", "/pour"))
        try await until { tally["gone"] == 1 }
        socket.send(HTTP2Frames.request(3, "GET", "/fine"))
        let frames = socket.receive { $0.type == 1 && $0.stream == 3 }

        let data = frames.filter { $0.type == 0 && $0.stream == 1 }
        #expect(data.reduce(0) { $0 + $1.payload.count } == 1000)
        #expect(frames.contains { $0.type == 3 && $0.stream == 1 })
        #expect(frames.contains { $0.type == 1 && $0.stream == 3 })
        #expect(tally["over"] == 0)
        try await server.stop()
    }

    private static func pour(_ exchange: any HTTPExchange, _ tally: Tally) {
        guard tally["gone"] == 0 else { return }
        if exchange.unsentByteCount > 16 << 20 { tally.add("over") }
        exchange.write(ByteBuffer(repeating: 0x61, count: 16 << 10))
        exchange.eventLoop.assumeIsolated().execute { pour(exchange, tally) }
    }
}
