import HTTP
import Inference
import NIOCore
import Serving
import Synchronization

/// One request on its way: knows its exchange, answers it once, and knows when the client is gone.
///
/// Lives as long as the exchange, which holds it by `onClientGone` until the answer has ended.
final class APICall {
    let exchange: any HTTPExchange
    let core: APICore
    /// What the route's `{id}` stands for.
    let id: String
    /// The client's `x-request-id` if it is harmless, else a fresh one. Only ever echoed, never looked up.
    let requestID: String
    private(set) var isOver = false
    /// Called once when the client leaves before the end of the answer.
    var whenGone: (() -> Void)?
    private let route: String
    private var isAnswered = false
    private let abandonment = Abandonment()

    init(_ exchange: any HTTPExchange, core: APICore, route: String, id: String) {
        self.exchange = exchange
        self.core = core
        self.route = route
        self.id = id
        requestID = exchange.request.header("x-request-id").flatMap(Self.harmless) ?? core.freshName()
        exchange.onClientGone = { self.clientGone() }
    }

    private static func harmless(_ name: String) -> String? {
        let isHarmless = name.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"):
                true
            default: false
            }
        }
        return isHarmless && (1...128).contains(name.utf8.count) ? name : nil
    }

    private func clientGone() {
        guard !isOver else { return }
        // nginx's number for a client that left first; it is counted, never sent.
        if !isAnswered { core.answered(route: route, status: 499) }
        abandonment.isAbandoned.store(true, ordering: .relaxed)
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
        let fields =
            [
                HTTPField("content-type", contentType), HTTPField("x-request-id", requestID),
                HTTPField("content-length", String(body.readableBytes)),
            ] + headers
        exchange.sendHead(status: status, headers: fields)
        if body.readableBytes > 0, exchange.request.method != "HEAD" { exchange.write(body) }
        end()
        exchange.finish(trailers: [])
    }

    func respond(status: Int = 200, json: (inout ByteBuffer) -> Void) {
        var body = ByteBuffer()
        json(&body)
        respond(status: status, body: body)
    }

    func fail(_ error: APIError, headers: [HTTPField] = []) {
        var body = ByteBuffer()
        error.write(into: &body)
        respond(status: error.status, headers: error.headers + headers, body: body)
    }

    /// Fails before the service has heard of the request. What the service itself refuses, it counts itself.
    func refuse(_ error: APIError) {
        core.refused(code: error.code)
        fail(error)
    }

    /// Begins an answer of events; `write` and `finish` follow.
    func beginEvents() {
        guard !isOver, !isAnswered else { return }
        answered(200)
        exchange.sendHead(
            status: 200,
            headers: [
                HTTPField("content-type", "text/event-stream"), HTTPField("cache-control", "no-cache"),
                // Asks nginx not to hold events back.
                HTTPField("x-accel-buffering", "no"), HTTPField("x-request-id", requestID),
            ])
    }

    /// - Returns: false when the client reads too slowly and was given up.
    func write(_ events: ByteBuffer) -> Bool {
        guard !isOver else { return true }
        exchange.write(events)
        guard exchange.unsentByteCount > core.options.unsentByteCountMax else { return true }
        end()
        exchange.abort()
        return false
    }

    func finish() {
        guard !isOver else { return }
        end()
        exchange.finish(trailers: [])
    }

    private func answered(_ status: Int) {
        isAnswered = true
        core.answered(route: route, status: status)
    }
}

// Bodies.
extension APICall {
    /// Reads the body and works on it: short ones here, long ones on another thread.
    /// - Parameters:
    ///   - work: pure; sees the body and what is known now.
    ///   - then: on the event loop, unless the client left or `work` threw, which answers the call.
    func withBody<Prepared: Sendable>(
        _ work: @escaping @Sendable ([UInt8], Preparation) throws(APIError) -> Prepared,
        then: @escaping (Prepared) -> Void
    ) {
        if let refusal = headerRefusal() { return refuse(refusal) }
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
        _ then: @escaping (Prepared) -> Void
    ) {
        let preparation = Preparation(
            models: core.service.models, options: core.options, seed: core.surroundings.randomWord())
        let deliver = { (result: Result<Prepared, APIError>) in
            guard !self.isOver else { return }
            switch result {
            case .success(let prepared): then(prepared)
            case .failure(let error): self.refuse(error)
            }
        }
        guard body.readableBytes > core.options.inlineByteCountMax else {
            return deliver(Self.result { () throws(APIError) in try work(Array(body.readableBytesView), preparation) })
        }
        guard core.preparationCount < core.options.preparationCountMax else {
            return refuse(
                APIError(
                    status: 429,
                    message: "\(core.preparationCount) long requests are being read already. Try again shortly.",
                    type: "rate_limit_error", code: "too_many_long_requests",
                    retryAfterSeconds: core.options.retryAfterSeconds))
        }
        core.preparationCount += 1
        let loop = exchange.eventLoop
        let core = self.core
        let bound = NIOLoopBound(
            { (result: Result<Prepared, APIError>?) in
                core.preparationCount -= 1
                if let result { deliver(result) }
            }, eventLoop: loop)
        core.offload { [abandonment] in
            // Whoever queued behind others may have left since.
            let result =
                abandonment.isAbandoned.load(ordering: .relaxed)
                ? nil
                : Self.result { () throws(APIError) in try work(Array(body.readableBytesView), preparation) }
            loop.execute { bound.value(result) }
        }
    }

    private static func result<Prepared>(_ work: () throws(APIError) -> Prepared) -> Result<Prepared, APIError> {
        do throws(APIError) { return .success(try work()) } catch { return .failure(error) }
    }

    /// A body's type is looked at before the body. No type at all passes: many small clients send none.
    private func headerRefusal() -> APIError? {
        guard let type = exchange.request.header("content-type") else { return nil }
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

/// Told to work on another thread: its client has left.
private final class Abandonment: Sendable {
    let isAbandoned = Atomic<Bool>(false)
}

/// What the work on a body may know. Values and immutable objects only: it crosses to another thread.
struct Preparation: Sendable {
    var models: [ServedModel]
    var options: APIOptions
    /// Drawn for this request, for when the client gives none.
    var seed: UInt64

    /// The model that `model` names; the only one when there is one and none is named.
    func model(_ fields: FieldReader, promptField: String) throws(APIError) -> ServedModel {
        let name = try fields.string("model")
        guard !models.isEmpty else {
            throw ErrorTable.error(
                .unavailable("No worker has announced a model yet."), promptField: promptField, options: options)
        }
        guard let name else {
            guard models.count == 1, let only = models.first else { throw fields.missing("model") }
            return only
        }
        guard let model = models.first(where: { $0.name == name }) else {
            throw ErrorTable.error(.modelNotFound(name), promptField: promptField, options: options)
        }
        return model
    }
}
