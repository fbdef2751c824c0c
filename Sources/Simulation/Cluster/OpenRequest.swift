import Inference
import Scheduling

/// A request that has not ended, as the simulated router keeps it.
struct OpenRequest: Sendable {
    let spec: RequestSpec
    let client: Int
    let router: Int
    let submittedAt: Instant
    let isPoison: Bool
    let isProbe: Bool
    var choices: [SimulatedJournal]
    /// Since when none of its choices runs.
    var idleSince: Instant?

    var isFinished: Bool { choices.allSatisfy(\.isFinished) }
}

/// One choice: what would be needed to go on with it elsewhere, and what must come.
struct SimulatedJournal: Sendable {
    let prompt: [TokenID]
    let sampling: SamplingParameters
    /// Output tokens after which the router finds a stop string.
    let stopAfter: Int?
    var output: [TokenID] = []
    var isFinished = false
    var hasRun = false
    /// Where it runs.
    var sequence: SequenceID?
    var worker: WorkerID?
    var admittedAt: Instant?
    /// Times it was taken off a lost or stalled worker with no token in between, by the simulation's own count.
    var faultCount = 0
    /// Since when others behind it were admitted before it.
    var passedSince: Instant?

    /// The token that must come next.
    var nextToken: TokenID {
        SimulatedModel.token(
            sampling, at: prompt.count + output.count, after: output.last ?? prompt.last ?? 0,
            outputCount: output.count)
    }

    func admission(as id: SequenceID, priority: Int, salt: UInt64) -> AdmittedSequence {
        AdmittedSequence(
            id: id, tokens: prompt + output, promptTokenCount: prompt.count, sampling: sampling, priority: priority,
            salt: salt, resumes: admittedAt != nil)
    }
}
