import Inference
import Scheduling
import Testing

/// Copies of requests: they take what is left over.
@Suite struct CopyTests {
    static func copy(_ id: UInt64, tokens: Int = 8, choices: Int = 1, tenant: String = "") -> RequestSpec {
        var spec = RequestSpec.plain(id, tokens: tokens, choices: choices)
        spec.isCopy = true
        spec.tenant = tenant
        return spec
    }

    @Test func `copies run where there is room, and make it for a request that finds none`() throws {
        var scheduler = ClusterScheduler.with([.small(slots: 2), .small(model: "other")])
        #expect(try scheduler.requestSubmitted(.plain(1), now: .at(0)).admissions.count == 1)
        #expect(try scheduler.requestSubmitted(Self.copy(2), now: .at(0)).admissions.count == 1)
        var elsewhere = Self.copy(3)
        elsewhere.model = "other"
        #expect(try scheduler.requestSubmitted(elsewhere, now: .at(0)).admissions.count == 1)

        let actions = try scheduler.requestSubmitted(.plain(4), now: .at(0.1))

        #expect(actions.failures.keys.map { $0 } == [2])
        #expect(actions.contains { if case .cancel = $0 { true } else { false } })
        #expect(scheduler.openRequests == 3 && scheduler.invariantViolation() == nil)
        // The worker's next report tells of the room.
        let load = WorkerLoad(freeSlots: 1, freePages: 60, runningSequences: 1, waitingPrefillTokens: 0)
        #expect(scheduler.report(1, [], load: load, at: 0.2).actions.admissions.map(\.request) == [4])
        #expect(scheduler.waitingRequests == 0 && scheduler.invariantViolation() == nil)
    }

    @Test func `a copy never waits`() throws {
        var scheduler = ClusterScheduler.with([.small(slots: 1)])
        _ = try scheduler.requestSubmitted(.plain(1), now: .at(0))
        let refusal = #expect(throws: ServeError.self) { try scheduler.requestSubmitted(Self.copy(2), now: .at(0)) }
        guard case .unavailable? = refusal else {
            Issue.record("\(refusal as Any)")
            return
        }

        // There is a slot, but not for all of it.
        var other = ClusterScheduler.with([.small(slots: 2)])
        let actions = try other.requestSubmitted(Self.copy(1, choices: 3), now: .at(0))
        #expect(actions.failures.keys.map { $0 } == [1])
        for scheduler in [scheduler, other] {
            #expect(scheduler.waitingRequests == 0)
            #expect(scheduler.invariantViolation() == nil)
        }
    }

    @Test func `a copy whose worker is lost goes on where there is room, and ends where others wait`() throws {
        var scheduler = ClusterScheduler.with([.small(slots: 1), .small(slots: 1)])
        let copy = try #require(try scheduler.requestSubmitted(Self.copy(1), now: .at(0)).admissions.first)
        _ = try scheduler.requestSubmitted(.plain(2), now: .at(0))

        #expect(scheduler.workerLost(WorkerID(copy.worker), now: .at(1)).failures.isEmpty)
        let actions = scheduler.timePassed(.at(1.05))

        #expect(actions.failures.keys.map { $0 } == [1])
        #expect(scheduler.waitingRequests == 0 && scheduler.invariantViolation() == nil)
    }

    @Test func `copies count for nothing among tenants`() throws {
        var scheduler = ClusterScheduler.with([.small(slots: 1)])
        let copy = try #require(
            try scheduler.requestSubmitted(Self.copy(1, tokens: 200, tenant: "a"), now: .at(0)).admissions.first)
        _ = scheduler.report(1, [StepEntry(sequence: copy.sequence, tokens: [1, 1, 1, 1], finish: .length)], at: 0.1)
        var running = try #require(try scheduler.requestSubmitted(.plain(10), now: .at(0.2)).admissions.first)
        for (id, tenant) in [(21, "b"), (23, "b"), (20, "a"), (22, "a")] as [(UInt64, String)] {
            var spec = RequestSpec.plain(id)
            spec.tenant = tenant
            #expect(try scheduler.requestSubmitted(spec, now: .at(0.3)).admissions.isEmpty)
        }

        var order: [UInt64] = []
        for step in 0..<4 {
            let answer = scheduler.report(
                1, [StepEntry(sequence: running.sequence, tokens: [1], finish: .length)], at: 0.4 + 0.1 * Double(step))
            running = try #require(answer.actions.admissions.first)
            order.append(running.request)
        }

        // By turns: had "a" been charged for its copy, "b" would have gone twice before it.
        #expect(Set(order.prefix(2).map { $0 % 2 }) == [0, 1], "\(order)")
        #expect(scheduler.invariantViolation() == nil)
    }
}
