import Inference
import Testing

@testable import Scheduling

/// A worker is kept for a choice that has waited long at the head: others may not keep the choice from it, nor the choice
/// those from it that go before.
@Suite struct ReservationTests {
    /// A request of one of 20 pages runs, and the worker is kept for another one, of all of them.
    private static func scheduler() throws -> (ClusterScheduler, running: SequenceID) {
        var limits = SchedulingLimits()
        limits.headPatienceSeconds = 1
        var scheduler = ClusterScheduler.with([.small(slots: 32, pages: 20)], limits: limits)
        let first = try scheduler.requestSubmitted(.plain(1), now: .at(0)).admissions.first
        _ = try scheduler.requestSubmitted(.plain(2, tokens: 310), now: .at(0))
        #expect(scheduler.report(1, [], load: load(19), at: 1.5).actions.isEmpty)
        #expect(try scheduler.requestSubmitted(.plain(3), now: .at(1.6)).isEmpty)
        return (scheduler, try #require(first).sequence)
    }

    private static func load(_ freePages: Int) -> WorkerLoad {
        WorkerLoad(
            freeSlots: freePages == 20 ? 32 : 31, freePages: freePages, runningSequences: freePages == 20 ? 0 : 1,
            waitingPrefillTokens: 0)
    }

    @Test func `more urgent requests go where a worker is kept for another`() throws {
        var (scheduler, _) = try Self.scheduler()

        let urgent = try (10..<22 as Range<UInt64>).flatMap {
            try scheduler.requestSubmitted(.plain($0, priority: 1), now: .at(1.7)).admissions.map(\.request)
        }

        #expect(urgent == Array(10..<22))
        #expect(scheduler.waitingCount("m") == 2)
        // As long as such come it is of no use that others are kept away.
        #expect(scheduler.report(1, [], load: Self.load(7), at: 1.8).actions.admissions.map(\.request) == [3])
        #expect(scheduler.report(1, [], load: Self.load(6), at: 2.8).actions.isEmpty)
        #expect(try scheduler.requestSubmitted(.plain(4), now: .at(2.9)).isEmpty, "it is kept again")
        #expect(scheduler.invariantViolation() == nil)
    }

    @Test func `a choice that others have come before gets the worker that is kept for it`() throws {
        var (scheduler, running) = try Self.scheduler()
        for id in 10..<30 as Range<UInt64> {
            var spec = RequestSpec.plain(id)
            spec.tenant = "\(id)"
            #expect(try scheduler.requestSubmitted(spec, now: .at(1.7)).isEmpty)
        }

        // Its tenant is charged for the answer that ends: all the others go first.
        let end = StepEntry(sequence: running, tokens: [1, 2, 3], finish: .stop)
        let admitted = scheduler.report(1, [end], load: Self.load(20), at: 2).actions.admissions.map(\.request)

        #expect(admitted.first == 2)
        #expect(scheduler.invariantViolation() == nil)
    }

    @Test func `no worker is kept for a choice that has a roomier one to go to`() throws {
        var limits = SchedulingLimits()
        limits.headPatienceSeconds = 1
        var scheduler = ClusterScheduler.with([.small(pages: 32)], limits: limits)
        _ = try scheduler.requestSubmitted(.plain(1), now: .at(0))
        // With the answer that is expected it is too long even for all the pages there are.
        _ = try scheduler.requestSubmitted(.plain(2, tokens: 300, max: 1000), now: .at(0))
        let load = WorkerLoad(freeSlots: 3, freePages: 31, runningSequences: 1, waitingPrefillTokens: 0)
        #expect(scheduler.report(1, [], load: load, at: 1.5).actions.isEmpty)
        #expect(try scheduler.requestSubmitted(.plain(3), now: .at(1.6)).isEmpty)

        // It has no slots for this router yet.
        let roomier = scheduler.workerWelcomed(WorkerID(2), .small(slots: 0, pages: 100), now: .at(1.7))

        #expect(roomier.admissions.map(\.request) == [3])
        #expect(roomier.admissions.map(\.worker) == [1])
        #expect(scheduler.invariantViolation() == nil)
    }
}
