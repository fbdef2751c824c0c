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
    private(set) var scalingLookCount = 0
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

    func scalingSignals(of model: String) -> ScalingSignals? {
        scalingLookCount += 1
        return scaling[model]
    }

    func cancel(_ id: RequestID) { cancelled.append(id) }

    var lastReceiver: (any GenerationReceiver)? { receivers.last }
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

extension ScriptedService {
    /// Answers a request: each choice says the same; each piece is a token, with a log-probability and an alternative
    /// where they are wanted. What is read as a whole becomes a vector of two numbers.
    func say(_ pieces: [String], to request: Int) {
        guard submitted.indices.contains(request) else { return }
        let asked = submitted[request]
        var spoken = 0
        for choice in 0..<asked.prompts.count * asked.choiceCount {
            produce(to: request, .admitted(choice: choice, numericsID: "0123456789abcdef"))
            guard asked.pooling == nil else {
                produce(to: request, .pooled(choice: choice, [Float(choice) + 0.5, -0.25]))
                continue
            }
            for text in pieces {
                let logprobs = asked.sampling.logprobs == nil ? [] : [logged(text, -0.5, (text, -0.5), ("x", -2))]
                produce(
                    to: request,
                    .delta(choice: choice, text: text, tokens: [TokenID(text.utf8.first ?? 0)], logprobs: logprobs))
                spoken += 1
            }
            produce(to: request, .choiceFinished(choice: choice, .stop(nil)))
        }
        let promptTokens = asked.prompts.reduce(0) { $0 + $1.count }
        produce(
            to: request,
            .finished(Usage(promptTokens: promptTokens, completionTokens: spoken, cachedTokens: 0)))
    }

    /// Answers the latest request, if there is one.
    func say(_ pieces: [String]) { say(pieces, to: submitted.count - 1) }
}

extension ServedModel {
    /// What a recorded exchange calls a model: `tools`, `infill`, `vectors` or `scores`.
    static func recorded(_ kind: String?) -> ServedModel {
        switch kind {
        case "vectors": .tiny(pooledOutput: .vector(size: 2))
        case "scores": .tiny(pooledOutput: .score)
        default: .tiny(hasTools: kind == "tools", fillsIn: kind == "infill")
        }
    }
}
