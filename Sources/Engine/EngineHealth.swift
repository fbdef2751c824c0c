package import Inference
import Models
import Synchronization

/// What an engine has done lately. An engine that runs sequences and makes no progress is not well.
package struct EngineProgress: Equatable, Sendable {
    package var stepCount: UInt64
    package var runningCount: Int
    /// End of the last step, or when sequences came to an idle engine.
    package var lastProgress: Instant
    /// Pieces of work done, of steps and between them.
    package var beatCount: UInt64

    package init(stepCount: UInt64, runningCount: Int, lastProgress: Instant, beatCount: UInt64 = 0) {
        self.stepCount = stepCount
        self.runningCount = runningCount
        self.lastProgress = lastProgress
        self.beatCount = beatCount
    }

    /// How long the engine has owed a step; 0 when it owes none.
    package func stalledSeconds(at now: Instant) -> Double {
        runningCount > 0 ? max(0, now.seconds(since: lastProgress)) : 0
    }
}

/// Forward progress, written by the engine's thread, read by any. The fields are read one by one: a reader may see a
/// step's count before its time, never a time that goes back.
final class EngineHealth: Sendable {
    private let stepCount = Atomic<UInt64>(0)
    private let runningCount = Atomic<Int>(0)
    private let progressNanoseconds: Atomic<Int64>
    private let pulse: Pulse

    init(now: Instant, pulse: Pulse) {
        progressNanoseconds = Atomic(now.nanoseconds)
        self.pulse = pulse
    }

    func sequencesCame(_ count: Int, now: Instant) {
        progressNanoseconds.store(now.nanoseconds, ordering: .releasing)
        runningCount.store(count, ordering: .releasing)
    }

    func stepEnded(stepCount steps: UInt64, runningCount running: Int, now: Instant) {
        progressNanoseconds.store(now.nanoseconds, ordering: .releasing)
        stepCount.store(steps, ordering: .releasing)
        runningCount.store(running, ordering: .releasing)
    }

    func read() -> EngineProgress {
        EngineProgress(
            stepCount: stepCount.load(ordering: .acquiring), runningCount: runningCount.load(ordering: .acquiring),
            lastProgress: Instant(nanoseconds: progressNanoseconds.load(ordering: .acquiring)),
            beatCount: pulse.beatCount)
    }
}
