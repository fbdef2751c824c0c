import NIOCore
import Testing

@testable import HTTP

@Suite(.timeLimit(.minutes(1))) struct GRPCTests {
    private func serve(
        _ fallback: Bool = false, _ add: @escaping @Sendable (GRPCDispatcher) -> Void
    ) async throws -> TestServer {
        try await TestServer.start { _ in
            let dispatcher = GRPCDispatcher(
                fallback: fallback ? ClosureHandler { $0.echo() } : nil, messageByteCountMax: 1 << 20)
            add(dispatcher)
            return dispatcher
        }
    }

    struct Call: Sendable {
        var messages: [String] = []
        var status: GRPCStatus?
    }

    private func call(
        _ client: TestClient, _ path: String, _ messages: [ByteBuffer], timeout: TimeAmount? = nil,
        then: @escaping @Sendable (GRPCClientCall, String) -> Void = { _, _ in }, limit: Int = 8 << 20
    ) async throws -> Call {
        let done = client.loop.makePromise(of: Call.self)
        client.loop.execute {
            guard let connection = client.connection.value as? HTTP2ClientConnection else { return }
            let call = GRPCClientCall(connection, path: path, timeout: timeout, messageByteCountMax: limit)
            var result = Call()
            call.onMessage = {
                let text = String(buffer: $0)
                result.messages.append(text)
                then(call, text)
            }
            call.onStatus = {
                result.status = $0
                done.succeed(result)
            }
            for message in messages { call.send(message) }
            call.finishSending()
        }
        return try await done.futureResult.get()
    }

    @Test func `a unary call is answered with its message and OK`() async throws {
        let server = try await serve { $0.handle("/a.B/Echo") { call in call.unary { call.respond($0) } } }
        let client = try await server.http2()

        for text in ["hello", "", String(repeating: "x", count: 500_000)] {
            let result = try await call(client, "/a.B/Echo", [ByteBuffer(string: text)])
            #expect(result.messages == [text] && result.status == GRPCStatus(.ok))
        }
        try await server.stop()
    }

    @Test func `a unary call has one message, not none and not two`() async throws {
        let server = try await serve { $0.handle("/a.B/Echo") { call in call.unary { call.respond($0) } } }
        let client = try await server.http2()

        #expect(try await call(client, "/a.B/Echo", []).status?.code == .unimplemented)
        let two = [ByteBuffer(string: "a"), ByteBuffer(string: "b")]
        #expect(try await call(client, "/a.B/Echo", two).status?.code == .unimplemented)
        try await server.stop()
    }

    @Test func `messages stream both ways`() async throws {
        let server = try await serve { dispatcher in
            dispatcher.handle("/a.B/Chat") { call in
                call.onMessage = { message in for _ in 0..<3 { call.send(message) } }
                call.onEnd = { call.finish(GRPCStatus(.ok)) }
                call.begin()
            }
        }
        let client = try await server.http2()

        let result = try await call(client, "/a.B/Chat", (0..<100).map { ByteBuffer(string: "\($0)") })

        #expect(result.messages == (0..<100).flatMap { Array(repeating: "\($0)", count: 3) })
        #expect(result.status == GRPCStatus(.ok))
        try await server.stop()
    }

    @Test func `every status and message survives the wire`() async throws {
        let message = "50 % wrong: \"ä€😀\"\r\nline two\u{7f}"
        let server = try await serve { dispatcher in
            for number in 1...16 {
                for isLate in [false, true] {
                    dispatcher.handle("/a.B/\(isLate ? "Late" : "Now")\(number)") { call in
                        if isLate { call.send(ByteBuffer(string: "first")) }
                        call.finish(GRPCStatus(GRPCStatusCode(rawValue: number) ?? .ok, message))
                    }
                }
            }
        }
        let client = try await server.http2()

        for number in 1...16 {
            let expected = GRPCStatus(try #require(GRPCStatusCode(rawValue: number)), message)
            #expect(try await call(client, "/a.B/Now\(number)", []).status == expected)
            let late = try await call(client, "/a.B/Late\(number)", [])
            #expect(late.status == expected && late.messages == ["first"])
        }
        try await server.stop()
    }

    @Test func `messages over the limit, compressed ones and half ones are refused by name`() async throws {
        let cancelled = Tally()
        let server = try await serve { dispatcher in
            dispatcher.handle("/a.B/Take") { call in
                call.onCancelled = { cancelled.add("\($0.code)") }
                call.onMessage = { _ in cancelled.add("message") }
                call.onEnd = { call.finish(GRPCStatus(.ok)) }
                call.begin()
            }
        }
        let client = try await server.http2()
        func raw(_ bytes: [UInt8]) async throws -> GRPCStatus? {
            let headers = [HTTPField("content-type", "application/grpc+proto")]
            let answer = try await client.fetch(
                "POST", "/a.B/Take", headers: headers, pieces: [ByteBuffer(bytes: bytes)])
            #expect(answer.status == 200 && answer.header("content-type") == "application/grpc")
            return GRPCStatus(fields: answer.headers + answer.trailers)
        }

        #expect(try await raw([0, 0, 0x10, 0, 1])?.code == .resourceExhausted)
        #expect(try await raw([0, 0xff, 0xff, 0xff, 0xff])?.code == .resourceExhausted)
        #expect(try await raw([1, 0, 0, 0, 1, 7])?.code == .unimplemented)
        #expect(try await raw([9, 0, 0, 0, 1, 7])?.code == .internalError)
        #expect(try await raw([0, 0, 0, 0, 2, 7])?.code == .internalError)
        #expect(try await raw([0, 0, 0])?.code == .internalError)
        #expect(cancelled["resourceExhausted"] == 2 && cancelled["unimplemented"] == 1)
        #expect(cancelled["internalError"] == 3 && cancelled["message"] == 0)
        #expect(try await raw([0, 0, 0, 0, 1, 7])?.code == .ok)
        #expect(cancelled["message"] == 1)
        try await server.stop()
    }

    @Test func `a client refuses messages over its own limit`() async throws {
        let server = try await serve { $0.handle("/a.B/Echo") { call in call.unary { call.respond($0) } } }
        let client = try await server.http2()

        let result = try await call(client, "/a.B/Echo", [ByteBuffer(repeating: 1, count: 1000)], limit: 999)

        #expect(result.status?.code == .resourceExhausted && result.messages == [])
        try await server.stop()
    }

    @Test func `unknown methods are unimplemented, and other requests go to the fallback`() async throws {
        let server = try await serve(true) { _ in }
        let bare = try await serve(false) { _ in }
        let client = try await server.http2()
        let headers = [HTTPField("content-type", "application/grpc-web")]

        #expect(try await call(client, "/a.B/None", []).status?.code == .unimplemented)
        #expect(try await client.fetch(headers: headers, pieces: [ByteBuffer(string: "web")]).text == "web")
        #expect(try await server.http1().fetch(pieces: [ByteBuffer(string: "old")]).text == "old")
        #expect(try await bare.http2().fetch(pieces: [ByteBuffer(string: "x")]).status == 415)
        #expect(
            try await call(client, "/a.B/None", [], timeout: .seconds(1)).status?.code == .unimplemented)
        try await server.stop()
        try await bare.stop()
    }

    @Test func `what is not gRPC, is reset or lost has a status all the same`() async throws {
        let server = try await TestServer.serving { exchange in
            switch exchange.request.path {
            case "/reset": exchange.abort()
            case "/html":
                exchange.respond(
                    status: 200, headers: [HTTPField("content-type", "text/html")], body: ByteBuffer(string: "<p>"))
            case "/silent":
                exchange.sendHead(status: 200, headers: [HTTPField("content-type", "application/grpc")])
                exchange.finish(trailers: [])
            case "/lost": break
            default:
                exchange.respond(status: Int(exchange.request.path.dropFirst()) ?? 500, headers: [], body: ByteBuffer())
            }
        }
        let client = try await server.http2()

        #expect(try await call(client, "/reset", []).status?.code == .internalError)
        #expect(try await call(client, "/html", []).status?.code == .unknown)
        #expect(try await call(client, "/silent", []).status?.code == .unknown)
        #expect(try await call(client, "/503", []).status?.code == .unavailable)
        #expect(try await call(client, "/401", []).status?.code == .unauthenticated)
        #expect(try await call(client, "/404", []).status?.code == .unimplemented)
        async let lost = call(client, "/lost", [])
        try await until { server.listener.connectionCount == 1 }
        _ = try await call(client, "/503", [])
        client.close()
        #expect(try await lost.status?.code == .unavailable)
        #expect(try await call(client, "/after", []).status?.code == .unavailable)
        try await server.stop()
    }

    @Test func `a cancelled call is cancelled on both sides`() async throws {
        let tally = Tally()
        let server = try await serve { dispatcher in
            dispatcher.handle("/a.B/Forever") { call in
                call.onCancelled = { tally.add("\($0.code)") }
                call.onMessage = { call.send($0) }
                call.begin()
            }
        }
        let client = try await server.http2()

        let result = try await call(
            client, "/a.B/Forever", [ByteBuffer(string: "go")], then: { call, _ in call.cancel() })

        #expect(result.status?.code == .cancelled && result.messages == ["go"])
        try await until { tally["cancelled"] > 0 }
        #expect(tally["cancelled"] == 1)
        try await server.stop()
    }

    @Test(arguments: [
        ("1S", TimeAmount.seconds(1)), ("99999999m", .milliseconds(99_999_999)), ("0n", .nanoseconds(0)),
        ("5H", .hours(5)), ("7M", .minutes(7)), ("3u", .microseconds(3)), ("", nil), ("S", nil), ("1", nil),
        ("1s", nil), ("-1S", nil), ("100000000S", nil), ("1.5S", nil), ("+1S", nil),
    ])
    func `timeouts are read as the wire format says`(text: String, expected: TimeAmount?) {
        #expect(GRPCFraming.timeout(text) == expected)
    }

    @Test func `the timeout of a call reaches its handler`() async throws {
        let server = try await serve { dispatcher in
            dispatcher.handle("/a.B/Time") { call in
                let text = "\(call.timeout?.nanoseconds ?? -1)"
                call.unary { _ in call.respond(ByteBuffer(string: text)) }
            }
        }
        let client = try await server.http2()

        for (timeout, text) in [(TimeAmount.milliseconds(1500), "1500000000"), (.hours(100), "360000000000000")] {
            #expect(try await call(client, "/a.B/Time", [ByteBuffer()], timeout: timeout).messages == [text])
        }
        #expect(try await call(client, "/a.B/Time", [ByteBuffer()]).messages == ["-1"])
        try await server.stop()
    }

    @Test func `health is checked and watched`() async throws {
        let health = GRPCHealth()
        health.setServing("apus", false)
        let server = try await serve { health.register(in: $0) }
        let client = try await server.http2()
        func request(_ name: String) -> ByteBuffer {
            ByteBuffer(bytes: name.isEmpty ? [] : [0x0a, UInt8(name.utf8.count)] + Array(name.utf8))
        }
        let check = "/grpc.health.v1.Health/Check"

        #expect(try await call(client, check, [request("")]).messages == ["\u{8}\u{1}"])
        #expect(try await call(client, check, [request("apus")]).messages == ["\u{8}\u{2}"])
        #expect(try await call(client, check, [request("none")]).status?.code == .notFound)
        #expect(try await call(client, check, [ByteBuffer(bytes: [0x0a, 9])]).status?.code == .invalidArgument)

        let watched = try await call(
            client, "/grpc.health.v1.Health/Watch", [request("later")],
            then: { _, text in
                switch text {
                case "\u{8}\u{3}": health.setServing("later", true)
                case "\u{8}\u{1}":
                    health.setServing("later", true)
                    health.setServing("other", true)
                    health.shutDown()
                default: break
                }
            })
        #expect(watched.messages == ["\u{8}\u{3}", "\u{8}\u{1}", "\u{8}\u{2}"])
        #expect(watched.status?.code == .unavailable)
        let late = try await call(client, "/grpc.health.v1.Health/Watch", [request("")])
        #expect(late.messages == [] && late.status?.code == .unavailable)
        health.setServing("", true)
        #expect(try await call(client, check, [request("")]).messages == ["\u{8}\u{2}"])
        try await server.stop()
    }
}
