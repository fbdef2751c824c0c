import Foundation
import NIOCore
import NIOPosix
import Synchronization

@testable import HTTP

/// A listener on 127.0.0.1 with one event loop, for one test.
final class TestServer: Sendable {
    let listener: HTTPListener
    let group: MultiThreadedEventLoopGroup
    var port: Int { listener.port }
    var loop: any EventLoop { group.next() }

    private init(_ listener: HTTPListener, _ group: MultiThreadedEventLoopGroup) {
        self.listener = listener
        self.group = group
    }

    static func start(
        options: HTTPListenerOptions = .test, tls: TLSContextBox? = nil,
        handler: @escaping @Sendable (any EventLoop) -> any HTTPHandler
    ) async throws -> TestServer {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let listener = try await HTTPListener.bind(
            host: "127.0.0.1", port: 0, group: group, options: options, tls: tls, makeHandler: handler)
        return TestServer(listener, group)
    }

    static func serving(
        options: HTTPListenerOptions = .test, tls: TLSContextBox? = nil,
        _ handle: @escaping @Sendable (any HTTPExchange) -> Void
    ) async throws -> TestServer {
        try await start(options: options, tls: tls) { _ in ClosureHandler(handle) }
    }

    /// Answers every request with its own body.
    static func echo(options: HTTPListenerOptions = .test, tls: TLSContextBox? = nil) async throws -> TestServer {
        try await serving(options: options, tls: tls) { $0.echo() }
    }

    func stop() async throws {
        await listener.close()
        try await group.shutdownGracefully()
    }

    func http2(
        _ options: HTTPClientOptions = .init(), tls: TLSContextBox? = nil, port: Int? = nil
    ) async throws -> TestClient {
        let loop = group.next()
        let connected = HTTP2ClientConnection.connect(
            host: "127.0.0.1", port: port ?? self.port, eventLoop: loop, tls: tls, options: options)
        return TestClient(
            try await connected.map { NIOLoopBound($0 as any HTTPClientConnection, eventLoop: loop) }.get())
    }

    func http1(tls: TLSContextBox? = nil) async throws -> TestClient {
        let loop = group.next()
        let connected = HTTP1ClientConnection.connect(host: "127.0.0.1", port: port, eventLoop: loop, tls: tls)
        return TestClient(
            try await connected.map { NIOLoopBound($0 as any HTTPClientConnection, eventLoop: loop) }.get())
    }
}

extension HTTPListenerOptions {
    /// Deadlines are looked at often, so that tests which shorten one need not wait.
    static var test: HTTPListenerOptions {
        var options = HTTPListenerOptions()
        options.timeouts.sweepInterval = .milliseconds(5)
        return options
    }
}

final class ClosureHandler: HTTPHandler {
    private let serve: (any HTTPExchange) -> Void
    /// Of what the listener refused: statuses.
    private let refused: (Int) -> Void
    init(_ serve: @escaping (any HTTPExchange) -> Void, refused: @escaping (Int) -> Void = { _ in }) {
        self.serve = serve
        self.refused = refused
    }
    func handle(_ exchange: any HTTPExchange) { serve(exchange) }
    func refused(status: Int, sentence: String, on eventLoop: any EventLoop) { refused(status) }
}

extension HTTPExchange {
    func echo(limit: Int = 8 << 20) {
        collectBody(limit: limit) { body in
            switch body {
            case .success(let bytes):
                self.respond(status: 200, headers: [HTTPField("content-type", "text/plain")], body: bytes)
            case .failure(.tooLarge): self.respond(status: 413, headers: [], body: ByteBuffer(string: "too large"))
            case .failure(.incomplete): self.respond(status: 408, headers: [], body: ByteBuffer(string: "too slow"))
            case .failure(.refused(let status, let why)):
                self.respond(status: status, headers: [], body: ByteBuffer(string: why))
            }
        }
    }
}

struct Answer: Sendable {
    var status = 0
    var headers: [HTTPField] = []
    var body = ByteBuffer()
    var trailers: [HTTPField] = []
    var end: HTTPStreamEnd?
    var text: String { String(buffer: body) }
    func header(_ name: String) -> String? { headers.first { $0.name == name }?.value }
}

/// A client connection used from outside its event loop.
struct TestClient: Sendable {
    let connection: NIOLoopBound<any HTTPClientConnection>
    var loop: any EventLoop { connection.eventLoop }

    init(_ connection: NIOLoopBound<any HTTPClientConnection>) { self.connection = connection }

