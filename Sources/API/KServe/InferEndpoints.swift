import HTTP
import NIOCore

/// `POST /v2/models/{id}/infer`, `…/generate`, `…/generate_stream`
enum InferEndpoints {
    static func infer(_ call: APICall) {
        let headerLength = call.exchange.request.header("inference-header-content-length")
        prepare(call, .whole) { (body) throws(APIError) in
            try TextModelRequest(InferRequest(body: body, headerLength: headerLength))
        } then: { prepared, startedAt in
            answer(call, prepared, startedAt) { response in
                let (contentType, headers, body) = response.restAnswer()
                call.respond(contentType: contentType, headers: headers, body: body)
            }
        }
    }

    static func generate(_ call: APICall) {
        prepare(call, .whole) { (body) throws(APIError) in
            try TextModelRequest(generate: FieldReader.body(body))
        } then: { prepared, startedAt in
            answer(call, prepared, startedAt) { response in
                call.respond { response.writeGenerated(into: &$0) }
            }
        }
    }

    static func generateStream(_ call: APICall) {
        prepare(call, .stream) { (body) throws(APIError) in
            try TextModelRequest(generate: FieldReader.body(body))
        } then: { prepared, startedAt in
            stream(call, prepared, startedAt)
        }
    }

    /// Reads the body. Its type is not looked at: Triton does not, and what curl calls it by itself is no JSON.
    private static func prepare(
        _ call: APICall, _ delivery: TextModelRequest.Delivery,
        _ read: @escaping @Sendable ([UInt8]) throws(APIError) -> TextModelRequest,
        then: @escaping (PreparedInference, NIODeadline) -> Void
    ) {
        let startedAt = call.exchange.eventLoop.now
        let name = ModelVersion(path: call.id)
        call.withBody(checksType: false) { (body, preparation) throws(APIError) in
            let model = try name.find(preparation)
            return try read(body).prepare(delivery, model: model, preparation)
        } then: { prepared in
            then(prepared, startedAt)
        }
    }

    private static func answer(
        _ call: APICall, _ prepared: PreparedInference, _ startedAt: NIODeadline,
        _ respond: @escaping (InferResponse) -> Void
    ) {
        start(call, prepared, startedAt) { reply in
            switch reply {
            case .response(let response): respond(response)
            case .finished: break
            case .failed(let error): call.fail(error)
            }
        }
    }

    /// Events of a response each, and no mark at the end: the stream just ends. What fails after it began is an event.
    private static func stream(_ call: APICall, _ prepared: PreparedInference, _ startedAt: NIODeadline) {
        let events = EventWriter(call)
        let isStarted = start(call, prepared, startedAt) { reply in
            switch reply {
            case .response(let response):
                events.write { response.writeGenerated(into: &$0) }
            case .finished:
                events.stop()
                call.finish()
            case .failed(let error):
                events.write { error.writeSentence(into: &$0) }
                events.stop()
                call.finish()
            }
        } whenGone: {
            events.stop()
        }
        guard isStarted else { return }
        call.beginEvents()
        events.start()
    }

    /// - Returns: false when the request was refused, which has been answered.
    @discardableResult
    private static func start(
        _ call: APICall, _ prepared: PreparedInference, _ startedAt: NIODeadline,
        reply: @escaping (TextInference.Reply) -> Void, whenGone: @escaping () -> Void = {}
    ) -> Bool {
        let trace = call.beginTrace(TraceOperation.completion)
        let inference = TextInference(
            prepared, core: call.core, caller: call.caller, source: call.source, startedAt: startedAt,
            loop: call.exchange.eventLoop, trace: trace, origin: call.origin { APICall.harmless(prepared.id) },
            reply: reply)
        do throws(APIError) {
            try inference.start()
            call.accepted()
        } catch {
            call.fail(error)
            return false
        }
        call.whenGone = {
            whenGone()
            inference.cancel()
        }
        return true
    }
}

/// Writes events to a call.
private final class EventWriter {
    private let call: APICall
    private var keepAlive: KeepAlive?

    init(_ call: APICall) { self.call = call }

    /// One event.
    func write(_ data: (inout ByteBuffer) -> Void) {
        var buffer = ByteBuffer()
        buffer.writeStaticString("data: ")
        data(&buffer)
        buffer.writeStaticString("\n\n")
        send(buffer)
    }

    func start() { keepAlive = KeepAlive(call) { self.send(KeepAlive.comment) } }

    func stop() {
        keepAlive?.stop()
        keepAlive = nil
    }

    /// A reader that is too slow is given up, and so is its request.
    private func send(_ buffer: ByteBuffer) {
        keepAlive?.wrote()
        let gone = call.whenGone
        if !call.write(buffer) { gone?() }
    }
}
