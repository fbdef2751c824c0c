import Inference
import Testing

@testable import Engine

@Suite struct StepSignsTests {
    /// Steps, sequences and beats at the look before and at this one.
    @Test(
        "who waits for a long step is told that it moves",
        arguments: [
            ((4, 1, 10), (4, 1, 11), true),
            // It hangs.
            ((4, 1, 10), (4, 1, 10), false),
            // Its end was told.
            ((4, 1, 10), (5, 1, 30), false),
            // Nothing runs.
            ((4, 0, 10), (4, 0, 11), false),
            // Sequences have just come.
            ((4, 0, 10), (4, 2, 11), true),
        ] as [((UInt64, Int, UInt64), (UInt64, Int, UInt64), Bool)])
    func signs(before: (UInt64, Int, UInt64), now: (UInt64, Int, UInt64), isTold: Bool) {
        var signs = StepSigns()
        func progress(_ figures: (steps: UInt64, running: Int, beats: UInt64)) -> EngineProgress {
            EngineProgress(
                stepCount: figures.steps, runningCount: figures.running, lastProgress: Instant(nanoseconds: 0),
                beatCount: figures.beats)
        }

        let first = signs.look(progress(before))
        let second = signs.look(progress(now))

        #expect(!first && second == isTold)
    }
}
