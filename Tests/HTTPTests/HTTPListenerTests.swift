import Foundation
import NIOCore
import NIOPosix
import Synchronization
import Testing

@testable import HTTP

@Suite(.timeLimit(.minutes(1))) struct HTTPListenerTests {
    private func bindError(_ host: String, _ port: Int) async -> HTTPListenError? {
        let group = MultiThreadedEventLoopGroup.singleton
        do throws(HTTPListenError) {
            let listener = try await HTTPListener.bind(host: host, port: port, group: group) { _ in
                ClosureHandler { $0.echo() }
            }
            await listener.close()
            return nil
        } catch {
            return error
        }
    }

    @Test func `a port in use and a bad host are said in a sentence`() async throws {
        let server = try await TestServer.echo()

        let inUse = await bindError("127.0.0.1", server.port)
        let badHost = await bindError("no host at all", 0)
        let foreign = await bindError("192.0.2.1", 0)

        #expect(inUse == .portInUse(host: "127.0.0.1", port: server.port))
        #expect(inUse?.description.contains("is in use") == true)
        #expect(badHost == .badHost("no host at all"))
        #expect(foreign == .addressNotAvailable(host: "192.0.2.1", port: 0))
        try await server.stop()
    }

    @Test func `connecting where nothing listens is refused in a sentence`() async throws {
        let server = try await TestServer.echo()
        let port = server.port
        await server.listener.close()

        let error = await #expect(throws: HTTPConnectError.self) { try await server.http2() }

        #expect(error == .refused(host: "127.0.0.1", port: port))
        try await server.group.shutdownGracefully()
    }

    @Test(arguments: [1, 2])
    func `draining finishes what runs and takes nothing new`(version: Int) async throws {
        let tally = Tally()
        let release = Mutex<[EventLoopPromise<Void>]>([])
        let server = try await TestServer.serving { exchange in
            tally.add("begun")
            let promise = exchange.eventLoop.makePromise(of: Void.self)
            promise.futureResult.assumeIsolated().whenSuccess {
                exchange.respond(status: 200, headers: [], body: ByteBuffer(string: "finished"))
            }
            release.withLock { $0.append(promise) }
        }
        let client = try await version == 1 ? server.http1() : server.http2()
        async let running = client.fetch("GET")
        try await until { tally["begun"] == 1 }

        async let drained: Void = server.listener.drain(within: .seconds(30))
        if version == 2 { while try await client.onLoop({ $0.isUsable }) { await Task.yield() } }
        await #expect(throws: HTTPConnectError.self) {
            while true { try await server.http2().close() }
        }
        while try await server.loop.submit({ !server.listener.loops[0].value.isDraining }).get() { await Task.yield() }
        release.withLock { $0.first }?.succeed()
        let answer = try await running
        await drained

        #expect(answer.text == "finished" && answer.end == .complete)
        if version == 1 { #expect(answer.header("connection") == "close") }
        #expect(server.listener.connectionCount == 0)
        #expect(try await client.fetch("GET").end == .refused)
        try await server.group.shutdownGracefully()
    }

    @Test func `who has connected before the listener drains is answered`() async throws {
        let server = try await TestServer.echo()
        let gate = DispatchSemaphore(value: 0)
        // Nobody accepts meanwhile: connections wait in the kernel, their requests with them.
        server.loop.execute { gate.wait() }
        let clients = try (0..<40).map { number in
            let client = try RawSocket(port: server.port)
            if number % 4 != 0 { client.send("GET / HTTP/1.1\r\nhost: h\r\n\r\n") }
            return client
        }

        async let drained: Void = server.listener.drain(within: .seconds(10))
        try await Task.sleep(for: .milliseconds(20))
        gate.signal()
        // These ask once they have been accepted.
        while server.listener.connectionCount < 10 { await Task.yield() }
        for (number, client) in clients.enumerated() where number % 4 == 0 {
            client.send("GET / HTTP/1.1\r\nhost: h\r\n\r\n")
        }
        let answers = await Task.detached { [clients = Clients(clients)] in clients.all.map { $0.receiveAll() } }.value
        await drained

        #expect(answers.allSatisfy { $0?.hasPrefix("HTTP/1.1 200 ") == true })
        #expect(throws: POSIXError.self) { _ = try RawSocket(port: server.port) }
        try await server.group.shutdownGracefully()
    }

    // SENDABLE: given away whole to the task that reads.
    private struct Clients: @unchecked Sendable {
        let all: [RawSocket]
        init(_ all: [RawSocket]) { self.all = all }
    }

    @Test func `draining does not wait for ever`() async throws {
        let tally = Tally()
        let server = try await TestServer.serving { exchange in
            tally.add("begun")
            exchange.onClientGone = { tally.add("gone") }
        }
        let client = try await server.http2()
        async let running = client.fetch("GET")
        try await until { tally["begun"] == 1 }

        await server.listener.drain(within: .milliseconds(20))

        #expect(try await running.end == .connectionLost)
        #expect(tally["gone"] == 1 && server.listener.connectionCount == 0)
        try await server.group.shutdownGracefully()
    }

    @Test func `each event loop has a handler of its own`() async throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 2)
        let made = Tally()
        let listener = try await HTTPListener.bind(host: "127.0.0.1", port: 0, group: group) { loop in
            made.add("handler")
            return ClosureHandler { exchange in
                if exchange.eventLoop !== loop { made.add("stranger") }
                exchange.echo()
            }
        }
        for _ in 0..<8 {
            let socket = try RawSocket(port: listener.port)
            socket.send("GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
            #expect(socket.receiveAll()?.hasPrefix("HTTP/1.1 200 ") == true)
        }
        #expect(made["handler"] == 2 && made["stranger"] == 0)
        await listener.close()
        try await group.shutdownGracefully()
    }

    /// Weak references to what lived on the server.
    final class Remains: Sendable {
        // SENDABLE: both classes are confined to the server's event loop, which has stopped when they are counted.
        private struct Weak: @unchecked Sendable { weak var object: AnyObject? }
        private let all = Mutex<[Weak]>([])
        func add(_ object: AnyObject) {
            let weak = Weak(object: object)
            all.withLock { $0.append(weak) }
        }
        var counts: (total: Int, alive: Int) { all.withLock { ($0.count, $0.count { $0.object != nil }) } }
    }

    @Test func `no exchange, call, session or connection outlives its connection`() async throws {
        let remains = Remains()
        let server = try await TestServer.serving { exchange in
            remains.add(exchange)
            if let stream = exchange as? HTTP2Exchange, let session = stream.session { remains.add(session) }
            switch exchange.request.path {
            case "/call":
                let call = GRPCServerCall(exchange)
                remains.add(call)
                call.unary { call.respond($0) }
            case "/stuck":
                exchange.onClientGone = { _ = exchange }
                exchange.receiveBody { _ in _ = exchange }
                exchange.sendHead(status: 200, headers: [])
                exchange.write(ByteBuffer(repeating: 1, count: 1 << 20))
            case "/abort": exchange.abort()
            default: exchange.echo()
            }
        }
        let grpc = [HTTPField("content-type", "application/grpc")]
        let message = ByteBuffer(bytes: [0, 0, 0, 0, 1, 7])
        for round in 0..<20 {
            let second = try await server.http2()
            let first = try await server.http1()
            try await second.onLoop { remains.add($0) }
            try await first.onLoop { remains.add($0) }
            #expect(try await second.fetch(pieces: [ByteBuffer(string: "x")]).status == 200)
            #expect(try await second.fetch("POST", "/call", headers: grpc, pieces: [message]).status == 200)
            #expect(try await second.fetch("GET", "/abort").end == .reset(code: 2))
            #expect(try await first.fetch(pieces: [ByteBuffer(string: "x")]).status == 200)
            second.loop.execute {
                for client in [first, second] {
                    let head = HTTPRequestHead(method: "POST", path: "/stuck", query: nil, headers: [], majorVersion: 2)
                    let stream = client.connection.value.openStream(head, hasBody: true)
                    remains.add(stream)
                    stream.onHead = { _, _ in
                        _ = stream
                        if round % 2 == 0 { stream.cancel() }
                        client.connection.value.close()
                    }
                    stream.onClosed = { _ in _ = stream }
                }
            }
            try await until { server.listener.connectionCount == 0 }
        }
        try await server.stop()

        let (total, alive) = remains.counts
        #expect(total >= 20 * 8)
        #expect(alive == 0)
    }

    @Test func `who is made to wait takes a place meanwhile`() async throws {
        var options = HTTPListenerOptions.test
        options.offenders?.offences = TokenBucketLimit(burst: 1, perSecond: 1)
        options.offenders?.delay = .hours(1)
        options.offenders?.memory = .hours(1)
        let server = try await TestServer.echo(options: options)
        for _ in 0..<2 {
            let offender = try RawSocket(port: server.port)
            offender.send(HTTP2Frames.opening + HTTP2Frames.frame(9, stream: 1))
            while let more = offender.receive(), !more.isEmpty {}
        }
        try await until { server.listener.connectionCount == 0 }

        let waiting = try RawSocket(port: server.port)
        waiting.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n")

        try await until { server.listener.connectionCount == 1 }
        try await server.stop()
    }
}
