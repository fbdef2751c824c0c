import CNGHTTP2
import NIOCore

/// One request and response on an HTTP/2 stream.
final class HTTP2Exchange: HTTP2Stream, HTTPExchange {
    private(set) var request = HTTPRequestHead(method: "", path: "/", query: nil, headers: [], majorVersion: 2)
    let eventLoop: any EventLoop
    var onClientGone: (() -> Void)?
    private(set) var body = RequestBody()
    private var response: (status: Int, headers: [HTTPField])?
    private var hasPromisedContinue = false
    /// The response is finished or given up; the client's end is no news any more.
    private var isOver = false
    /// The whole response is out and the client still sends: since when, and what came after.
    private var lingering: (since: NIODeadline, byteCount: Int)?

    init(session: HTTP2Session, eventLoop: any EventLoop) {
        self.eventLoop = eventLoop
        super.init(session: session)
    }

    private var server: HTTP2ServerSession? { session as? HTTP2ServerSession }

    // MARK: Arrival

    override func headArrived() {
        // A second block of fields on a stream is trailers; no dialect has them.
        guard !hasHead else {
            _ = takeFields()
            return
        }
        hasHead = true
        var headers = takeFields()
        let limits = session?.headLimits ?? HTTPHeadLimits()
        guard !isHeadTooLarge else { return refuse(.headTooLarge(limits)) }
        guard let target = RequestTarget(pseudo.path.utf8, encodedSlashesBelow: limits.encodedSlashesBelow) else {
            return refuse(.malformed("the path is not plain"))
        }
        if let authority = pseudo.authority, !headers.contains(where: { $0.name == "host" }) {
            headers.append(HTTPField("host", authority))
        }
        request = HTTPRequestHead(
            method: pseudo.method, path: target.path, query: target.query, headers: headers, majorVersion: 2)
        if let expectation = request.header("expect"), expectation.lowercased() != "100-continue" {
            return refuse(.expectationFailed)
        }
        server?.connection.loop.handler.handle(self)
    }

    private func refuse(_ refusal: HTTP1Refusal) {
        session?.invalidFrameArrived()
        guard let (type, body) = server?.connection.loop.refusal(refusal) else { return }
        respond(status: refusal.status, headers: [HTTPField("content-type", type)], body: body)
    }

    override func dataArrived(_ bytes: ByteBuffer) {
        if isOver || body.isFinished {
            discard(bytes.readableBytes)
            return
        }
        holdWindow(bytes.readableBytes)
        let deliver = body.append(bytes)
        if body.isWanted { releaseWindow() }
        deliver?()
    }

    override func endArrived() {
        super.endArrived()
        let deliver = body.end()
        if !isOver { deliver?() }
    }

    /// A response that is whole before the request is: the client may stop sending. Some take a reset for a failure even
    /// so (curl until 8.0), so they get a moment to end by themselves.
    override func endSent() {
        if !hasRemoteEnded { lingering = (session?.now ?? .now(), 0) }
    }

    private func discard(_ byteCount: Int) {
        guard let lingering, let options = server?.connection.loop.options,
            lingering.byteCount + byteCount <= options.lingerByteCountMax
        else {
            session?.consumeForConnection(byteCount)
            if lingering != nil { stopLingering() }
            return
        }
        self.lingering?.byteCount += byteCount
        holdWindow(byteCount)
        releaseWindow()
    }

    private func stopLingering() {
        lingering = nil
        session?.reset(self, code: NGHTTP2_NO_ERROR)
    }

    override func closed(code: UInt32?) {
        super.closed(code: code)
        tellGone()
    }

    private func tellGone() {
        let gone = onClientGone
        onClientGone = nil
        let deliver = body.fail(.incomplete)
        guard !isOver else { return }
        isOver = true
        gone?()
        deliver?()
    }

