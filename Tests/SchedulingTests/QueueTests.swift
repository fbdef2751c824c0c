import Inference
import Scheduling
import Testing

@Suite struct QueueTests {
    static let full = WorkerLoad(freeSlots: 0, freePages: 60, runningSequences: 4, waitingPrefillTokens: 0)

    /// One worker with one slot, taken by request 1.
    static func busy(_ limits: SchedulingLimits = SchedulingLimits()) throws -> (ClusterScheduler, SequenceID) {
        var scheduler = ClusterScheduler.with([.small(slots: 1)], limits: limits)
        let actions = try scheduler.requestSubmitted(.plain(1), now: .at(0))
        return (scheduler, try #require(actions.admissions.first?.sequence))
    }

    static func finish(_ sequence: SequenceID) -> StepEntry {
        StepEntry(sequence: sequence, tokens: [1], finish: .length)
    }

    static let oneFree = WorkerLoad(freeSlots: 1, freePages: 64, runningSequences: 0, waitingPrefillTokens: 0)

    @Test func `higher priority goes first, equal priority in order of arrival`() throws {
        var (scheduler, running) = try Self.busy()
        for (id, priority) in [(2, 0), (3, 5), (4, 0), (5, 5), (6, -1)] as [(UInt64, Int)] {
            #expect(try scheduler.requestSubmitted(.plain(id, priority: priority), now: .at(0)).isEmpty)
        }

        var order: [UInt64] = []
        for step in 1...5 {
            let answer = scheduler.report(1, [Self.finish(running)], load: Self.oneFree, at: Double(step) / 100)
            let admission = try #require(answer.actions.admissions.first)
            order.append(admission.request)
            running = admission.sequence
        }

        #expect(order == [3, 5, 2, 4, 6])
        #expect(scheduler.invariantViolation() == nil)
    }

    @Test func `a full queue refuses at once and changes nothing`() throws {
        var limits = SchedulingLimits()
        limits.queueRequestsMax = 2
        var (scheduler, _) = try Self.busy(limits)
        _ = try scheduler.requestSubmitted(.plain(2), now: .at(0))
        _ = try scheduler.requestSubmitted(.plain(3), now: .at(0))

        #expect(throws: ServeError.queueFull(limit: 2, retryAfterSeconds: 20)) {
            _ = try scheduler.requestSubmitted(.plain(4), now: .at(0))
        }

        #expect(scheduler.waitingCount("m") == 2)
        #expect(scheduler.openRequests == 3)
        #expect(scheduler.invariantViolation() == nil)
    }

    @Test func `a queue full of tokens refuses too, but never a request that finds it empty`() throws {
        var limits = SchedulingLimits()
        limits.queueTokensMax = 100
        var (scheduler, _) = try Self.busy(limits)

        _ = try scheduler.requestSubmitted(.plain(2, tokens: 150), now: .at(0))

        #expect(throws: ServeError.self) { _ = try scheduler.requestSubmitted(.plain(3, tokens: 1), now: .at(0)) }
        #expect(scheduler.invariantViolation() == nil)
    }

