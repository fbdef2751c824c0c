/// Why a request got no (further) answer. Crosses the floors between router and API; each dialect has its own
/// words and status for it, in one exhaustive switch.
package enum ServeError: Error, Equatable, Sendable {
    /// The client's mistake; `parameter` names the field, `message` is a full sentence with the limit in it.
    case invalidRequest(message: String, parameter: String?)
    case modelNotFound(String)
    /// Prompt, or prompt and output, exceed the model's context.
    case contextExceeded(promptTokens: Int, maxTokens: Int?, contextLength: Int)
    /// The queue is full, or a share of it: try again after so many seconds.
    case queueFull(limit: Int, of: QueueMeasure = .requests, share: QueueShare = .all, retryAfterSeconds: Int)
    /// The queue moves so slowly that the request would wait longer than it may: try again after so many seconds.
    case queueSlow(expectedSeconds: Double, limitSeconds: Double, retryAfterSeconds: Int)
    /// The request waited longer than it may.
    case timedOut(afterSeconds: Double)
    /// No worker serves the model now.
    case unavailable(String)
    case shuttingDown
    /// Ours: a worker failed in a way that moving the request did not cure.
    case internalFailure(String)
}

/// What part of a queue is full.
package enum QueueShare: CaseIterable, Sendable {
    case all
    /// What one tenant may have of it while others are about.
    case tenant
    /// What requests for one model may have of it while there are other models.
    case model
}

/// In what a queue is bounded.
package enum QueueMeasure: String, CaseIterable, Sendable {
    case requests
    /// Of prompts.
    case tokens
    /// Held for what waits.
    case bytes
}
