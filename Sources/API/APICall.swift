import HTTP
import Inference
import NIOCore
import Serving

/// One request on its way: knows its exchange, answers it once, and knows when the client is gone.
///
/// Lives as long as the exchange, which holds it by `onClientGone` until the answer has ended.
final class APICall {
    let exchange: any HTTPExchange
    let core: APICore
    /// What the route's `{id}` stands for.
    let id: String
    /// Who asks.
    var caller = Caller.anyone(tenant: "")
    /// The client's `x-request-id` if it is harmless, else a fresh one. Only ever echoed, never looked up.
    let requestID: String
    private(set) var isOver = false
    /// The request's place in a trace, once it has one. The client is told of it.
    private(set) var trace: RequestTrace?
    /// Called once when the client leaves before the end of the answer.
    var whenGone: (() -> Void)?
    /// How what was read from the body can be read for another model.
    private(set) var source: RequestSource?
    private let route: String
    private var isAnswered = false
    /// The service has its request, and leaves a line of it.
    private var isAccepted = false
    private let abandonment = Abandonment()
    private var reader = SlowReader()

    init(_ exchange: any HTTPExchange, core: APICore, route: String, id: String) {
        self.exchange = exchange
        self.core = core
        self.route = route
        self.id = id
        requestID = exchange.request.header("x-request-id").flatMap(Self.harmless) ?? core.freshName()
        exchange.onClientGone = { self.clientGone() }
    }

    private func clientGone() {
        guard !isOver else { return }
        // nginx's number for a client that left first; it is counted, never sent.
        if !isAnswered {
            core.answered(route: route, status: 499)
            leaveLine(status: 499, code: "client_gone")
        }
        abandonment.abandon()
        end()?()
    }

    /// - Returns: what wanted to know that the client is gone.
    @discardableResult private func end() -> (() -> Void)? {
        isOver = true
        exchange.onClientGone = nil
        defer { whenGone = nil }
        return whenGone
    }
}

// Answers.
extension APICall {
    func respond(
        status: Int = 200, contentType: String = "application/json", headers: [HTTPField] = [], body: ByteBuffer
    ) {
        guard !isOver, !isAnswered else { return }
        answered(status)
        var fields = [
            HTTPField("content-type", contentType), HTTPField("x-request-id", requestID),
            HTTPField("content-length", String(body.readableBytes)),
        ]
        addShared(to: &fields)
        fields += headers
        exchange.sendHead(status: status, headers: fields)
        if body.readableBytes > 0, exchange.request.method != "HEAD" { exchange.write(body) }
        end()
        exchange.finish(trailers: [])
    }

    func respond(status: Int = 200, json: (inout ByteBuffer) -> Void) {
        var body = ByteBuffer()
        body.reserveCapacity(1024)
        json(&body)
        respond(status: status, body: body)
    }

    func fail(_ error: APIError, headers: [HTTPField] = []) {
        if !isOver, !isAnswered { leaveLine(status: error.status, code: error.code) }
        var body = ByteBuffer()
        write(error, into: &body)
        respond(status: error.status, headers: error.headers + headers, body: body)
    }

    /// Writes an error in the shape of the dialect that the path belongs to.
    func write(_ error: APIError, into buffer: inout ByteBuffer) {
        switch ErrorShape(path: exchange.request.path, isAnthropic: isAnthropic) {
        case .openAI: error.write(into: &buffer)
        case .sentence: error.writeSentence(into: &buffer)
        case .anthropic: error.writeTyped(requestID: requestID, into: &buffer)
        }
    }

    /// Anthropic's clients say which version of its dialect they speak.
    var isAnthropic: Bool { exchange.request.header("anthropic-version") != nil }

    /// Fails before the service has heard of the request. What the service itself refuses, it counts itself.
    func refuse(_ error: APIError) {
        core.refused(code: error.code)
        fail(error)
    }

    /// Begins an answer of events; `write` and `finish` follow.
    func beginEvents(contentType: String = "text/event-stream") {
        guard !isOver, !isAnswered else { return }
        answered(200)
        var fields = [
            HTTPField("content-type", contentType), HTTPField("cache-control", "no-cache"),
            // Asks nginx not to hold events back.
            HTTPField("x-accel-buffering", "no"), HTTPField("x-request-id", requestID),
        ]
        addShared(to: &fields)
        exchange.sendHead(status: 200, headers: fields)
    }

    /// What answers of all kinds say where it applies. Source: W3C Trace Context level 2, section on the response header.
    private func addShared(to fields: inout [HTTPField]) {
        if let trace { fields.append(HTTPField("traceresponse", trace.context.parent)) }
        if let crossOrigin = core.crossOrigin { fields += crossOrigin.fields(for: exchange.request) }
    }

    /// - Returns: false when the client reads too slowly and was given up.
    func write(_ events: ByteBuffer) -> Bool {
        guard !isOver else { return true }
        exchange.write(events)
        let unsent = exchange.unsentByteCount
        guard reader.isTooSlow(unsentByteCount: unsent, core.options, on: exchange.eventLoop) else { return true }
        end()
        exchange.abort()
        return false
    }

    func finish() {
        guard !isOver else { return }
        end()
        exchange.finish(trailers: [])
    }

