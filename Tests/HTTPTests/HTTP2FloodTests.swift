import CNGHTTP2
import NIOCore
import Testing

@testable import HTTP

/// Attacks, frame by frame: each ends the attacker's connection and nobody else's.
@Suite(.timeLimit(.minutes(1))) struct HTTP2FloodTests {
    struct Flood: Sendable, CustomTestStringConvertible {
        var testDescription: String
        /// The `index`th burst of bytes.
        var burst: @Sendable (_ index: UInt32) -> [UInt8]
        init(_ name: String, _ burst: @escaping @Sendable (UInt32) -> [UInt8]) {
            testDescription = name
            self.burst = burst
        }
    }

    private static func stream(_ index: UInt32) -> UInt32 { index * 2 + 1 }

    static let floods: [Flood] = [
        Flood("rapid reset") { HTTP2Frames.request(stream($0)) + HTTP2Frames.reset(stream($0)) },
        Flood("resets provoked by overflowing windows") {
            HTTP2Frames.request(stream($0), "POST", ends: false) + HTTP2Frames.windowUpdate(stream($0), 0x7fff_ffff)
        },
        Flood("resets provoked by empty increments") {
            HTTP2Frames.request(stream($0), "POST", ends: false) + HTTP2Frames.windowUpdate(stream($0), 0)
        },
        Flood("malformed heads") {
            HTTP2Frames.frame(1, flags: 5, stream: stream($0), HTTP2Frames.field(":path", "/"))
        },
        Flood("bad paths") { HTTP2Frames.request(stream($0), "GET", "/../x") },
        Flood("PING") { HTTP2Frames.frame(6, Array(HTTP2Frames.bytes($0) + HTTP2Frames.bytes($0))) },
        Flood("PING answers nobody asked for") {
            HTTP2Frames.frame(6, flags: 1, Array(HTTP2Frames.bytes($0) + HTTP2Frames.bytes($0)))
        },
        Flood("SETTINGS") { HTTP2Frames.settings([(4, 65_535 - $0 % 2)]) },
        Flood("PRIORITY") { HTTP2Frames.frame(2, stream: stream($0), HTTP2Frames.bytes(0) + [16]) },
        Flood("WINDOW_UPDATE") { _ in HTTP2Frames.windowUpdate(0, 1) },
        Flood("unknown frames") { _ in HTTP2Frames.frame(0x77, [UInt8](repeating: 1, count: 1000)) },
        Flood("empty DATA") { index in
            (index == 0 ? HTTP2Frames.request(1, "POST", ends: false) : []) + HTTP2Frames.frame(0, stream: 1)
        },
        Flood("DATA of a stream that is closed") { index in
            (index == 0 ? HTTP2Frames.request(1, "POST", ends: false) + HTTP2Frames.reset(1) : [])
                + HTTP2Frames.frame(0, stream: 1, [UInt8](repeating: 1, count: 100))
        },
        Flood("CONTINUATION") { index in
            index == 0
                ? HTTP2Frames.frame(1, stream: 1, HTTP2Frames.fields())
                : HTTP2Frames.frame(9, stream: 1, HTTP2Frames.field("x", "y"))
        },
        Flood("empty CONTINUATION") { index in
            index == 0 ? HTTP2Frames.frame(1, stream: 1, HTTP2Frames.fields()) : HTTP2Frames.frame(9, stream: 1)
        },
        Flood("padding without data") { index in
            (index == 0 ? HTTP2Frames.request(1, "POST", ends: false) : [])
                + HTTP2Frames.frame(0, flags: 8, stream: 1, [255] + [UInt8](repeating: 0, count: 255))
        },
        Flood("headers that unpack to megabytes") { index in
            // An entry of the table of 3,900 bytes, then a byte for each time it comes again.
            let entry = [0x40] + HTTP2Frames.field("x", String(repeating: "a", count: 3900)).dropFirst()
            let block = HTTP2Frames.fields() + (index == 0 ? entry : [UInt8](repeating: 0xbe, count: 8000))
            return HTTP2Frames.frame(1, flags: 5, stream: stream(index), block)
        },
        Flood("heads of closed streams") { HTTP2Frames.request($0 == 0 ? 9 : 1) },
        Flood("no preface at all after it") { _ in [UInt8](repeating: 0xff, count: 100) },
    ]

    @Test(arguments: floods)
    func `a flood ends its connection, and others are served`(flood: Flood) async throws {
        var options = HTTPListenerOptions.test
        options.timeouts.head = .hours(1)
        options.timeouts.sendProgress = .hours(1)
        let server = try await TestServer.echo(options: options)
        let attacker = try RawSocket(port: server.port)
        let client = try await server.http2()

        attacker.send(HTTP2Frames.opening)
        // Far more than every budget. A server that counts nothing keeps the connection until the time limit.
        var bursts: UInt32 = 0
        while bursts < 100_000, attacker.send((0..<20).flatMap { flood.burst(bursts + $0) }) { bursts += 20 }

        try await until { server.listener.connectionCount == 1 }
        #expect(try await client.fetch(pieces: [ByteBuffer(string: "still here")]).text == "still here")
        try await server.stop()
    }

    @Test func `who gives back the window of each small frame is no flood`() {
        var guards = HTTP2FloodGuard(HTTP2Limits(), now: .now())
        let update = nghttp2_frame_hd(
            length: 4, stream_id: 0, type: UInt8(NGHTTP2_WINDOW_UPDATE.rawValue), flags: 0, reserved: 0)
        // Of a token each, for half a day.
        for _ in 0..<1_000_000 {
            guards.dataFrameSent()
            guards.received(byteCount: 26)
            for _ in 0..<2 { guards.frameBegan(update, now: .now()) }
        }
        #expect(!guards.isFlooded)
    }

    @Test func `a peer that reads nothing cannot fill memory with answers`() async throws {
        var options = HTTPListenerOptions.test
        options.timeouts.sendProgress = .milliseconds(50)
        let server = try await TestServer.serving(options: options) { exchange in
            exchange.respond(status: 200, headers: [], body: ByteBuffer(repeating: 1, count: 60_000))
        }
        let attacker = try RawSocket(port: server.port, receiveBuffer: 4096)

        attacker.send(HTTP2Frames.preface + HTTP2Frames.settings([(4, 1 << 30)]) + HTTP2Frames.windowUpdate(0, 1 << 30))
        for index in 0..<UInt32(100) { attacker.send(HTTP2Frames.request(index * 2 + 1)) }

        try await until { server.listener.connectionCount == 0 }
        try await server.stop()
    }

    @Test func `streams over the advertised number are refused, those within are served`() async throws {
        let tally = Tally()
        let server = try await TestServer.serving { exchange in
            tally.add("handled")
            exchange.onClientGone = {}
        }
        let socket = try RawSocket(port: server.port)

        socket.send(HTTP2Frames.opening)
        socket.send((0..<UInt32(150)).flatMap { HTTP2Frames.request($0 * 2 + 1) })
        var bytes: [UInt8] = []
        while HTTP2Frames.parse(bytes).filter({ $0.type == 3 && $0.payload == HTTP2Frames.bytes(7) }).count < 50,
            let more = socket.receive(), !more.isEmpty
        { bytes += more }

        #expect(tally["handled"] == 100)
        try await server.stop()
    }

    @Test func `tokens come back with time and never exceed the burst`() {
        let start = NIODeadline.uptimeNanoseconds(1_000_000_000)
        var bucket = TokenBucket(TokenBucketLimit(burst: 3, perSecond: 10), now: start)

        let first = (0..<4).map { _ in bucket.take(now: start) }
        let after = (0..<2).map { _ in bucket.take(now: start + .milliseconds(150)) }
        let remainder = bucket.take(now: start + .milliseconds(200))
        let later = (0..<4).map { _ in bucket.take(now: start + .hours(1)) }

        #expect(first == [true, true, true, false])
        #expect(after == [true, false])
        #expect(remainder)
        #expect(later == [true, true, true, false])
    }

    @Test func `weeks of nothing but pings are no flood, a burst of them is`() {
        var now = NIODeadline.uptimeNanoseconds(0)
        var quiet = HTTP2FloodGuard(.internalLink, now: now)
        var loud = HTTP2FloodGuard(.internalLink, now: now)
        var ping = nghttp2_frame_hd()
        (ping.length, ping.type) = (8, UInt8(NGHTTP2_PING.rawValue))

        for _ in 0..<4_000_000 {
            now = now + .milliseconds(300)
            quiet.received(byteCount: 17)
            quiet.frameBegan(ping, now: now)
            loud.received(byteCount: 17)
            loud.frameBegan(ping, now: .uptimeNanoseconds(0))
        }

        #expect(!quiet.isFlooded)
        #expect(loud.isFlooded)
    }
}
