/// How many prompt tokens a step may compute beside sequences in decode, so that they do not wait long for their next
/// token: prompts get `share` of a step's time, and a step takes about `target` at most. Where decode alone takes that long,
/// as with a large model, they get a quarter all the same. Learned from how long steps take; decides how prompts are cut,
/// never what comes out.
///
/// What decode takes shows in steps without prompts alone. Under load none comes by itself, so now and then one is made.
struct PrefillPace {
    /// So many are always allowed, but for steps that are to tell what decode takes: prompts must advance too.
    static let tokenMin = 1
    /// Of what decode takes, so much is allowed whatever the target.
    private static let overTarget = 1.0 / 3
    private static let tile = 16
    /// Steps with prompts beside others between two that have none.
    static let mixedStepMax = 32
    /// How much larger than any that was seen a batch may be without being looked at.
    private static let growth = 2

    /// Seconds a step should take at most.
    let target: Double
    /// Below 1.
    let share: Double
    private var cost = LearnedStepCost()
    private var mixedSteps = 0
    /// Of the step without prompts that was seen last; 0 while none was.
    private var seenRows = 0

    init(target: Double, share: Double) {
        self.target = target
        self.share = min(max(share, 0), 0.99)
    }

    /// - Parameters:
    ///   - prompts: how many wait to be computed, the first included. Those behind it count as if they ran: what they
    ///     will cost the running ones then, they may cost now. Without this a full queue would be let in one by one,
    ///     each when those before have nearly ended, and batches would stay small.
    ///   - resumes: of sequences that ran elsewhere before: their clients wait for the next token as those of the ones
    ///     in decode do, so they may have all that the target leaves, and their share whatever the target.
    /// - Returns: 0 where this step is to have no prompts; never twice in a row.
    func tokenMax(besideDecodeRows rows: Int, prompts: Int = 1, resumes: Bool = false) -> Int {
        guard mixedSteps < Self.mixedStepMax, rows <= Self.growth * seenRows else { return 0 }
        guard let tokenSeconds = cost.tokenSeconds else { return .max }
        let decode = cost.seconds(decodeRows: rows)
        let full = cost.seconds(decodeRows: rows + max(0, prompts - 1))
        let shared = full * share / (1 - share)
        let spare = target - decode
        let room = resumes ? max(spare, shared) : decode > 0 ? min(max(spare, decode * Self.overTarget), shared) : spare
        let count = room / tokenSeconds
        guard count >= Double(Self.tokenMin + 1) else { return Self.tokenMin }
        guard count < 1e6 else { return .max }
        // Whole tiles, where there are several: a few rows more cost a whole one.
        return count < Double(2 * Self.tile) ? Int(count) : Int(count) / Self.tile * Self.tile
    }

    /// - Parameters:
    ///   - seconds: that the step took.
    ///   - promptTokenCount: of the tokens it computed.
    mutating func record(_ seconds: Double, tokenCount: Int, promptTokenCount: Int) {
        let rows = tokenCount - promptTokenCount
        cost.learn(seconds, decodeRows: rows, promptTokens: promptTokenCount)
        if promptTokenCount == 0 {
            (mixedSteps, seenRows) = (0, rows)
        } else if rows > 0 {
            mixedSteps += 1
        }
    }
}
