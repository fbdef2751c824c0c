import NIOCore

/// One request and response on an HTTP/1.1 connection. Its session is gone once the exchange is over.
final class HTTP1Exchange: HTTPExchange {
    let request: HTTPRequestHead
    let framing: HTTP1Framing
    let eventLoop: any EventLoop
    var onClientGone: (() -> Void)?
    private(set) var body = RequestBody()
    /// Until the exchange is over, which it is at the latest when the session ends.
    private var session: HTTP1Session?
    private var response = Response.none
    private var hasPromisedContinue = false

    enum Response: Equatable {
        case none
        /// `remaining` is what `content-length` still owes; `isBodiless` for HEAD, 204 and 304.
        case open(HTTP1Encoder.Framing, remaining: Int?, isBodiless: Bool)
        case over
    }

    init(_ request: HTTPRequestHead, _ framing: HTTP1Framing, session: HTTP1Session, eventLoop: any EventLoop) {
        self.request = request
        self.framing = framing
        self.session = session
        self.eventLoop = eventLoop
    }

    var isUnanswered: Bool { response == .none }

    /// The session may take more of the request from the wire.
    var wantsBody: Bool { !body.hasEnded && body.isWanted }

    func collectBody(limit: Int, _ done: @escaping (Result<ByteBuffer, HTTPBodyError>) -> Void) {
        var announced: Int?
        if case .length(let length) = framing.body { announced = length }
        let deliver = body.collect(limit: limit, announced: announced, now: session?.now ?? .now(), done)
        bodyIsWanted()
        deliver?()
    }

    func receiveBody(_ receive: @escaping (ByteBuffer?) -> Void) {
        let deliver = body.receive(receive)
        bodyIsWanted()
        deliver?()
    }

    private func bodyIsWanted() {
        guard wantsBody else { return }
        if framing.expectsContinue, !hasPromisedContinue, response == .none {
            hasPromisedContinue = true
            session?.writeContinue()
        }
        session?.resumeParsing()
    }

    func gathering(_ byteCount: Int?) { body.gathers(byteCount, now: session?.now ?? .now()) }

    func arrived(_ bytes: ByteBuffer) { body.append(bytes)?() }

    func requestEnded() { body.end()?() }

    func sendHead(status: Int, headers: [HTTPField]) {
        guard response == .none, let session else { return }
        let isBodiless = request.method == "HEAD" || status == 204 || status == 304
        let length = headers.first { $0.isNamed("content-length") }.flatMap { Int($0.value) }
        let encoding: HTTP1Encoder.Framing =
            if isBodiless || length != nil { .plain } else { framing.minorVersion == 0 ? .untilClose : .chunked }
        response = .open(encoding, remaining: isBodiless ? nil : length, isBodiless: isBodiless)
        session.writeHead(status: status, headers: headers, framing: encoding, of: self)
    }

    func write(_ bytes: ByteBuffer) {
        guard case .open(let encoding, let remaining, let isBodiless) = response, let session, !isBodiless,
            bytes.readableBytes > 0
        else { return }
        if let remaining {
            // More than was announced would be read as the next response.
            guard bytes.readableBytes <= remaining else { return abort() }
            response = .open(encoding, remaining: remaining - bytes.readableBytes, isBodiless: false)
        }
        session.writeBody(bytes, isChunked: encoding == .chunked)
    }

    func finish(trailers: [HTTPField]) {
        guard case .open(let encoding, let remaining, _) = response, let session else { return abort() }
        guard remaining ?? 0 == 0 else { return abort() }
        response = .over
        session.responseFinished(self, isChunked: encoding == .chunked)
        leave()
    }

    func abort() {
        guard response != .over else { return }
        response = .over
        let session = self.session
        leave()
        session?.close()
    }

    /// The connection ended under it.
    func clientGone() {
        guard response != .over else { return }
        response = .over
        let gone = onClientGone
        let deliver = body.fail(.incomplete)
        leave()
        gone?()
        deliver?()
    }

    /// The rest of the body will not come, although the client is there.
    /// - Returns: whether whoever waited for it has answered.
    func bodyFailed(_ error: HTTPBodyError) -> Bool {
        guard response == .none else { return false }
        body.fail(error)?()
        return response != .none
    }

    /// Lets go of every callback: they may hold this exchange in turn.
    private func leave() {
        session = nil
        onClientGone = nil
        _ = body.fail(.incomplete)
    }

    var unsentByteCount: Int { session?.unsentByteCount ?? 0 }

    var connection: ObjectIdentifier? { session.map { ObjectIdentifier($0) } }
}
