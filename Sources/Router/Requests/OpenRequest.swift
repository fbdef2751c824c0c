import Inference
import Serving

/// A request that has not ended, and what will be said about it when it has.
final class OpenRequest {
    let id: RequestID
    let request: GenerationRequest
    let model: ServedModel
    let series: ModelMetrics
    /// nil where nobody says who asks, and for copies.
    let tenant: TenantSeries?
    let receiver: any GenerationReceiver
    let submittedAt: Instant
    var choices: [ChoiceJournal]
    var admittedAt: Instant?
    var firstTokenAt: Instant?
    var lastTokenAt: Instant?
    /// Prompt tokens found in a worker's cache when the prompt's first choice was admitted.
    var cachedTokens: [Int?]
    /// How often a choice went on on another worker.
    var moveCount = 0
    /// nil where nobody traces it.
    var spans: RequestSpans?
    /// The client has had enough, or has heard the last event: nothing is said any more.
    var isSilent = false

    init(
        id: RequestID, _ request: GenerationRequest, model: ServedModel, series: ModelMetrics, tenant: TenantSeries?,
        receiver: any GenerationReceiver, submittedAt: Instant
    ) {
        self.id = id
        self.request = request
        self.model = model
        self.series = series
        self.tenant = tenant
        self.receiver = receiver
        self.submittedAt = submittedAt
        choices = []
        choices.reserveCapacity(request.prompts.count * request.choiceCount)
        for choice in 0..<request.prompts.count * request.choiceCount {
            choices.append(ChoiceJournal(choice: choice, of: request, model.tokenizer))
        }
        // Not `Array(repeating:count:)`, which is not specialized and takes several times as long.
        cachedTokens = request.prompts.map { _ in nil }
    }

    var isFinished: Bool { choices.allSatisfy { $0.finish != nil } }

    var usage: Usage {
        Usage(
            promptTokens: request.prompts.reduce(0) { $0 + $1.count },
            completionTokens: choices.reduce(0) { $0 + $1.output.count },
            cachedTokens: cachedTokens.reduce(0) { $0 + ($1 ?? 0) })
    }
}
