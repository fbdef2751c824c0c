import HTTP
import InferenceProtocol
import NIOCore
import Serving
import SwiftProtobuf

/// What `ModelInfer` and `ModelStreamInfer` share: from a message's bytes to a running request.
private struct InferStart {
    let core: APICore
    var caller: Caller
    let loop: any EventLoop
    /// When the call must have ended; nil: no limit of its own.
    let deadline: NIODeadline?
    let method: String
    let metadata: [HTTPField]

    init(_ method: String, _ call: GRPCServerCall, _ caller: Caller, _ core: APICore) {
        self.method = method
        self.core = core
        self.caller = caller
        loop = call.eventLoop
        metadata = call.metadata
        deadline = call.timeout.map { call.eventLoop.now + $0 }
    }

    /// - Parameters:
    ///   - body: the request's bytes.
    ///   - started: called on the event loop with the request before it has a reply, unless it is refused.
    ///   - reply: called on the event loop, perhaps from inside this call.
    func start(
        _ request: WireModelInferRequest, _ body: ByteBuffer, _ delivery: TextModelRequest.Delivery,
        _ abandonment: Abandonment, started: @escaping (TextInference) -> Void,
        reply: @escaping (TextInference.Reply) -> Void
    ) {
        let startedAt = loop.now
        let work: @Sendable (Preparation) throws(APIError) -> PreparedInference = { preparation throws(APIError) in
            let name = ModelVersion(request.modelName, request.modelVersion)
            let model = try name.find(preparation)
            return try TextModelRequest(InferRequest(request)).prepare(delivery, model: model, preparation)
        }
        core.prepare(
            body, of: caller, abandonment: abandonment, on: loop, work,
            failed: { error in
                guard !abandonment.isAbandoned else { return }
                core.refused(code: error.code)
                leaveLine(GRPCStatus(error).code, error.code)
                reply(.failed(error))
            },
            deliver: { prepared in
                guard !abandonment.isAbandoned else { return }
                run(prepared, core.source(of: body, work), startedAt, started, reply)
            })
    }

    /// Of a request that the service never had.
    func leaveLine(_ status: GRPCStatusCode, _ code: String? = nil) {
        core.leaveLine(method: method, metadata, status, code, tenant: caller.tenant, on: loop)
    }

    /// Of a call that never had a request.
    func leaveLine(_ status: GRPCStatus) {
        core.leaveLine(
            method: method, metadata, status.code, reason: status.message, tenant: caller.tenant, on: loop)
    }

    private func run(
        _ prepared: PreparedInference, _ source: RequestSource?, _ startedAt: NIODeadline,
        _ started: (TextInference) -> Void,
        _ reply: @escaping (TextInference.Reply) -> Void
    ) {
        var prepared = prepared
        if let deadline {
            prepared.generation.request.requestTimeoutSeconds = max(0, Double((deadline - loop.now).nanoseconds) / 1e9)
        }
        let trace = core.trace(metadata, TraceOperation.completion)
        let inference = TextInference(
            prepared, core: core, caller: caller, source: source, startedAt: startedAt, loop: loop, trace: trace,
            origin: core.origin(id: core.requestID(of: metadata), route: method, trace: trace, metadata) {
                APICall.harmless(prepared.id)
            }, reply: reply)
        do throws(APIError) {
            try inference.start()
            started(inference)
        } catch {
            leaveLine(GRPCStatus(error).code, error.code)
            reply(.failed(error))
        }
    }
}

/// `ModelInfer`: one request, one response. The client's leaving cancels the request.
final class InferCall {
    private let call: GRPCServerCall
    private let start: InferStart
    private let ended: GRPCInferenceService.CallEnd
    private let abandonment = Abandonment()
    private var running: TextInference?

    init(
        _ call: GRPCServerCall, _ caller: Caller, _ core: APICore, _ ended: @escaping GRPCInferenceService.CallEnd
    ) {
        self.call = call
        self.ended = ended
        start = InferStart("ModelInfer", call, caller, core)
    }

    /// The call's callbacks keep this object until the call is over.
    func begin() {
        call.onCancelled = { status in
            if self.running == nil { self.start.leaveLine(status) }
            self.abandonment.abandon()
            self.running?.cancel()
            self.running = nil
            self.ended(status.code, nil)
        }
        call.unary { bytes in
            do throws(GRPCStatus) {
                self.infer(try GRPCMessages.decode(bytes), bytes)
            } catch {
                self.start.leaveLine(error)
                self.finish(error)
            }
        }
    }

