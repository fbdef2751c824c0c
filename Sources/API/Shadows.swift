import HTTP
import Inference
import NIOCore
import Serving
import Telemetry

/// A model that gets copies of another one's requests, to be watched under them before it answers any.
package struct ModelShadow: Equatable, Sendable {
    /// Whose requests are copied, under the name of the model itself.
    package var model: String
    package var shadow: String
    /// Of 100 requests so many are copied.
    package var percent: Int

    package init(model: String, shadow: String, percent: Int) {
        self.model = model
        self.shadow = shadow
        self.percent = percent
    }
}

/// How a request can be made once more, for another model: with that one's tokenizer and template.
struct RequestSource: Sendable {
    var body: ByteBuffer
    var make: @Sendable (Preparation) throws(APIError) -> GenerationRequest?
}

/// What was read from a body and asks the service for something.
protocol PreparedRequest: Sendable {
    /// nil where nothing is asked.
    var serviceRequest: GenerationRequest? { get }
}

extension PreparedGeneration: PreparedRequest {
    var serviceRequest: GenerationRequest? { request }
}

/// The operator's shadows, with counters for each.
struct ShadowTable {
    /// What becomes of a copy.
    enum Outcome: String, CaseIterable {
        case completed
        /// There was no room for it, or others had to wait.
        case dropped
        /// The shadow's own limits, template or tokens do not allow it.
        case refused
        case failed
    }

    struct Shadow {
        var name: String
        var percent: UInt64
        fileprivate var counters: [Outcome: Counter]

        func count(_ outcome: Outcome) { counters[outcome]?.add() }
    }

    /// Copies being read at once: beyond it they are dropped, so that clients' bodies find threads.
    fileprivate static let preparationCountMax = 4

    fileprivate var shadows: [String: [Shadow]] = [:]
    fileprivate var preparationCount = 0

    var isEmpty: Bool { shadows.isEmpty }

    init(_ shadows: [ModelShadow], _ metrics: MetricRegistry) {
        for shadow in shadows {
            let counters = Outcome.allCases.map { outcome in
                (outcome, metrics.counter(.shadowRequests, labels: [shadow.model, shadow.shadow, outcome.rawValue]))
            }
            self.shadows[shadow.model, default: []].append(
                Shadow(
                    name: shadow.shadow, percent: UInt64(max(0, shadow.percent)),
                    counters: Dictionary(uniqueKeysWithValues: counters)))
        }
    }
}

extension APICore {
    /// How a request that was read can be made again; nil where nothing is copied.
    func source<Prepared>(
        of body: ByteBuffer, _ work: @escaping @Sendable (Preparation) throws(APIError) -> Prepared
    ) -> RequestSource? {
        guard !shadows.isEmpty else { return nil }
        return RequestSource(body: body) { (preparation) throws(APIError) in
            (try work(preparation) as? any PreparedRequest)?.serviceRequest
        }
    }

    /// Copies a request that the service has accepted to the shadows of its model, as often as the operator says. Read on
    /// another thread, and asked of the service on a later turn of the loop: the client's own request does not wait for it.
    /// - Parameters:
    ///   - accepted: in its caller's name.
    ///   - source: nil where it cannot be made again, as when a stream is gone on with.
    func copy(_ accepted: GenerationRequest, _ source: RequestSource?, on loop: any EventLoop) {
        guard let source, accepted.numericsID == nil else { return }
        for shadow in shadows.shadows[accepted.model] ?? [] where surroundings.randomWord() % 100 < shadow.percent {
            guard let model = service.models.first(where: { $0.name == shadow.name }), service.isReady(shadow.name),
                shadows.preparationCount < ShadowTable.preparationCountMax
            else {
                shadow.count(.dropped)
                continue
            }
            var preparation = Preparation(
                directory: directory, body: source.body, options: options, seed: accepted.sampling.seed)
            preparation.shadow = model
            shadows.preparationCount += 1
            let done = NIOLoopBound(
                { (copy: GenerationRequest?) in
                    self.shadows.preparationCount -= 1
                    self.submitCopy(copy, of: accepted, to: shadow)
                }, eventLoop: loop)
            offload { [preparation] in
                let copy = try? source.make(preparation)
                loop.execute { done.value(copy) }
            }
        }
    }

    private func submitCopy(
        _ copy: GenerationRequest?, of accepted: GenerationRequest, to shadow: ShadowTable.Shadow
    ) {
        guard var copy else { return shadow.count(.refused) }
        copy.isCopy = true
        copy.priority = Int(Int32.min)
        copy.tenant = accepted.tenant
        copy.salt = accepted.salt
        do throws(ServeError) {
            _ = try service.submit(copy, receiver: CopyReceiver(shadow))
        } catch {
            shadow.count(ShadowTable.Outcome(error))
        }
    }
}

extension ShadowTable.Outcome {
    fileprivate init(_ error: ServeError) {
        self =
            switch error {
            case .invalidRequest, .contextExceeded: .refused
            case .modelNotFound, .queueFull, .queueSlow, .timedOut, .unavailable, .shuttingDown: .dropped
            case .internalFailure: .failed
            }
    }
}

/// Counts how a copy ends; what it says is nobody's to hear.
private final class CopyReceiver: GenerationReceiver {
    private let shadow: ShadowTable.Shadow

    init(_ shadow: ShadowTable.Shadow) { self.shadow = shadow }

    func generationProduced(_ event: GenerationEvent) {
        switch event {
        case .admitted, .delta, .promptLogprobs, .pooled, .choiceFinished: break
        case .finished: shadow.count(.completed)
        case .failed(let error): shadow.count(ShadowTable.Outcome(error))
        }
    }
}
