import HTTP
import NIOCore
import NIOPosix

/// Where a client connects to.
struct URLParts: Sendable {
    var isSecure: Bool
    var host: String
    var port: Int

    init(isSecure: Bool, host: String, port: Int) {
        self.isSecure = isSecure
        self.host = host
        self.port = port
    }

    /// "http://HOST:PORT" or "https://HOST:PORT"; a path after it is ignored.
    init(_ text: String) throws {
        guard let scheme = ["http", "https"].first(where: { text.hasPrefix($0 + "://") }) else {
            throw Sentence(description: "'\(text)' is not a URL such as http://127.0.0.1:8000.")
        }
        isSecure = scheme == "https"
        let place = text.dropFirst(scheme.count + 3).prefix { $0 != "/" }
        let colon = place.lastIndex(of: ":")
        host = String(place[..<(colon ?? place.endIndex)])
        port =
            try colon.map { at in
                guard let port = Int(place[place.index(after: at)...]), (1...65535).contains(port) else {
                    throw Sentence(description: "'\(text)' has no port from 1 to 65535.")
                }
                return port
            } ?? (isSecure ? 443 : 80)
    }
}

/// One HTTP/1.1 request on a connection of its own, for commands that ask once in a while.
enum HTTPRequestTask {
    struct Answer: Sendable {
        var status = 0
        var body = ByteBuffer()
    }

    /// Collects the whole answer.
    /// - Parameter tls: for https.
    static func send(
        _ url: URLParts, method: String, path: String, body: ByteBuffer?, tls: TLSOptions = TLSOptions()
    ) async throws -> Answer {
        var answer = Answer()
        for try await piece in stream(url, method: method, path: path, body: body, tls: tls) {
            switch piece {
            case .head(let status): answer.status = status
            case .body(var bytes): answer.body.writeBuffer(&bytes)
            }
        }
        return answer
    }

    enum Piece: Sendable {
        case head(status: Int)
        case body(ByteBuffer)
    }

    /// The answer as it comes.
    static func stream(
        _ url: URLParts, method: String, path: String, body: ByteBuffer?, tls options: TLSOptions = TLSOptions()
    ) -> AsyncThrowingStream<Piece, any Error> {
        let (stream, continuation) = AsyncThrowingStream.makeStream(of: Piece.self)
        let eventLoop = MultiThreadedEventLoopGroup.singleton.next()
        var options = options
        options.protocols = ["http/1.1"]
        let tls: TLSContextBox?
        do {
            tls = try url.isSecure ? TLSContextBox.client(options) : nil
        } catch {
            continuation.finish(throwing: error)
            return stream
        }
        eventLoop.execute {
            HTTP1ClientConnection.connect(host: url.host, port: url.port, eventLoop: eventLoop, tls: tls)
                .assumeIsolated().whenComplete { result in
                    switch result {
                    case .failure(let error): continuation.finish(throwing: error)
                    case .success(let connection):
                        send(on: connection, method: method, path: path, body: body, continuation)
                    }
                }
        }
        return stream
    }

    private static func send(
        on connection: HTTP1ClientConnection, method: String, path: String, body: ByteBuffer?,
        _ continuation: AsyncThrowingStream<Piece, any Error>.Continuation
    ) {
        var headers = [HTTPField("accept", "*/*")]
        if let body {
            headers += [
                HTTPField("content-type", "application/json"),
                HTTPField("content-length", String(body.readableBytes)),
            ]
        }
        let head = HTTPRequestHead(method: method, path: path, query: nil, headers: headers, majorVersion: 1)
        let stream = connection.openStream(head, hasBody: body != nil)
        stream.onHead = { status, _ in continuation.yield(.head(status: status)) }
        stream.onBody = { continuation.yield(.body($0)) }
        stream.onClosed = { end in
            connection.close()
            if end == .complete {
                continuation.finish()
            } else {
                continuation.finish(throwing: Sentence(description: "The connection was lost (\(end))."))
            }
        }
        let bound = NIOLoopBound(stream, eventLoop: connection.eventLoop)
        let eventLoop = connection.eventLoop
        continuation.onTermination = { reason in
            if case .cancelled = reason { eventLoop.execute { bound.value.cancel() } }
        }
        if let body {
            stream.write(body)
            stream.finish()
        }
    }
}