    private func infer(_ request: WireModelInferRequest, _ body: ByteBuffer) {
        start.start(request, body, .whole, abandonment) {
            self.running = $0
        } reply: { reply in
            switch reply {
            case .response(let response): self.call.send(GRPCMessages.encode(WireModelInferResponse(response)))
            case .finished: self.finish(GRPCStatus(.ok))
            case .failed(let error): self.finish(GRPCStatus(error))
            }
        }
    }

    private func finish(_ status: GRPCStatus) {
        running = nil
        ended(status.code, nil)
        call.finish(status)
    }
}

/// `ModelStreamInfer`: requests as they come, side by side; a response names its request by the id. A request that fails is
/// answered by a message, and the stream goes on. It ends when the client has sent its last request and all are answered, or
/// with a request for which its key counts no more.
final class InferStream {
    private let call: GRPCServerCall
    private let core: APICore
    private var start: InferStart
    private let ended: GRPCInferenceService.CallEnd
    private let abandonment = Abandonment()
    private var running: [Int: TextInference] = [:]
    /// Requests that came, and those among them that are not answered to the end.
    private var requestCount = 0
    private var openCount = 0
    private var hasEnded = false
    private var isOver = false
    private var reader = SlowReader()

    init(
        _ call: GRPCServerCall, _ caller: Caller, _ core: APICore, _ ended: @escaping GRPCInferenceService.CallEnd
    ) {
        self.call = call
        self.core = core
        self.ended = ended
        start = InferStart("ModelStreamInfer", call, caller, core)
    }

    /// The call's callbacks keep this object until the call is over.
    func begin() {
        call.onMessage = { bytes in
            do throws(GRPCStatus) {
                self.infer(try GRPCMessages.decode(bytes), bytes)
            } catch {
                self.start.leaveLine(error)
                self.finish(error)
            }
        }
        call.onEnd = {
            self.hasEnded = true
            self.finishIfDone()
        }
        call.onCancelled = { status in
            if status.code != .cancelled { self.start.leaveLine(status) }
            self.end(status.code)
        }
        call.begin()
    }

    private func infer(_ request: WireModelInferRequest, _ body: ByteBuffer) {
        guard !isOver else { return }
        do throws(APIError) { start.caller = try core.caller(for: .open, start.metadata) } catch {
            core.refused(code: error.code)
            start.leaveLine(GRPCStatus(error).code, error.code)
            return finish(GRPCStatus(error))
        }
        guard openCount < core.options.sequenceCountMax else {
            let error = APIError(
                status: 429, message: "\(openCount) requests run on this stream already. Wait for one to end.",
                type: "rate_limit_error", code: "too_many_on_stream")
            start.leaveLine(GRPCStatus(error).code, error.code)
            return fail(error, request)
        }
        requestCount += 1
        openCount += 1
        let number = requestCount
        start.start(request, body, .stream, abandonment) {
            self.running[number] = $0
        } reply: { reply in
            guard !self.isOver else { return }
            switch reply {
            case .response(let response):
                return self.send(.with { $0.inferResponse = WireModelInferResponse(response) })
            case .finished: break
            case .failed(let error): self.fail(error, request)
            }
            self.running[number] = nil
            self.openCount -= 1
            self.finishIfDone()
        }
    }

    private func fail(_ error: APIError, _ request: WireModelInferRequest) {
        send(
            .with {
                $0.errorMessage = error.message
                $0.inferResponse.modelName = request.modelName
                $0.inferResponse.modelVersion = request.modelVersion
                $0.inferResponse.id = String(request.id.prefix(InferRequest.idByteCountMax))
            })
    }

    /// A reader that is too slow is given up, and with it its requests.
    private func send(_ response: WireModelStreamInferResponse) {
        call.send(GRPCMessages.encode(response))
        if reader.isTooSlow(unsentByteCount: call.unsentByteCount, core.options, on: call.eventLoop) {
            finish(GRPCStatus(.resourceExhausted, "Responses are read too slowly."))
        }
    }

    private func finishIfDone() {
        if hasEnded, openCount == 0 { finish(GRPCStatus(.ok)) }
    }

    private func finish(_ status: GRPCStatus) {
        guard !isOver else { return }
        end(status.code)
        call.finish(status)
    }

    private func end(_ code: GRPCStatusCode) {
        isOver = true
        abandonment.abandon()
        for inference in running.values { inference.cancel() }
        running.removeAll()
        ended(code, nil)
    }
}
