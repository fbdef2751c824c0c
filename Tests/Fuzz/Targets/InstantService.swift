import Inference
import Serving
import Text

/// A service that answers every request with a few words, as soon as it is told to.
final class InstantService: GenerationService {
    let models = [FuzzModel.generator, FuzzModel.reader]
    let isReady = true
    private var waiting: [(GenerationRequest, any GenerationReceiver)] = []
    private var requestCount: UInt64 = 0

    func submit(
        _ request: GenerationRequest, receiver: any GenerationReceiver
    ) throws(ServeError) -> RequestID {
        waiting.append((request, receiver))
        requestCount += 1
        return RequestID(requestCount)
    }

    func isReady(_ model: String) -> Bool { true }
    func scalingSignals(of model: String) -> ScalingSignals? { ScalingSignals(isActive: true, desiredWorkers: 2) }
    func cancel(_ id: RequestID) {}

    /// Answers all that wait and forgets them.
    func answer() {
        let answered = waiting
        waiting = []
        for (request, receiver) in answered {
            if let pooling = request.pooling {
                for choice in pooling.indices {
                    receiver.generationProduced(.pooled(choice: choice, [0.5, -0.5, 0.25, 1]))
                    receiver.generationProduced(.choiceFinished(choice: choice, .length))
                }
            } else {
                for choice in 0..<request.prompts.count * request.choiceCount { say(choice, request, receiver) }
            }
            receiver.generationProduced(.finished(Usage(promptTokens: 3, completionTokens: 2, cachedTokens: 1)))
        }
    }

    private func say(_ choice: Int, _ request: GenerationRequest, _ receiver: any GenerationReceiver) {
        receiver.generationProduced(.admitted(choice: choice, numericsID: FuzzModel.numericsID))
        let logged = [72, 105].map { token in
            LoggedToken(chosen: .init(token: token, bytes: [UInt8(token)], logprob: -0.5), top: [])
        }
        receiver.generationProduced(
            .delta(
                choice: choice, text: "Hi", tokens: [72, 105],
                logprobs: request.sampling.logprobs == nil ? [] : logged))
        receiver.generationProduced(.choiceFinished(choice: choice, .stop(request.stopStrings.first)))
    }
}
