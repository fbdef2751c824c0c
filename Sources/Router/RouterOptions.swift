package import Scheduling

/// What the operator decides about a router.
package struct RouterOptions: Equatable, Sendable {
    /// Bounds of the queue and all that the scheduler goes by; each documented there.
    package var scheduling = SchedulingLimits()
    /// Milliseconds between looks at deadlines and silent workers. 50: a client that waits for a timeout cannot tell,
    /// and 20 looks a second cost nothing.
    package var tickMilliseconds = 50
    /// Ticks between updates of gauges; 5 are a quarter of a second, faster than anyone scrapes.
    package var gaugeTicks = 5
    /// Choices of one request, over all its prompts.
    package var choicesMax = 1024
    /// Texts of one request to be read as a whole, which hold no slot for longer than a step.
    package var textsMax = 4096

    /// So long requests wait for workers with their tokenizer to come back, while others with another one are there that
    /// would serve the model. A worker that is started again takes a second or two.
    package var listingPatienceSeconds = 10.0

    /// What counts as a good answer.
    package var objective = ServiceObjective()

    package init() {}
}

/// What a client may expect of an answer: a request that met both was served well. Source: the usual pair of objectives
/// for streamed answers, time to first token and time per output token.
package struct ServiceObjective: Equatable, Sendable {
    /// From submission to the first token.
    package var firstTokenSeconds = 2.0
    /// The mean time between tokens of the longest choice.
    package var tokenSeconds = 0.2

    package init() {}

    func isMet(firstTokenSeconds first: Double, tokenSeconds each: Double) -> Bool {
        first <= firstTokenSeconds && each <= tokenSeconds
    }
}
