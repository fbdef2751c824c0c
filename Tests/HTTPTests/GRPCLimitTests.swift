import NIOCore
import Testing

@testable import HTTP

/// What strangers can make a gRPC port hold.
@Suite(.timeLimit(.minutes(1))) struct GRPCLimitTests {
    private static let grpc = [("content-type", "application/grpc"), ("te", "trailers")]

    private func serve(
        _ options: HTTPListenerOptions = .test, _ add: @escaping @Sendable (GRPCDispatcher) -> Void
    ) async throws -> TestServer {
        try await TestServer.start(options: options) { _ in
            let dispatcher = GRPCDispatcher()
            add(dispatcher)
            return dispatcher
        }
    }

    private func head(_ stream: UInt32, _ path: String) -> [UInt8] {
        HTTP2Frames.request(stream, "POST", path, Self.grpc, ends: false)
    }

    private func message(_ byteCount: Int, sent: Int? = nil, _ stream: UInt32) -> [UInt8] {
        let bytes = [0] + HTTP2Frames.bytes(UInt32(byteCount)) + [UInt8](repeating: 0x61, count: sent ?? byteCount)
        return HTTP2Frames.frame(0, stream: stream, bytes)
    }

    /// Reads until a frame comes that is looked for; false when the connection ends.
    private func wait(_ socket: RawSocket, for isIt: (HTTP2Frames.Frame) -> Bool) -> Bool {
        socket.receive(untilFrame: isIt).contains(where: isIt)
    }

    /// What the client sends, and whether its stream is then waited for.
    @Test(
        arguments: [
            ("/a.B/Unary", nil, false), ("/a.B/Unary", (5, 5), false), ("/a.B/Unary", (100, 3), false),
            ("/a.B/First", nil, false), ("/a.B/First", (100, 3), false), ("/a.B/First", (5, 5), true),
            ("/a.B/Stream", nil, true), ("/a.B/Stream", (5, 5), true), ("/a.B/Stream", (100, 3), false),
        ] as [(String, (Int, Int)?, Bool)])
    func `a message that does not end is not waited for`(
        path: String, sent: (Int, Int)?, isWaitedFor: Bool
    ) async throws {
        var options = HTTPListenerOptions.test
        options.timeouts.bodyGrace = .milliseconds(20)
        options.timeouts.bodyBytesPerSecondMin = 1 << 20
        let server = try await serve(options) { dispatcher in
            dispatcher.handle("/a.B/Unary") { call in call.unary { call.respond($0) } }
            for (path, pace) in [("/a.B/First", GRPCServerCall.Pace.first), ("/a.B/Stream", .messages)] {
                dispatcher.handle(path) { call in
                    call.onMessage = { call.send($0) }
                    call.begin(pace)
                }
            }
        }
        let socket = try RawSocket(port: server.port)

        socket.send(HTTP2Frames.opening + head(1, path) + (sent.map { message($0, sent: $1, 1) } ?? []))
        if isWaitedFor {
            // Another that is not waited for says that the time has come.
            socket.send(head(3, "/a.B/Unary"))
            #expect(wait(socket) { $0.type == 3 && $0.stream == 3 })
            socket.send(message(7, 1))
            #expect(wait(socket) { $0.type == 0 && $0.stream == 1 && $0.payload.count == 12 })
        } else {
            #expect(wait(socket) { $0.type == 3 && $0.stream == 1 })
        }
        try await server.stop()
    }

    @Test func `a connection opens so many calls of a method and no more`() async throws {
        let tally = Tally()
        let server = try await serve { dispatcher in
            dispatcher.handle("/a.B/Watch", limits: .open(callCountMax: 2)) { call in
                call.onMessage = { call.send($0) }
                call.onCancelled = { _ in tally.add("cancelled") }
                call.begin()
            }
            dispatcher.handle("/a.B/Other") { call in call.unary { call.respond($0) } }
        }
        let (socket, other) = try (RawSocket(port: server.port), RawSocket(port: server.port))
        func isRefused(_ frame: HTTP2Frames.Frame) -> Bool { frame.type == 1 && frame.flags & 1 == 1 }

        for (stream, socket) in [(UInt32(1), socket), (3, socket), (1, other)] {
            socket.send((stream == 1 ? HTTP2Frames.opening : []) + head(stream, "/a.B/Watch") + message(1, stream))
            #expect(wait(socket) { $0.type == 0 && $0.stream == stream })
        }
        socket.send(head(5, "/a.B/Watch"))
        #expect(wait(socket) { isRefused($0) && $0.stream == 5 })
        socket.send(head(7, "/a.B/Other") + message(1, 7) + HTTP2Frames.frame(0, flags: 1, stream: 7))
        #expect(wait(socket) { $0.type == 0 && $0.stream == 7 })

        socket.send(HTTP2Frames.reset(3) + head(9, "/a.B/Watch") + message(1, 9))
        #expect(wait(socket) { $0.type == 0 && $0.stream == 9 })
        #expect(tally["cancelled"] == 1)
        try await server.stop()
    }

    @Test func `who does not read gets no more answers`() async throws {
        let tally = Tally()
        let server = try await serve { dispatcher in
            dispatcher.handle("/a.B/Ask", limits: .open()) { call in
                call.onMessage = { _ in
                    tally.add("asked")
                    call.send(ByteBuffer(repeating: 0x61, count: 64 << 10))
                }
                call.onCancelled = { _ in tally.add("over") }
                call.begin()
            }
        }
        let socket = try RawSocket(port: server.port)

        // A window of nothing.
        socket.send(HTTP2Frames.preface + HTTP2Frames.settings([(4, 0)]) + head(1, "/a.B/Ask"))
        for _ in 0..<100 { socket.send(message(0, 1)) }
        try await until { tally["over"] == 1 }

        #expect(tally["asked"] == OpenCallLimits.unsentByteCountMax / (64 << 10))
        try await server.stop()
    }
}
