/// What a step of a size takes, learned from steps that several workers made lately: so much for itself, for each row, and
/// for each token that rows read.
///
/// Shape: least squares of errors relative to each step. No part of the cost is below 0.
/// Cost: O(steps).
struct StepCostFit: Sendable {
    private var parts = (fixed: 0.0, row: 0.0, context: 0.0)
    /// The largest and the smallest that was seen.
    private var most = (tokens: 0.0, context: 0.0)
    private var least = (tokens: Double.infinity, context: Double.infinity)

    /// - Returns: nil of too few steps.
    init?(_ steps: [StepPace.Size]) {
        guard steps.count >= 4 else { return nil }
        // Sums of the normal equations, in which each step is divided by what it took.
        var (ones, rows, contexts) = (0.0, 0.0, 0.0)
        var (onesRows, onesContexts, rowsContexts) = (0.0, 0.0, 0.0)
        var (one, row, context) = (0.0, 0.0, 0.0)
        for step in steps where step.seconds > 0 {
            let weight = 1 / (step.seconds * step.seconds)
            ones += weight
            rows += weight * step.tokens * step.tokens
            contexts += weight * step.context * step.context
            onesRows += weight * step.tokens
            onesContexts += weight * step.context
            rowsContexts += weight * step.tokens * step.context
            one += weight * step.seconds
            row += weight * step.seconds * step.tokens
            context += weight * step.seconds * step.context
            most = (max(most.tokens, step.tokens), max(most.context, step.context))
            least = (min(least.tokens, step.tokens), min(least.context, step.context))
        }
        guard ones > 0 else { return nil }
        // Coordinates in turn, each as good as it can be with the others and not below 0: few rounds are enough for three.
        parts.fixed = one / ones
        for _ in 0..<60 {
            parts.row = max(0, row - onesRows * parts.fixed - rowsContexts * parts.context) / rows
            parts.context = max(0, context - onesContexts * parts.fixed - rowsContexts * parts.row) / contexts
            parts.fixed = max(0, one - onesRows * parts.row - onesContexts * parts.context) / ones
        }
    }

    /// Whether there was a step with as many rows, and one with as much context.
    func hasSeen(_ size: StepPace.Size) -> Bool { size.tokens <= most.tokens && size.context <= most.context }

    /// A step that is smaller than all that were seen takes no less than one of their smallest size.
    func seconds(for size: StepPace.Size) -> Double {
        parts.fixed + parts.row * max(size.tokens, least.tokens)
            + parts.context * max(size.context, least.context)
    }
}
