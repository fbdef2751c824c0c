import Inference
import NIOCore
import Serving
import Synchronization

extension APICore {
    /// Works on what a client sent: here when it is short and takes no long work, else on another thread.
    /// - Parameters:
    ///   - body: all that was sent.
    ///   - caller: whose allowance it counts against, whatever comes of it.
    ///   - work: pure; sees what is known now. Begun anew on another thread where it throws ``APIError/needsThread`` here.
    ///   - failed: with what `work` threw, or that the caller's limits or the threads have no room for it.
    ///   - deliver: with what came of it. One of the two is called, on the event loop, once, unless the client has left before
    ///     the work began.
    func prepare<Prepared: Sendable>(
        _ body: ByteBuffer, of caller: Caller, abandonment: Abandonment, on loop: any EventLoop,
        _ work: @escaping @Sendable (Preparation) throws(APIError) -> Prepared,
        failed: @escaping (APIError) -> Void, deliver: @escaping (consuming Prepared) -> Void
    ) {
        do throws(APIError) { try takeRequest(of: caller) } catch { return failed(error) }
        var preparation = Preparation(
            directory: directory, body: body, options: options, seed: surroundings.randomWord())
        if body.readableBytes <= options.inlineByteCountMax {
            preparation.mayTakeLong = false
            do throws(APIError) { return deliver(try work(preparation)) } catch {
                guard error == .needsThread else { return failed(error) }
            }
            preparation.mayTakeLong = true
        }
        if let taken = preparationPlaces.take(caller.tenant, now: surroundings.steadySeconds()) {
            return failed(
                APIError(
                    status: 429, message: "\(taken) long requests are being read already. Try again shortly.",
                    type: "rate_limit_error", code: "too_many_long_requests",
                    retryAfterSeconds: options.retryAfterSeconds))
        }
        let bound = NIOLoopBound(
            { (result: Result<Prepared, APIError>?) in
                self.preparationPlaces.giveBack(caller.tenant)
                switch result {
                case .success(let prepared): deliver(prepared)
                case .failure(let error): failed(error)
                case nil: break
                }
            }, eventLoop: loop)
        turns.submit(of: caller.tenant) { [preparation] in
            // Whoever queued behind others may have left since.
            let result =
                abandonment.isAbandoned
                ? nil : Self.result { () throws(APIError) in try work(preparation) }
            loop.execute { bound.value(result) }
        }
    }

    private static func result<Prepared>(_ work: () throws(APIError) -> Prepared) -> Result<Prepared, APIError> {
        do throws(APIError) { return .success(try work()) } catch { return .failure(error) }
    }
}

extension APIError {
    /// Thrown by work on the event loop that belongs on another thread, where it is begun anew. No client sees it.
    static let needsThread = APIError(
        status: 500, message: "This takes a thread of its own.", type: "server_error", code: "needs_thread")
}

/// Told to work on another thread: its client has left.
final class Abandonment: Sendable {
    private let flag = Atomic<Bool>(false)

    func abandon() { flag.store(true, ordering: .relaxed) }
    var isAbandoned: Bool { flag.load(ordering: .relaxed) }
}

/// What the work on a body may know. Values and immutable objects only: it crosses to another thread.
struct Preparation: Sendable {
    var directory: ModelDirectory
    /// What the client sent. Of a name that stands for several models it chooses one.
    var body: ByteBuffer
    var options: APIOptions
    /// Drawn for this request, for when the client gives none.
    var seed: UInt64
    /// False on the event loop: what may take longer than a short body does throws ``APIError/needsThread``.
    var mayTakeLong = true
    /// The model that the request is copied to, whatever model it names; nil for the request itself.
    var shadow: ServedModel?

    /// The model that `model` names; the only one when there is one and none is named.
    func model(_ fields: FieldReader, promptField: String) throws(APIError) -> ServedModel {
        if let shadow { return shadow }
        let name = try fields.string("model")
        if name == nil, directory.models.count == 1, let only = directory.models.first { return only }
        guard name != nil || directory.models.isEmpty else { throw fields.missing("model") }
        return try model(name ?? "", promptField: promptField)
    }

    /// The model that answers to a name.
    func model(_ name: String, promptField: String) throws(APIError) -> ServedModel {
        if let shadow { return shadow }
        do { return try directory.model(name, for: body) } catch {
            throw ErrorTable.error(error, promptField: promptField, options: options)
        }
    }

    /// The same, of models that generate.
    func generator(_ fields: FieldReader, promptField: String) throws(APIError) -> ServedModel {
        let model = try model(fields, promptField: promptField)
        try Self.checkGenerates(model)
        return model
    }

    static func checkGenerates(_ model: ServedModel) throws(APIError) {
        guard let output = model.pooledOutput else { return }
        let other =
            switch output {
            case .vector: "makes vectors of texts and generates none: ask /v1/embeddings"
            case .score: "scores pairs of texts and generates none: ask /v1/score or /v1/rerank"
            }
        throw .invalid("model", code: "model_does_not_generate", "The model \"\(model.name)\" \(other).")
    }

    /// The same, of models that read whole texts.
    func reader(_ fields: FieldReader, promptField: String) throws(APIError) -> (ServedModel, PooledOutput) {
        let model = try model(fields, promptField: promptField)
        return (model, try Self.pooledOutput(of: model))
    }

    static func pooledOutput(of model: ServedModel) throws(APIError) -> PooledOutput {
        guard let output = model.pooledOutput else {
            throw .invalid(
                "model", code: "model_does_not_embed",
                "The model \"\(model.name)\" generates text and does not embed it.")
        }
        return output
    }
}
