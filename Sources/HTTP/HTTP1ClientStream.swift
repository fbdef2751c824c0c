import NIOCore
import NIOHTTP1

/// One request of ours on an HTTP/1.1 connection.
final class HTTP1ClientStream: HTTPClientStream {
    let eventLoop: any EventLoop
    var onHead: ((_ status: Int, _ headers: [HTTPField]) -> Void)?
    var onBody: ((ByteBuffer) -> Void)?
    var onTrailers: (([HTTPField]) -> Void)?
    var onClosed: ((HTTPStreamEnd) -> Void)?
    private let request: HTTPRequestHead
    private var session: HTTP1ClientSession?
    private var output = ByteBuffer()
    private var hasEnded = false
    private(set) var hasSentEnd = false
    private var isCancelled = false

    init(_ request: HTTPRequestHead, session: HTTP1ClientSession, eventLoop: any EventLoop) {
        self.request = request
        self.session = session
        self.eventLoop = eventLoop
    }

    var unsentByteCount: Int { output.readableBytes }

    func write(_ bytes: ByteBuffer) {
        guard !hasEnded, session != nil else { return }
        output.writeImmutableBuffer(bytes)
        session?.workSoon()
    }

    func finish() {
        hasEnded = true
        session?.workSoon()
    }

    func cancel() {
        guard !isCancelled else { return }
        isCancelled = true
        session?.cancelled(self)
    }

    // MARK: The session's side

    func makeHead() -> NIOHTTP1.HTTPRequestHead {
        let uri = request.query.map { "\(request.path)?\($0)" } ?? request.path
        let headers = HTTPHeaders(request.headers.map { ($0.name, $0.value) })
        return NIOHTTP1.HTTPRequestHead(
            version: .http1_1, method: HTTPMethod(rawValue: request.method), uri: uri, headers: headers)
    }

    func takeOutput() -> ByteBuffer? {
        guard output.readableBytes > 0 else { return nil }
        defer { output = ByteBuffer() }
        return output
    }

    /// True once, when the request's end is due.
    func takesEnd() -> Bool {
        guard hasEnded, !hasSentEnd else { return false }
        hasSentEnd = true
        return true
    }

    func headArrived(_ head: HTTPResponseHead) {
        onHead?(Int(head.status.code), Self.fields(head.headers))
    }

    func bodyArrived(_ bytes: ByteBuffer) { onBody?(bytes) }

    func trailersArrived(_ trailers: HTTPHeaders) { onTrailers?(Self.fields(trailers)) }

    private static func fields(_ headers: HTTPHeaders) -> [HTTPField] {
        headers.map { HTTPField($0.name.lowercased(), $0.value) }
    }

    func end(_ end: HTTPStreamEnd) {
        guard session != nil else { return }
        session = nil
        let closed = onClosed
        onHead = nil
        onBody = nil
        onTrailers = nil
        onClosed = nil
        closed?(end)
    }
}
