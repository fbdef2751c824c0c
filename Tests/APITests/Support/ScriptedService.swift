import Inference
import Serving

/// A service that does as the test says: records what it is asked, and produces events when told.
final class ScriptedService: GenerationService {
    var models: [ServedModel]
    var isReady = true
    /// Models whose workers are away.
    var unreadyModels: Set<String> = []
    /// By model.
    var scaling: [String: ScalingSignals] = [:]
    /// Thrown by the next submissions.
    var refusal: ServeError?
    private(set) var submitted: [GenerationRequest] = []
    private(set) var cancelled: [RequestID] = []
    private var receivers: [any GenerationReceiver] = []

    init(models: [ServedModel]) { self.models = models }

    func submit(
        _ request: GenerationRequest, receiver: any GenerationReceiver
    ) throws(ServeError) -> RequestID {
        if let refusal { throw refusal }
        submitted.append(request)
        receivers.append(receiver)
        return RequestID(UInt64(submitted.count))
    }

    func isReady(_ model: String) -> Bool {
        isReady && models.contains { $0.name == model } && !unreadyModels.contains(model)
    }

    func scalingSignals(of model: String) -> ScalingSignals? { scaling[model] }

    func cancel(_ id: RequestID) { cancelled.append(id) }

    func forgetReceivers() { receivers = [] }

    /// To one request, counted from 0.
    func produce(to request: Int, _ events: GenerationEvent...) {
        guard receivers.indices.contains(request) else { return }
        for event in events { receivers[request].generationProduced(event) }
    }

    /// To the latest request.
    func produce(_ events: GenerationEvent...) {
        for event in events { receivers.last?.generationProduced(event) }
    }
}