    func sweep(now: NIODeadline, _ timeouts: HTTPTimeouts) {
        if let lingering, now - lingering.since > timeouts.linger { stopLingering() }
        if body.isTooSlow(now: now, timeouts) { bodyIsLate() }
        guard let options = server?.connection.loop.options else { return }
        // An answer that has ended grows no more, and its reader has all the time it needs.
        let isTooMuch = !isOver && unsentByteCount > options.unsentByteCountMax
        if isTooMuch || isStuck(now: now, limit: timeouts.sendProgress) { giveUp() }
    }

    /// What is gathered of the request has taken its time.
    func bodyIsLate() {
        if let deliver = body.fail(.incomplete) {
            deliver()
        } else {
            session?.reset(self, code: NGHTTP2_ENHANCE_YOUR_CALM)
        }
    }

    /// The client does not read: its stream ends, and the handler hears that it is gone, although the connection may not
    /// take a RST_STREAM yet.
    func giveUp() {
        dropOutput()
        session?.reset(self, code: NGHTTP2_CANCEL)
        tellGone()
    }

    // MARK: HTTPExchange

    func collectBody(limit: Int, _ done: @escaping (Result<ByteBuffer, HTTPBodyError>) -> Void) {
        let announced = request.header("content-length").flatMap { Int($0) }
        let deliver = body.collect(limit: limit, announced: announced, now: session?.now ?? .now(), done)
        bodyIsWanted()
        deliver?()
    }

    func receiveBody(_ receive: @escaping (ByteBuffer?) -> Void) {
        let deliver = body.receive(receive)
        bodyIsWanted()
        deliver?()
    }

    func gathering(_ byteCount: Int?) { body.gathers(byteCount, now: session?.now ?? .now()) }

    var connection: ObjectIdentifier? { session.map { ObjectIdentifier($0) } }

    private func bodyIsWanted() {
        releaseWindow()
        guard body.isWanted, !body.hasEnded, !hasPromisedContinue, response == nil, request.header("expect") != nil
        else { return }
        hasPromisedContinue = true
        server?.submitContinue(self)
    }

    func sendHead(status: Int, headers: [HTTPField]) {
        guard response == nil, !isOver, let session else { return }
        response = (status, headers)
        session.submitSoon(self)
    }

    func write(_ bytes: ByteBuffer) {
        guard let response, !isOver, bytes.readableBytes > 0 else { return }
        guard request.method != "HEAD", response.status != 204, response.status != 304 else { return }
        send(bytes)
    }

    func finish(trailers: [HTTPField]) {
        guard !isOver else { return }
        guard response != nil else { return abort() }
        isOver = true
        end(trailers: trailers)
    }

    func abort() {
        guard !isOver else { return }
        isOver = true
        dropOutput()
        session?.reset(self, code: response == nil ? NGHTTP2_INTERNAL_ERROR : NGHTTP2_CANCEL)
    }

    override func submit() {
        guard let server, let response, !isSubmitted else { return }
        isSubmitted = true
        var block = HTTP2HeaderBlock()
        block.append(":status", response.status == 200 ? "200" : String(response.status))
        block.append(response.headers)
        if !response.headers.contains(where: { $0.name == "date" || $0.value.hasPrefix("application/grpc") }) {
            block.append("date", server.connection.loop.date.text)
        }
        server.submitResponse(&block, of: self)
    }
}

extension HTTP2ServerSession {
    /// A response whose end is known by now goes out as one HEADERS frame.
    func submitResponse(_ block: inout HTTP2HeaderBlock, of exchange: HTTP2Exchange) {
        block.withPairs { pairs, count in
            if exchange.hasNothingToSend {
                _ = nghttp2_submit_response(session, exchange.id, pairs, count, nil)
            } else {
                var provider = HTTP2Callbacks.provider(exchange)
                _ = nghttp2_submit_response(session, exchange.id, pairs, count, &provider)
            }
        }
    }

    func submitContinue(_ exchange: HTTP2Exchange) {
        guard let session else { return }
        var block = HTTP2HeaderBlock()
        block.append(":status", "100")
        _ = block.withPairs { pairs, count in
            nghttp2_submit_headers(
                session, UInt8(NGHTTP2_FLAG_NONE.rawValue), exchange.id, nil, pairs, count, nil)
        }
        flushSoon()
    }
}
