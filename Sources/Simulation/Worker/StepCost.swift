/// How long a worker's step takes.
///
///     fixed + decode rows * each + prompt tokens * each + (row, token before it) pairs * each
///
/// The constants are those of one worker with two threads of the machine in Docs/benchmarks.md; Docs/scheduling.md says
/// how they were fitted.
package struct StepCost: Equatable, Sendable {
    package var fixedSeconds: Double
    package var decodeRowSeconds: Double
    package var promptTokenSeconds: Double
    /// For each row and each token that it attends to.
    package var attentionSeconds: Double

    package init(
        fixedSeconds: Double, decodeRowSeconds: Double, promptTokenSeconds: Double, attentionSeconds: Double
    ) {
        self.fixedSeconds = fixedSeconds
        self.decodeRowSeconds = decodeRowSeconds
        self.promptTokenSeconds = promptTokenSeconds
        self.attentionSeconds = attentionSeconds
    }

    /// SmolLM2-135M, Q4_1.
    package static let measured = StepCost(
        fixedSeconds: 1.5e-3, decodeRowSeconds: 5.5e-4, promptTokenSeconds: 3.6e-4, attentionSeconds: 2.5e-7)

    static func *= (cost: inout StepCost, factor: Double) {
        cost.fixedSeconds *= factor
        cost.decodeRowSeconds *= factor
        cost.promptTokenSeconds *= factor
        cost.attentionSeconds *= factor
    }

    func seconds(decodeRows: Int, promptTokens: Int, attendedPairs: Int) -> Double {
        fixedSeconds + Double(decodeRows) * decodeRowSeconds + Double(promptTokens) * promptTokenSeconds
            + Double(attendedPairs) * attentionSeconds
    }

    /// Prompt tokens that fit beside decode rows into their share of a step of `target` seconds at most, as the engine
    /// learns to cut them; prompts behind the first count as rows for that.
    func promptTokenMax(
        besideDecodeRows rows: Int, prompts: Int, target: Double, share: Double, resumes: Bool
    ) -> Int {
        let decodeSeconds = fixedSeconds + Double(rows) * decodeRowSeconds
        let full = decodeSeconds + Double(max(0, prompts - 1)) * decodeRowSeconds
        let (spare, shared) = (target - decodeSeconds, full * share / (1 - share))
        let room = resumes ? max(spare, shared) : min(max(spare, decodeSeconds / 3), shared)
        let count = room / promptTokenSeconds
        return count < 2 ? 1 : count < 32 ? Int(count) : count < 1e6 ? Int(count) / 16 * 16 : .max
    }
}
