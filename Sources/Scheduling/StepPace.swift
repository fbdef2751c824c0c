import Inference

/// What a worker's last few steps were like, so that it can be compared with others.
struct StepPace: Sendable {
    /// Each step counts for half of what is known: a worker that slows down tenfold stands out after two.
    private static let weight = 0.5

    private(set) var stepCount = 0
    private(set) var seconds = 0.0
    /// Rows computed, of prompts and of output.
    private(set) var tokens = 1.0
    /// Tokens in the pages that running sequences read.
    private(set) var context = 1.0
    private(set) var lastStep: Instant?

    mutating func stepTook(_ seconds: Double, tokens: Int, context: Int, at now: Instant) {
        let weight = stepCount == 0 ? 1 : Self.weight
        self.seconds += weight * (seconds - self.seconds)
        self.tokens += weight * (Double(max(1, tokens)) - self.tokens)
        self.context += weight * (Double(max(1, context)) - self.context)
        stepCount += 1
        lastStep = now
    }

    /// Seconds that a step of `other`'s size would take here at most: a larger one costs no more than in proportion to
    /// its rows and to its context, a smaller one no more than ours.
    func seconds(forStepsOf other: StepPace) -> Double {
        seconds * max(1, other.tokens / tokens) * max(1, other.context / context)
    }

    /// As if a step that has not ended yet had taken so long, with as many rows as a step may have.
    func waiting(_ waited: Double, tokens most: Int?) -> StepPace {
        guard waited > seconds else { return self }
        var pace = self
        pace.seconds = waited
        if let most { pace.tokens = max(tokens, Double(most)) }
        return pace
    }
}