    @Test func `retry-after is the time in which the queue drained before`() throws {
        var limits = SchedulingLimits()
        limits.queueRequestsMax = 30
        limits.queueWaitSecondsMax = 60
        var (scheduler, running) = try Self.busy(limits)
        for id in 2...31 as ClosedRange<UInt64> { _ = try scheduler.requestSubmitted(.plain(id), now: .at(0)) }
        // 20 requests leave within ten seconds, so with the first one 21: 2.1 a second.
        for step in 1...20 {
            let answer = scheduler.report(1, [Self.finish(running)], load: Self.oneFree, at: Double(step) * 0.45)
            running = try #require(answer.actions.admissions.first?.sequence)
        }
        for id in 32...51 as ClosedRange<UInt64> { _ = try scheduler.requestSubmitted(.plain(id), now: .at(9.2)) }

        #expect(throws: ServeError.queueFull(limit: 30, retryAfterSeconds: 15)) {
            _ = try scheduler.requestSubmitted(.plain(60), now: .at(9.2))
        }
    }

    @Test func `an unknown model, a name twice and a prompt larger than all pages are refused`() throws {
        var (scheduler, _) = try Self.busy()
        var stranger = RequestSpec.plain(2)
        stranger.model = "other"

        #expect(throws: ServeError.modelNotFound("other")) {
            _ = try scheduler.requestSubmitted(stranger, now: .at(0))
        }
        #expect(throws: ServeError.self) { _ = try scheduler.requestSubmitted(.plain(1), now: .at(0)) }
        #expect(throws: ServeError.contextExceeded(promptTokens: 1025, maxTokens: nil, contextLength: 1024)) {
            _ = try scheduler.requestSubmitted(.plain(3, tokens: 1025), now: .at(0))
        }
        #expect(scheduler.openRequests == 1)
        #expect(scheduler.invariantViolation() == nil)
    }

    @Test func `a prompt larger than a router's share of the pages waits until it can have the worker's`() throws {
        var scheduler = ClusterScheduler.with([.small(pages: 32, wholePages: 64)])
        #expect(throws: ServeError.contextExceeded(promptTokens: 1025, maxTokens: nil, contextLength: 1024)) {
            _ = try scheduler.requestSubmitted(.plain(1, tokens: 1025), now: .at(0))
        }
        let first = try scheduler.requestSubmitted(.plain(2), now: .at(0))
        #expect(first.count == 1)
        #expect(try scheduler.requestSubmitted(.plain(3, tokens: 1000), now: .at(0)).isEmpty)
        let answer = scheduler.report(1, [StepEntry(sequence: SequenceID(1), tokens: [1], finish: .stop)], at: 0.1)
        #expect(answer.actions.contains { if case .admit = $0 { true } else { false } }, "\(answer)")
        #expect(scheduler.invariantViolation() == nil)
    }

    @Test func `a prompt larger than every share goes to the worker that has most in all`() throws {
        var scheduler = ClusterScheduler.with([
            .small(slots: 8, pages: 20, wholePages: 100), .small(slots: 2, pages: 30, wholePages: 30),
        ])
        let actions = try scheduler.requestSubmitted(.plain(1, tokens: 50 * 16), now: .at(0))
        #expect(actions.contains { if case .admit(_, _, on: WorkerID(1)) = $0 { true } else { false } }, "\(actions)")
    }

    @Test func `who waits too long fails, by its own limit or the queue's, and who runs too long as well`() throws {
        var limits = SchedulingLimits()
        limits.queueTimeoutSeconds = 5
        limits.requestTimeoutSeconds = 20
        var (scheduler, _) = try Self.busy(limits)
        var patient = RequestSpec.plain(2)
        patient.queueTimeoutSeconds = 8
        _ = try scheduler.requestSubmitted(patient, now: .at(0))
        _ = try scheduler.requestSubmitted(.plain(3), now: .at(0))

        var failures: [(Double, [UInt64: ServeError])] = []
        for tick in 1...500 {
            let now = Double(tick) * 0.05
            _ = scheduler.report(1, [], load: Self.full, at: now)
            let failed = scheduler.timePassed(.at(now)).failures
            if !failed.isEmpty { failures.append((now, failed)) }
        }

        #expect(
            failures.map(\.1) == [
                [3: .timedOut(afterSeconds: 5)], [2: .timedOut(afterSeconds: 8)], [1: .timedOut(afterSeconds: 20)],
            ])
        #expect(scheduler.openRequests == 0)
        #expect(scheduler.invariantViolation() == nil)
    }

    @Test func `without workers requests wait, are told so at the end, and run as soon as one comes`() throws {
        var limits = SchedulingLimits()
        limits.queueTimeoutSeconds = 5
        var scheduler = ClusterScheduler.with([.small()], limits: limits)
        _ = scheduler.workerLost(WorkerID(1), now: .at(0))
        _ = try scheduler.requestSubmitted(.plain(1), now: .at(0))
        #expect(scheduler.timePassed(.at(4.9)).isEmpty)
        guard case .unavailable = scheduler.timePassed(.at(5)).failures[1] else {
            Issue.record("the request should have ended as unavailable")
            return
        }

        _ = try scheduler.requestSubmitted(.plain(2), now: .at(6))
        let actions = scheduler.workerWelcomed(WorkerID(2), .small(), now: .at(7))

        #expect(actions.admissions.map(\.request) == [2])
        #expect(scheduler.invariantViolation() == nil)
    }

    @Test func `a cancelled request frees its place in the queue or in the worker`() throws {
        var (scheduler, running) = try Self.busy()
        _ = try scheduler.requestSubmitted(.plain(2), now: .at(0))
        _ = try scheduler.requestSubmitted(.plain(3), now: .at(0))

        #expect(scheduler.requestCancelled(RequestID(2), now: .at(0)).isEmpty)
        #expect(scheduler.requestCancelled(RequestID(1), now: .at(0)) == [.cancel(running, on: WorkerID(1))])
        #expect(scheduler.requestCancelled(RequestID(1), now: .at(0)).isEmpty)
        let next = scheduler.workerCredit(
            WorkerID(1), slotCount: 1, pageCount: 64, load: Self.oneFree, commandsSeen: 2, now: .at(0.1))

        #expect(next.admissions.map(\.request) == [3])
        #expect(scheduler.invariantViolation() == nil)
    }

    @Test func `choices of one request run side by side and end it with the last`() throws {
        var scheduler = ClusterScheduler.with([.small()])
        let actions = try scheduler.requestSubmitted(.plain(1, choices: 3), now: .at(0))
        let sequences = actions.admissions.map(\.sequence)
        #expect(Set(sequences).count == 3)

        _ = scheduler.report(1, sequences.prefix(2).map(Self.finish), at: 0.1)
        #expect(scheduler.openRequests == 1)
        _ = scheduler.choiceCompleted(ChoiceID(RequestID(1), 2), now: .at(0.2))

        #expect(scheduler.openRequests == 0)
        #expect(scheduler.invariantViolation() == nil)
    }
}
