/// How many prompt tokens a step may compute beside sequences in decode, so that they do not wait long for their next
/// token: prompts get `share` of a step's time, and a step takes about `target` at most. Learned from how long steps
/// take; decides how prompts are cut, never what comes out.
struct PrefillPace {
    /// So many are always allowed: prompts must advance too. A few rows ride on weights that decode reads anyway.
    static let tokenMin = 1
    /// Weight of the newest step; of one with fewer prompt tokens than `tile`, as much less.
    private static let gain = 0.1
    private static let tile = 16

    /// Seconds a step should take at most.
    let target: Double
    /// Below 1.
    let share: Double
    /// Of steps without prompts, of the rows of one, and of each prompt token beside; 0 while nothing is known.
    private var decodeSeconds = 0.0
    private var decodeRows = 0.0
    private var tokenSeconds = 0.0

    init(target: Double, share: Double) {
        self.target = target
        self.share = min(max(share, 0), 0.99)
    }

    /// - Parameter resumes: of sequences that ran elsewhere before: their clients wait for the next token as those of
    ///   the ones in decode do, so they need not share.
    func tokenMax(besideDecodeRows rows: Int, resumes: Bool = false) -> Int {
        guard tokenSeconds > 0 else { return .max }
        let decode = seconds(decodeRows: rows)
        let room = decode > 0 && !resumes ? min(target - decode, decode * share / (1 - share)) : target - decode
        let count = room / tokenSeconds
        guard count >= Double(Self.tokenMin + 1) else { return Self.tokenMin }
        guard count < 1e6 else { return .max }
        // Whole tiles, where there are several: a few rows more cost a whole one.
        return count < Double(2 * Self.tile) ? Int(count) : Int(count) / Self.tile * Self.tile
    }

    /// - Parameters:
    ///   - seconds: that the step took.
    ///   - promptTokenCount: of the tokens it computed; few of them say little.
    mutating func record(_ seconds: Double, tokenCount: Int, promptTokenCount: Int) {
        let rows = tokenCount - promptTokenCount
        if promptTokenCount == 0 {
            guard rows > 0 else { return }
            decodeSeconds = Self.mean(decodeSeconds, seconds, Self.gain)
            decodeRows = Self.mean(decodeRows, Double(rows), Self.gain)
        } else {
            let own = max(0, seconds - self.seconds(decodeRows: rows)) / Double(promptTokenCount)
            let weight = min(1, Double(promptTokenCount) / Double(Self.tile))
            tokenSeconds = Self.mean(tokenSeconds, own, Self.gain * weight)
        }
    }

    /// In proportion to its rows: a batch may have grown since a step had no prompts beside it.
    private func seconds(decodeRows rows: Int) -> Double {
        rows > 0 && decodeRows > 0 ? decodeSeconds * Double(rows) / decodeRows : 0
    }

    private static func mean(_ before: Double, _ now: Double, _ gain: Double) -> Double {
        before == 0 ? now : before + gain * (now - before)
    }
}
