import CNGHTTP2
import NIOCore

/// One request of ours on an HTTP/2 connection.
final class HTTP2ClientStream: HTTP2Stream, HTTPClientStream {
    let eventLoop: any EventLoop
    var onHead: ((_ status: Int, _ headers: [HTTPField]) -> Void)?
    var onBody: ((ByteBuffer) -> Void)?
    var onTrailers: (([HTTPField]) -> Void)?
    var onClosed: ((HTTPStreamEnd) -> Void)?
    private let request: HTTPRequestHead
    private let scheme: String
    private let host: String
    /// What `onClosed` will say whatever the close code is.
    private var ending: HTTPStreamEnd?
    private var isClosed = false

    /// Without a session the stream ends as `.refused` in the next tick.
    init(
        _ request: HTTPRequestHead, scheme: String, host: String, eventLoop: any EventLoop,
        session: HTTP2ClientSession?
    ) {
        self.request = request
        self.scheme = scheme
        self.host = host
        self.eventLoop = eventLoop
        super.init(session: session)
        if let session {
            session.submitSoon(self)
        } else {
            eventLoop.assumeIsolated().execute { self.close(.refused) }
        }
    }

    private var client: HTTP2ClientSession? { session as? HTTP2ClientSession }

    override func submit() {
        guard !isSubmitted, !isClosed else { return }
        if let ending { return close(ending) }
        var block = HTTP2HeaderBlock()
        block.append(":method", request.method)
        block.append(":scheme", scheme)
        block.append(":authority", request.header("host") ?? host)
        block.append(":path", request.query.map { "\(request.path)?\($0)" } ?? request.path)
        block.append(request.headers)
        isSubmitted = true
        if client?.submitRequest(&block, of: self) != true { close(.refused) }
    }

    // MARK: Arrival

    override func headArrived() {
        guard ending == nil else { return }
        let headers = takeFields()
        guard !isHeadTooLarge else { return giveUp(as: .malformed) }
        guard !hasHead else {
            onTrailers?(headers)
            return
        }
        guard let status = Int(pseudo.status) else { return giveUp(as: .malformed) }
        // An interim response; the one that counts follows.
        guard status >= 200 else { return }
        hasHead = true
        onHead?(status, headers)
    }

    override func dataArrived(_ bytes: ByteBuffer) {
        guard ending == nil else {
            session?.consumeForConnection(bytes.readableBytes)
            return
        }
        holdWindow(bytes.readableBytes)
        releaseWindow()
        onBody?(bytes)
    }

    /// The response is whole; if the request is not, nobody needs the rest.
    override func endArrived() {
        super.endArrived()
        guard ending == nil else { return }
        ending = .complete
        if !hasNothingToSend {
            dropOutput()
            session?.reset(self, code: NGHTTP2_CANCEL)
        }
    }

    override func headNotSent() {
        if ending == nil { ending = .refused }
    }

    override func closed(code: UInt32?) {
        super.closed(code: code)
        switch code {
        case nil: close(ending ?? (isSubmitted ? .connectionLost : .refused))
        case UInt32(NGHTTP2_REFUSED_STREAM.rawValue): close(ending ?? .refused)
        case let code?: close(ending ?? .reset(code: code))
        }
    }

    private func close(_ end: HTTPStreamEnd) {
        guard !isClosed else { return }
        isClosed = true
        super.closed(code: nil)
        let closed = onClosed
        onHead = nil
        onBody = nil
        onTrailers = nil
        onClosed = nil
        closed?(end)
    }

    // MARK: HTTPClientStream

    func write(_ bytes: ByteBuffer) {
        if bytes.readableBytes > 0 { send(bytes) }
    }

    func finish() {
        end(trailers: [])
    }

    func cancel() {
        giveUp(as: .cancelled)
    }

    func giveUp(as end: HTTPStreamEnd) {
        guard ending == nil, !isClosed else { return }
        ending = end
        dropOutput()
        session?.reset(self, code: NGHTTP2_CANCEL)
    }
}
