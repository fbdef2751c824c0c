import Inference
import Scheduling
import Testing

@Suite struct QueueBoundTests {
    static func spec(_ id: UInt64, _ tenant: String = "", tokens: Int = 8, held: Int = 0) -> RequestSpec {
        var spec = RequestSpec.plain(id, tokens: tokens)
        spec.tenant = tenant
        spec.heldBytes = held
        return spec
    }

    @Test func `a queue full of bytes refuses and says so`() throws {
        var limits = SchedulingLimits()
        limits.queueBytesMax = 10_000
        var (scheduler, _) = try QueueTests.busy(limits)
        _ = try scheduler.requestSubmitted(Self.spec(2, held: 6000), now: .at(0))

        #expect(throws: ServeError.queueFull(limit: 10_000, of: .bytes, retryAfterSeconds: 60)) {
            _ = try scheduler.requestSubmitted(Self.spec(3, held: 6000), now: .at(0))
        }
        _ = try scheduler.requestSubmitted(Self.spec(4, held: 3000), now: .at(0))

        #expect(scheduler.waitingRequests == 2)
        #expect(scheduler.invariantViolation() == nil)
    }

    @Test func `figures beyond all bounds are refused and do not overflow`() throws {
        var (scheduler, _) = try QueueTests.busy()
        _ = try scheduler.requestSubmitted(Self.spec(2), now: .at(0))

        #expect(throws: ServeError.self) {
            _ = try scheduler.requestSubmitted(Self.spec(3, held: .max), now: .at(0))
        }
        #expect(throws: ServeError.self) {
            _ = try scheduler.requestSubmitted(.plain(4, tokens: 8, choices: .max), now: .at(0))
        }
        #expect(scheduler.invariantViolation() == nil)
    }

    @Test func `retry-after of a queue full of tokens is the time its tokens take`() throws {
        var limits = SchedulingLimits()
        limits.queueTokensMax = 1000
        var (scheduler, running) = try QueueTests.busy(limits)
        for id in 2...10 as ClosedRange<UInt64> {
            _ = try scheduler.requestSubmitted(Self.spec(id, tokens: 100), now: .at(0))
        }
        // Four requests of 100 tokens leave, after one of 8: 408 tokens in the ten seconds that are remembered.
        for step in 1...4 {
            let answer = scheduler.report(
                1, [QueueTests.finish(running)], load: QueueTests.oneFree, at: Double(step))
            running = try #require(answer.actions.admissions.first?.sequence)
        }

        // 500 tokens wait at 40.8 a second.
        #expect(throws: ServeError.queueFull(limit: 1000, of: .tokens, retryAfterSeconds: 13)) {
            _ = try scheduler.requestSubmitted(Self.spec(20, tokens: 600), now: .at(4.5))
        }
    }

    @Test func `one tenant alone may fill the queue; beside others it may have half of each bound`() throws {
        var limits = SchedulingLimits()
        limits.queueRequestsMax = 10
        limits.queueTokensMax = 1000
        var (scheduler, _) = try QueueTests.busy(limits)
        func submit(_ id: UInt64, _ tenant: String, tokens: Int = 8) throws {
            _ = try scheduler.requestSubmitted(Self.spec(id, tenant, tokens: tokens), now: .at(1))
        }
        for id in 2...11 as ClosedRange<UInt64> { try submit(id, "") }
        #expect(throws: ServeError.queueFull(limit: 10, retryAfterSeconds: 60)) { try submit(12, "other") }
        // The other has been heard of: what leaves now is not filled up again by the first.
        _ = scheduler.requestCancelled(RequestID(2), now: .at(1))
        #expect(throws: ServeError.queueFull(limit: 5, share: .tenant, retryAfterSeconds: 60)) {
            try submit(13, "")
        }
        try submit(14, "other")
        for id in 3...8 as ClosedRange<UInt64> { _ = scheduler.requestCancelled(RequestID(id), now: .at(1)) }
        for id in 15...18 as ClosedRange<UInt64> { try submit(id, "other") }
        #expect(throws: ServeError.self) { try submit(19, "other") }
        for id in 20...21 as ClosedRange<UInt64> { try submit(id, "") }
        #expect(throws: ServeError.self) { try submit(22, "") }
        #expect(scheduler.waitingRequests == 10)

        // Tokens are shared as well.
        _ = scheduler.requestCancelled(RequestID(20), now: .at(1))
        #expect(throws: ServeError.queueFull(limit: 500, of: .tokens, share: .tenant, retryAfterSeconds: 60)) {
            try submit(23, "", tokens: 490)
        }
        #expect(scheduler.invariantViolation() == nil)
    }

    /// A worker of one slot, a request that runs, and `waiting` more; then one leaves every `interval` seconds.
    private static func moving(waiting: UInt64, every interval: Double, seconds: Double) throws -> ClusterScheduler {
        var limits = SchedulingLimits()
        limits.queueWaitSecondsMax = 4
        var (scheduler, running) = try QueueTests.busy(limits)
        for id in 2...waiting + 1 as ClosedRange<UInt64> {
            _ = try scheduler.requestSubmitted(spec(id), now: .at(0))
        }
        for step in 1...Int(seconds / interval) {
            let answer = scheduler.report(
                1, [QueueTests.finish(running)], load: QueueTests.oneFree, at: Double(step) * interval)
            running = try #require(answer.actions.admissions.first?.sequence)
        }
        return scheduler
    }

    @Test func `who would wait too long by how fast the queue moves is refused, and told how long`() throws {
        // Ten a second: 40 may wait, for four seconds.
        var scheduler = try Self.moving(waiting: 59, every: 0.1, seconds: 2)
        #expect(scheduler.waitingRequests == 39)
        for id in 100...101 as ClosedRange<UInt64> {
            _ = try scheduler.requestSubmitted(Self.spec(id), now: .at(2))
        }

        #expect(throws: ServeError.queueSlow(expectedSeconds: 4.1, limitSeconds: 4, retryAfterSeconds: 5)) {
            _ = try scheduler.requestSubmitted(Self.spec(102), now: .at(2))
        }
        // Of two tenants each has every other turn: nobody of the second waits, so it comes next.
        _ = try scheduler.requestSubmitted(Self.spec(103, "second"), now: .at(2))
        #expect(scheduler.invariantViolation() == nil)
    }

    @Test func `a burst on an idle cluster is not refused for how little was asked before it`() throws {
        var (scheduler, running) = try QueueTests.busy(SchedulingLimits())
        for step in 1...5 as ClosedRange<UInt64> {
            _ = scheduler.report(1, [QueueTests.finish(running)], load: QueueTests.oneFree, at: Double(step) * 2)
            let next = try scheduler.requestSubmitted(Self.spec(1 + step), now: .at(Double(step) * 2))
            running = try #require(next.admissions.first?.sequence)
        }
        for id in 100...400 as ClosedRange<UInt64> {
            _ = try scheduler.requestSubmitted(Self.spec(id), now: .at(10.5))
        }
        #expect(scheduler.waitingRequests == 301)
    }

    @Test func `as many as there are slots wait however slow the queue is, and all where no worker is`() throws {
        var limits = SchedulingLimits()
        limits.queueWaitSecondsMax = 0.01
        var scheduler = ClusterScheduler.with([.small(slots: 3, pages: 1000)], limits: limits)
        for id in 1...6 as ClosedRange<UInt64> { _ = try scheduler.requestSubmitted(Self.spec(id), now: .at(0)) }
        // Three wait, and none has left for two seconds.
        #expect(scheduler.waitingRequests == 3)
        #expect(throws: ServeError.queueSlow(expectedSeconds: 6, limitSeconds: 0.01, retryAfterSeconds: 6)) {
            _ = try scheduler.requestSubmitted(Self.spec(7), now: .at(2))
        }
        _ = scheduler.requestCancelled(RequestID(6), now: .at(2))
        _ = try scheduler.requestSubmitted(Self.spec(8), now: .at(2))
        _ = scheduler.workerLost(WorkerID(1), now: .at(3))
        _ = try scheduler.requestSubmitted(Self.spec(9), now: .at(3))
        #expect(scheduler.invariantViolation() == nil)
    }

    @Test func `how slow the queue once was is forgotten, though requests pass it`() throws {
        var (scheduler, running) = try QueueTests.busy(SchedulingLimits())
        _ = try scheduler.requestSubmitted(Self.spec(2), now: .at(0))
        var second = 10.0
        for id in 3...27 as ClosedRange<UInt64> {
            let end = scheduler.report(1, [QueueTests.finish(running)], load: QueueTests.oneFree, at: second)
            if let waited = end.actions.admissions.first?.sequence {
                _ = scheduler.report(1, [QueueTests.finish(waited)], load: QueueTests.oneFree, at: second)
            }
            second += 5
            let next = try scheduler.requestSubmitted(Self.spec(id), now: .at(second))
            running = try #require(next.admissions.first?.sequence)
        }
        for id in 100...119 as ClosedRange<UInt64> {
            _ = try scheduler.requestSubmitted(Self.spec(id), now: .at(second))
        }
        #expect(scheduler.waitingRequests == 20)
    }

    /// A model with a worker of one slot, and `count` requests for another that has none.
    private static func asleep(_ count: UInt64, _ limits: SchedulingLimits) throws -> ClusterScheduler {
        var scheduler = ClusterScheduler.with([.small(slots: 1)], limits: limits)
        scheduler.modelExpected("asleep")
        for id in 1...count as ClosedRange<UInt64> { try submitAsleep(id, to: &scheduler) }
        return scheduler
    }

    private static func submitAsleep(_ id: UInt64, to scheduler: inout ClusterScheduler) throws {
        var spec = spec(id)
        spec.model = "asleep"
        _ = try scheduler.requestSubmitted(spec, now: .at(0))
    }

    @Test func `requests for a model without workers leave room for those of another`() throws {
        var limits = SchedulingLimits()
        limits.queueRequestsMax = 8
        var scheduler = try Self.asleep(4, limits)

        #expect(throws: ServeError.queueFull(limit: 4, share: .model, retryAfterSeconds: 10)) {
            try Self.submitAsleep(5, to: &scheduler)
        }
        for id in 10...14 as ClosedRange<UInt64> { _ = try scheduler.requestSubmitted(Self.spec(id), now: .at(0)) }

        #expect(scheduler.waitingCount("m") == 4)
        #expect(scheduler.waitingCount("asleep") == 4)
        #expect(scheduler.invariantViolation() == nil)
    }

    @Test func `a full queue refuses only what would have to wait`() throws {
        var limits = SchedulingLimits()
        limits.queueRequestsMax = 8
        limits.modelQueueShare = 1
        var scheduler = try Self.asleep(8, limits)

        #expect(try scheduler.requestSubmitted(Self.spec(10), now: .at(0)).admissions.map(\.request) == [10])
        #expect(throws: ServeError.queueFull(limit: 8, retryAfterSeconds: 60)) {
            _ = try scheduler.requestSubmitted(Self.spec(11), now: .at(0))
        }
        #expect(throws: ServeError.self) {
            _ = try scheduler.requestSubmitted(.plain(12, choices: .max), now: .at(0))
        }
        #expect(scheduler.openRequests == 9)
        #expect(scheduler.invariantViolation() == nil)
    }
}
