import Inference
import Logging
import Serving

/// One line for each request that ended: outcome, counts and timings, never text.
struct RequestLog {
    let logger: Logger

    func ended(_ request: OpenRequest, outcome: String, at now: Instant) {
        let usage = request.usage
        logger.info(
            "request ended",
            metadata: [
                "request": "\(request.id)", "model": "\(request.model.name)", "outcome": "\(outcome)",
                "choices": .stringConvertible(request.choices.count),
                "prompt_tokens": .stringConvertible(usage.promptTokens),
                "cached_tokens": .stringConvertible(usage.cachedTokens),
                "output_tokens": .stringConvertible(usage.completionTokens),
                "moves": .stringConvertible(request.moveCount),
                "queue_ms": milliseconds(from: request.submittedAt, to: request.admittedAt ?? now),
                "first_token_ms": milliseconds(from: request.submittedAt, to: request.firstTokenAt),
                "total_ms": milliseconds(from: request.submittedAt, to: now),
            ])
    }

    private func milliseconds(from start: Instant, to end: Instant?) -> Logger.MetadataValue {
        guard let end else { return "-" }
        return .stringConvertible(Int((end.seconds(since: start) * 1000).rounded()))
    }
}
