import Inference
import Scheduling
import Testing

/// Workers of one model that have more and fewer pages.
@Suite struct WorkerSizesTests {
    @Test func `what would outgrow a small worker goes to the large one`() throws {
        var scheduler = ClusterScheduler.with([.small(slots: 8, pages: 10), .small(slots: 1, pages: 100)])
        let long = try scheduler.requestSubmitted(.plain(2, tokens: 120, max: 200), now: .at(0))
        let next = try scheduler.requestSubmitted(.plain(3, tokens: 120, max: 200), now: .at(0))
        let short = try scheduler.requestSubmitted(.plain(1, tokens: 8, max: 8), now: .at(0))

        #expect(short.admissions.first?.worker == 1)
        let sequence = try #require(long.admissions.first?.sequence)
        #expect(long.admissions.first?.worker == 2)
        #expect(next.admissions.isEmpty, "it waits for the large worker, and does not fail on the small one")

        let done = scheduler.report(
            2, [StepEntry(sequence: sequence, tokens: [1], finish: .stop)],
            load: WorkerLoad(freeSlots: 1, freePages: 100, runningSequences: 0, waitingPrefillTokens: 0), at: 1)
        #expect(done.actions.admissions.first?.worker == 2)
        #expect(scheduler.invariantViolation() == nil)
    }

    @Test func `the small worker takes what it can when the large one is gone`() throws {
        var scheduler = ClusterScheduler.with([.small(pages: 10), .small(pages: 100)])
        _ = scheduler.workerLost(WorkerID(2), now: .at(0))

        let actions = try scheduler.requestSubmitted(.plain(1, tokens: 120, max: 200), now: .at(0))

        #expect(actions.admissions.first?.worker == 1)
    }

    @Test func `what fits no worker any more is not kept waiting`() throws {
        var scheduler = ClusterScheduler.with([.small(slots: 1, pages: 100)])
        _ = try scheduler.requestSubmitted(.plain(1), now: .at(0))
        _ = try scheduler.requestSubmitted(.plain(2, tokens: 500), now: .at(0))
        _ = scheduler.workerLost(WorkerID(1), now: .at(0))

        let first = scheduler.workerWelcomed(WorkerID(2), .small(pages: 10), now: .at(1))
        #expect(first.admissions.map(\.request) == [1])
        let sequence = try #require(first.admissions.first?.sequence)
        let then = scheduler.report(
            2, [StepEntry(sequence: sequence, tokens: [1], finish: .stop)],
            load: WorkerLoad(freeSlots: 1, freePages: 10, runningSequences: 0, waitingPrefillTokens: 0), at: 1)

        #expect(then.actions.admissions.map(\.request) == [2], "the worker itself will say why it cannot")
    }
}
