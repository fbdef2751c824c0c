import Models

/// Says when routers are to be told that a long step is underway and moves: nothing else comes from a worker until it
/// ends, and from outside it looks like one that hangs. Pure; asked every ``lookSeconds``.
package struct StepSigns {
    /// A router of a worker that computes hears something at least so often. What waits for less is not missed by a
    /// router that takes silence for a sign after half a second.
    package static let seconds = 0.2
    /// Twice in that time: what happened just after one look is told at the next but one.
    package static let lookSeconds = 0.1

    /// What routers may count on; nil where nobody can see whether a step moves.
    static func seconds(of runtime: any ModelRuntime) -> Double? { runtime.pulse == nil ? nil : seconds }

    private var seen: EngineProgress?

    package init() {}

    /// - Returns: whether to tell: the step of the last look goes on, and something of it was done since.
    package mutating func look(_ progress: EngineProgress) -> Bool {
        defer { seen = progress }
        guard let seen, progress.runningCount > 0 else { return false }
        return progress.stepCount == seen.stepCount && progress.beatCount != seen.beatCount
    }
}
