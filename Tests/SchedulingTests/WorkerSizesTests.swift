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

    @Test func `answers of any length go to all workers that they are likely to fit`() throws {
        // As two routers share workers of 101 and 100 pages.
        var scheduler = ClusterScheduler.with([
            .small(pages: 51, wholePages: 101), .small(pages: 50, wholePages: 100),
        ])
        var counts: [UInt64: Int] = [:]
        for id in 1...4 as ClosedRange<UInt64> {
            let actions = try scheduler.requestSubmitted(.plain(id, max: 2040), now: .at(0))
            counts[try #require(actions.admissions.first?.worker), default: 0] += 1
        }

        #expect(counts == [1: 2, 2: 2])
        #expect(scheduler.invariantViolation() == nil)
    }

    @Test func `what outgrew its worker goes on where there is more room, and fails where there is none`() throws {
        var scheduler = ClusterScheduler.with([.small(pages: 20), .small(pages: 40)])
        _ = scheduler.report(2, [], load: .full, at: 0)
        let first = try #require(
            try scheduler.requestSubmitted(.plain(1, max: 2000), now: .at(0)).admissions.first)
        #expect(first.worker == 1)
        func tokens(_ count: Int) -> [TokenID] { Array(repeating: 1, count: count) }
        _ = scheduler.report(1, [StepEntry(sequence: first.sequence, tokens: tokens(313))], at: 1)

        let outgrown = scheduler.report(
            1, [StepEntry(sequence: first.sequence, finish: .failed("It outgrew."))], at: 2)
        #expect(outgrown.choices == [nil])
        #expect(
            outgrown.actions == [.moved(ChoiceID(RequestID(1), 0), .preempted)],
            "the small worker is empty, and too small")
        #expect(scheduler.invariantViolation() == nil)

        let free = WorkerLoad(freeSlots: 4, freePages: 40, runningSequences: 0, waitingPrefillTokens: 0)
        let second = try #require(scheduler.report(2, [], load: free, at: 3).actions.admissions.first)
        #expect(second.worker == 2)
        _ = scheduler.report(2, [StepEntry(sequence: second.sequence, tokens: tokens(320))], at: 4)
        let failed = scheduler.report(
            2, [StepEntry(sequence: second.sequence, finish: .failed("It outgrew."))], at: 5)
        #expect(failed.actions.failures == [1: .internalFailure("It outgrew.")])
        #expect(scheduler.openRequests == 0)
        #expect(scheduler.invariantViolation() == nil)
    }

    @Test func `what fills its worker's context goes on where there is a longer one`() throws {
        var scheduler = ClusterScheduler.with([.small(context: 320), .small(context: 600)])
        _ = scheduler.report(2, [], load: .full, at: 0)
        var sequences: [SequenceID] = []
        for (id, max) in [(1, 2000), (2, 280)] as [(UInt64, Int)] {
            let admission = try scheduler.requestSubmitted(.plain(id, tokens: 40, max: max), now: .at(0)).admissions
                .first
            #expect(admission?.worker == 1)
            sequences.append(try #require(admission?.sequence))
        }
        let tokens = [TokenID](repeating: 1, count: 280)
        _ = scheduler.report(
            1, [StepEntry(sequence: sequences[0], tokens: tokens), StepEntry(sequence: sequences[1], tokens: tokens)],
            at: 1)

        let full = scheduler.report(
            1, sequences.map { StepEntry(sequence: $0, finish: .length) }, at: 2)

        #expect(full.choices == [nil, ChoiceID(RequestID(2), 0)], "the second has all it asked for")
        #expect(full.actions == [.moved(ChoiceID(RequestID(1), 0), .preempted)])
        let free = WorkerLoad(freeSlots: 4, freePages: 64, runningSequences: 0, waitingPrefillTokens: 0)
        let second = try #require(scheduler.report(2, [], load: free, at: 3).actions.admissions.first)
        #expect(second.worker == 2)
        _ = scheduler.report(
            2, [StepEntry(sequence: second.sequence, tokens: [TokenID](repeating: 1, count: 280))], at: 4)
        let ended = scheduler.report(2, [StepEntry(sequence: second.sequence, finish: .length)], at: 5)
        #expect(ended.choices == [ChoiceID(RequestID(1), 0)] && ended.actions.isEmpty)
        #expect(scheduler.openRequests == 0)
        #expect(scheduler.invariantViolation() == nil)
    }

    @Test func `no worker is kept for who could not end there`() throws {
        var limits = SchedulingLimits()
        limits.headPatienceSeconds = 1
        var scheduler = ClusterScheduler.with([.small(pages: 10), .small(slots: 1, pages: 100)], limits: limits)
        for id in 1...2 as ClosedRange<UInt64> {
            _ = try scheduler.requestSubmitted(.plain(id, tokens: 500), now: .at(0))
        }
        #expect(scheduler.waitingCount("m") == 1)
        let empty = WorkerLoad(freeSlots: 4, freePages: 10, runningSequences: 0, waitingPrefillTokens: 0)
        #expect(scheduler.report(1, [], load: empty, at: 2).actions.isEmpty)

        let short = try scheduler.requestSubmitted(.plain(3), now: .at(3))

        #expect(short.admissions.map(\.worker) == [1])
        #expect(scheduler.invariantViolation() == nil)
    }
}
