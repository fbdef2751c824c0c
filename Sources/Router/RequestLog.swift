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
                "choices": "\(request.choices.count)", "prompt_tokens": "\(usage.promptTokens)",
                "cached_tokens": "\(usage.cachedTokens)", "output_tokens": "\(usage.completionTokens)",
                "moves": "\(request.moveCount)",
                "queue_ms": milliseconds(from: request.submittedAt, to: request.admittedAt ?? now),
                "first_token_ms": milliseconds(from: request.submittedAt, to: request.firstTokenAt),
                "total_ms": milliseconds(from: request.submittedAt, to: now),
            ])
    }

    private func milliseconds(from start: Instant, to end: Instant?) -> Logger.MetadataValue {
        guard let end else { return "-" }
        return "\(Int64((end.seconds(since: start) * 1000).rounded()))"
    }
}