    /// The whole answer to one request. `pieces` of the body are sent a tick apart.
    func fetch(
        _ method: String = "POST", _ path: String = "/", headers: [HTTPField] = [], pieces: [ByteBuffer] = []
    ) async throws -> Answer {
        let done = loop.makePromise(of: Answer.self)
        loop.execute {
            var answer = Answer()
            let head = HTTPRequestHead(method: method, path: path, query: nil, headers: headers, majorVersion: 2)
            let stream = connection.value.openStream(head, hasBody: !pieces.isEmpty)
            stream.onHead = { status, headers in (answer.status, answer.headers) = (status, headers) }
            stream.onBody = { answer.body.writeImmutableBuffer($0) }
            stream.onTrailers = { answer.trailers = $0 }
            stream.onClosed = { end in
                answer.end = end
                done.succeed(answer)
            }
            send(pieces[...], on: stream)
        }
        return try await done.futureResult.get()
    }

    private func send(_ pieces: ArraySlice<ByteBuffer>, on stream: any HTTPClientStream) {
        guard let first = pieces.first else { return }
        stream.write(first)
        if pieces.count == 1 { return stream.finish() }
        stream.eventLoop.assumeIsolated().execute { send(pieces.dropFirst(), on: stream) }
    }

    func close() { loop.execute { connection.value.close() } }

    func onLoop<T: Sendable>(_ work: @escaping @Sendable (any HTTPClientConnection) -> T) async throws -> T {
        let connection = self.connection
        return try await loop.submit { work(connection.value) }.get()
    }
}

/// Bytes on a TCP socket, as nobody's library would send them. Reading gives up after ten seconds.
final class RawSocket {
    private let descriptor: Int32

    init(port: Int, receiveBuffer: Int32? = nil) throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var limit = timeval(tv_sec: 10, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        var one: Int32 = 1
        setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &one, 4)
        if var receiveBuffer { setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &receiveBuffer, 4) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(port).bigEndian
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        let answer = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard answer == 0 else { throw POSIXError(.ECONNREFUSED) }
    }

    deinit { Glibc.close(descriptor) }

    /// False when the peer has closed.
    @discardableResult
    func send(_ bytes: some Sequence<UInt8>) -> Bool {
        let bytes = Array(bytes)
        var sent = 0
        while sent < bytes.count {
            let count = bytes[sent...].withUnsafeBytes {
                Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { return false }
            sent += count
        }
        return true
    }

    @discardableResult
    func send(_ text: String) -> Bool { send(text.utf8) }

    /// At most `count` bytes, fewer when the peer closes, `nil` when it resets or nothing comes for ten seconds.
    func receive(_ count: Int = 64 << 10) -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: count)
        let length = recv(descriptor, &bytes, count, 0)
        return length < 0 ? nil : Array(bytes.prefix(length))
    }

    func receive(exactly count: Int) -> [UInt8] {
        var all: [UInt8] = []
        while all.count < count, let more = receive(count - all.count), !more.isEmpty { all += more }
        return all
    }

    /// All until the peer closes or resets; `nil` when it does neither in time.
    func receiveAll() -> String? { receiveAllBytes().map { String(decoding: $0, as: UTF8.self) } }

    func receiveAllBytes() -> [UInt8]? {
        var all: [UInt8] = []
        while true {
            guard let more = receive() else { return errno == EAGAIN ? nil : all }
            if more.isEmpty { return all }
            all += more
        }
    }

    /// Reads until `text` has come `count` times.
    func receive(until text: String, count: Int = 1) -> String {
        var all = ""
        while all.components(separatedBy: text).count <= count, let more = receive(), !more.isEmpty {
            all += String(decoding: more, as: UTF8.self)
        }
        return all
    }

    /// The frames that come until one `isLast`, or until the peer closes.
    func receive(untilFrame isLast: (HTTP2Frames.Frame) -> Bool) -> [HTTP2Frames.Frame] {
        var bytes: [UInt8] = []
        while true {
            let frames = HTTP2Frames.parse(bytes)
            guard !frames.contains(where: isLast), let more = receive(), !more.isEmpty else { return frames }
            bytes += more
        }
    }

    /// The next close is a reset.
    func resetOnClose() {
        var option = linger(l_onoff: 1, l_linger: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<linger>.size))
    }
}

/// Something that several threads add to.
final class Tally: Sendable {
    private let counts = Mutex<[String: Int]>([:])
    func add(_ name: String) { counts.withLock { $0[name, default: 0] += 1 } }
    subscript(_ name: String) -> Int { counts.withLock { $0[name] ?? 0 } }
}

/// Looks again each time the other threads had a turn, until the suite's time limit.
func until(_ condition: @Sendable () -> Bool) async throws {
    while !condition() {
        try Task.checkCancellation()
        await Task.yield()
    }
}