    /// Of a request that the service never had.
    private func leaveLine(status: Int, code: String?) {
        guard !isAccepted, let log = core.refusalLog, let origin = origin() else { return }
        log.refused(origin, status: status, code: code, tenant: caller.tenant, on: exchange.eventLoop)
    }

    private func answered(_ status: Int) {
        isAnswered = true
        core.answered(route: route, status: status)
    }
}

// Requests.
extension APICall {
    /// Queues a request in the caller's name and within the caller's limits.
    /// - Parameters:
    ///   - promptField: the field that holds the text here.
    ///   - answer: what the answer calls itself.
    /// - Returns: nil when it was refused, which the client has been told.
    func submit(
        _ wanted: GenerationRequest, promptField: String, receiver: any GenerationReceiver,
        answer: () -> String? = { nil }
    ) -> RequestID? {
        var asked = wanted
        asked.trace = beginTrace(TraceOperation.of(wanted, route: route))
        asked.origin = origin(answer: answer)
        do throws(APIError) { try core.assign(&asked, to: caller) } catch {
            refuse(error)
            return nil
        }
        do {
            let id = try core.service.submit(asked, receiver: core.receiver(receiver, of: caller))
            accepted()
            core.copy(asked, source, on: exchange.eventLoop)
            return id
        } catch {
            core.giveBack(asked, of: caller)
            fail(ErrorTable.error(error, promptField: promptField, options: core.options))
            return nil
        }
    }
}

// The log.
extension APICall {
    /// nil where nobody reads it.
    func origin(answer: () -> String? = { nil }) -> RequestOrigin? {
        core.origin(id: requestID, route: route, trace: trace, exchange.request.headers, answer: answer)
    }

    /// The service has the request: what becomes of it is the service's to tell.
    func accepted() { isAccepted = true }

    /// A client's word where it is harmless in a line of the log.
    static func harmless(_ name: String) -> String? {
        let isHarmless = name.utf8.allSatisfy(RequestOrigin.isHarmless)
        return isHarmless && (1...RequestOrigin.wordByteMax).contains(name.utf8.count) ? name : nil
    }
}

// Traces.
extension APICall {
    /// Finds the request's place in its caller's trace, or begins one; nil where nothing is traced.
    /// - Parameter operation: see ``RequestTrace/operation``.
    func beginTrace(_ operation: String) -> RequestTrace? {
        trace = core.trace(exchange.request.headers, operation)
        return trace
    }
}

// Bodies.
extension APICall {
    /// Reads the body and works on it: see ``APICore/prepare``.
    /// - Parameters:
    ///   - checksType: whether only JSON is taken; else the type is not looked at.
    ///   - work: pure; sees the body and what is known now.
    ///   - then: on the event loop, unless the client left or `work` threw, which answers the call.
    func withBody<Prepared: Sendable>(
        checksType: Bool = true, _ work: @escaping @Sendable ([UInt8], Preparation) throws(APIError) -> Prepared,
        then: @escaping (consuming Prepared) -> Void
    ) {
        if let refusal = headerRefusal(checksType: checksType) { return refuse(refusal) }
        exchange.collectBody(limit: core.options.bodyByteCountMax) { result in
            guard !self.isOver else { return }
            switch result {
            case .success(let body): self.prepare(body, work, then)
            case .failure(let error): self.refuse(ErrorTable.error(error))
            }
        }
    }

    private func prepare<Prepared: Sendable>(
        _ body: ByteBuffer,
        _ work: @escaping @Sendable ([UInt8], Preparation) throws(APIError) -> Prepared,
        _ then: @escaping (consuming Prepared) -> Void
    ) {
        let work: @Sendable (Preparation) throws(APIError) -> Prepared = { preparation throws(APIError) in
            try work(Array(body.readableBytesView), preparation)
        }
        core.prepare(
            body, of: caller, abandonment: abandonment, on: exchange.eventLoop, work,
            failed: { if !self.isOver { self.refuse($0) } },
            deliver: { (prepared: consuming Prepared) in
                guard !self.isOver else { return }
                self.source = self.core.source(of: body, work)
                then(prepared)
                self.source = nil
            })
    }

    /// A body's coding and type are looked at before the body. A compressed body could grow past any limit while it is
    /// unpacked. No type at all passes: many small clients send none.
    private func headerRefusal(checksType: Bool) -> APIError? {
        let request = exchange.request
        if let coding = request.header("content-encoding"), coding.lowercased() != "identity" {
            return .unsupportedMedia(
                "The content-encoding \(coding.prefix(80)) is not supported: send the body uncompressed.")
        }
        guard checksType, let type = request.header("content-type"), type != "application/json" else {
            return nil
        }
        let essence = type.prefix { $0 != ";" }.filter { $0 != " " }.lowercased()
        guard essence == "application/json" || essence.hasSuffix("+json") else {
            return .unsupportedMedia("The content-type must be application/json, but is \(type.prefix(80)).")
        }
        return nil
    }
}

extension APIError {
    fileprivate static func unsupportedMedia(_ message: String) -> APIError {
        APIError(status: 415, message: message, type: "invalid_request_error", code: "unsupported_media_type")
    }
}
