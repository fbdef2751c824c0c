/// How many prompt tokens a step may compute beside sequences in decode, so that they do not wait long for their next
/// token. Learned from how long steps take; decides how prompts are cut, never what comes out.
struct PrefillPace {
    /// So many are always allowed: prompts must advance too, and fewer would waste what a step reads.
    static let tokenMin = 32
    /// Weight of the newest step.
    private static let gain = 0.1

    /// Seconds a step should take at most.
    let target: Double
    /// Of steps without prompts, and of each prompt token beside; 0 while nothing is known.
    private var decodeSeconds = 0.0
    private var tokenSeconds = 0.0

    init(target: Double) { self.target = target }

    var tokenMax: Int {
        guard tokenSeconds > 0 else { return .max }
        let count = (target - decodeSeconds) / tokenSeconds
        // Whole tiles: a few rows more or less cost a whole one.
        return count < Double(Self.tokenMin) ? Self.tokenMin : count < 1e6 ? Int(count) / 16 * 16 : .max
    }

    /// - Parameters:
    ///   - seconds: that the step took.
    ///   - promptTokenCount: of the tokens it computed; few of them say little.
    mutating func record(_ seconds: Double, tokenCount: Int, promptTokenCount: Int) {
        if promptTokenCount == 0 {
            decodeSeconds = Self.mean(decodeSeconds, seconds)
        } else if promptTokenCount >= Self.tokenMin {
            let own = tokenCount > promptTokenCount ? seconds - decodeSeconds : seconds
            tokenSeconds = Self.mean(tokenSeconds, max(0, own) / Double(promptTokenCount))
        }
    }

    private static func mean(_ before: Double, _ now: Double) -> Double {
        before == 0 ? now : before + gain * (now - before)
    }
}
