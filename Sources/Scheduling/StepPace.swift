import Inference

/// What a worker's last few steps were like, so that it can be compared with others.
///
/// A step costs something for itself, something for each row, and something for each token that rows read. So a step of
/// another size costs no more than in proportion to the one of these in which it is larger, and no less than a smaller
/// one. Means of steps obey the same law.
struct StepPace: Sendable {
    /// Each step counts for half of what is known: a worker that slows down tenfold stands out after two.
    private static let weight = 0.5
    /// Steps kept as they were: of a mix of prompts and decode, some of each.
    private static let recentCount = 8
    /// Those that ended so long before the last one say nothing: where all become slow, all of them are forgotten with the
    /// first slow step.
    private static let recentSeconds = 0.5

    /// One step, or the mean of some.
    struct Size: Sendable {
        var seconds = 0.0
        /// Rows computed, of prompts and of output.
        var tokens = 1.0
        /// Tokens in the pages that running sequences read.
        var context = 1.0

        /// Seconds that a step of `other`'s size would take at most, where this one took so long.
        func seconds(for other: Size) -> Double {
            seconds * max(1, other.tokens / tokens, other.context / context)
        }
    }

    private(set) var stepCount = 0
    private(set) var mean = Size()
    private(set) var lastStep: Instant?
    private var recent: [(size: Size, at: Instant)] = []

    mutating func stepTook(_ seconds: Double, tokens: Int, context: Int, at now: Instant) {
        let step = Size(seconds: seconds, tokens: Double(max(1, tokens)), context: Double(max(1, context)))
        let weight = stepCount == 0 ? 1 : Self.weight
        mean.seconds += weight * (step.seconds - mean.seconds)
        mean.tokens += weight * (step.tokens - mean.tokens)
        mean.context += weight * (step.context - mean.context)
        if recent.count < Self.recentCount {
            recent.append((step, now))
        } else {
            recent[stepCount % Self.recentCount] = (step, now)
        }
        stepCount += 1
        lastStep = now
    }

    /// The last steps, of half a second or one.
    var latest: [Size] {
        guard let lastStep else { return [] }
        return recent.filter { lastStep.seconds(since: $0.at) <= Self.recentSeconds }.map(\.size)
    }

    /// A step that has not ended yet, as if it ended now.
    /// - Parameters:
    ///   - tokens: rows that it may have, of prompts and of output.
    ///   - context: tokens that they may read.
    /// - Returns: nil while it is no longer than the mean: it says nothing yet.
    func waiting(_ waited: Double, tokens: Int, context: Int) -> Size? {
        guard waited > mean.seconds else { return nil }
        return Size(
            seconds: waited, tokens: max(mean.tokens, Double(tokens)), context: max(mean.context, Double(context)))
    }
}
