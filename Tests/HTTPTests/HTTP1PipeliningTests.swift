import Foundation
import NIOCore
import Synchronization
import Testing

@testable import HTTP

/// Clients that send many requests at once.
@Suite(.timeLimit(.minutes(1))) struct HTTP1PipeliningTests {
    private static func burst(_ count: Int) -> String {
        String(repeating: "GET / HTTP/1.1\r\nHost: h\r\n\r\n", count: count)
    }

    /// How many requests are begun before the loop turns to something else.
    private final class Turns: Sendable {
        private let counts = Mutex((now: 0, most: 0, all: 0))

        func began(on loop: any EventLoop) {
            let isFirst = counts.withLock { counts in
                counts.now += 1
                counts.all += 1
                counts.most = max(counts.most, counts.now)
                return counts.now == 1
            }
            if isFirst { loop.execute { self.counts.withLock { $0.now = 0 } } }
        }

        var most: Int { counts.withLock { $0.most } }
        var all: Int { counts.withLock { $0.all } }
    }

    @Test func `a burst of requests is answered in turns, and whole`() async throws {
        let turns = Turns()
        let server = try await TestServer.serving { exchange in
            turns.began(on: exchange.eventLoop)
            exchange.respond(status: 200, headers: [], body: ByteBuffer(string: "answer"))
        }
        let socket = try RawSocket(port: server.port)

        socket.send(Self.burst(1000))
        let text = socket.receive(until: "answer", count: 1000)

        #expect(text.components(separatedBy: "HTTP/1.1 200").count == 1001)
        #expect(turns.most <= HTTPListenerOptions().requestsPerTurnMax)
        try await server.stop()
    }

    @Test func `no answers are made for a client that does not read, until it does`() async throws {
        let turns = Turns()
        var options = HTTPListenerOptions.test
        // What waits for its client's reading is no head that comes too slowly.
        options.timeouts.head = .milliseconds(20)
        let server = try await TestServer.serving(options: options) { exchange in
            if exchange.request.path == "/" { turns.began(on: exchange.eventLoop) }
            exchange.respond(status: 200, headers: [], body: ByteBuffer(repeating: 0x61, count: 64 << 10))
        }
        let socket = try RawSocket(port: server.port, receiveBuffer: 4096)
        let other = try await server.http1()

        socket.send(Self.burst(1000))
        try await until { turns.all >= 16 }
        for _ in 0..<100 { _ = try await other.fetch("GET", "/other") }

        // 1 MiB, a turn's answers, and what the system holds for a socket.
        #expect(turns.all < 300)
        var received = 0
        while received < 1000 * 64 << 10, let more = socket.receive(1 << 20), !more.isEmpty { received += more.count }
        #expect(turns.all == 1000)
        try await server.stop()
    }
}
