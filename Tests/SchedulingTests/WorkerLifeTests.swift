import Inference
import Scheduling
import Testing

@Suite struct WorkerLifeTests {
    static func running(_ actions: [SchedulingAction]) throws -> SequenceID {
        try #require(actions.admissions.first?.sequence)
    }

    /// Looks every 50 ms, as drivers do, until `end`; worker 2 goes on reporting.
    static func look(
        _ scheduler: inout ClusterScheduler, from start: Double, to end: Double, reporting workers: [UInt64] = [2]
    ) -> [(at: Double, actions: [SchedulingAction])] {
        var seen: [(Double, [SchedulingAction])] = []
        for tick in 0...Int((end - start) / 0.05) {
            let now = start + Double(tick) * 0.05
            var actions: [SchedulingAction] = []
            for worker in workers { actions += scheduler.report(worker, [], at: now).actions }
            actions += scheduler.timePassed(.at(now))
            if !actions.isEmpty { seen.append((now, actions)) }
        }
        return seen
    }

    /// A worker's death that had taken all that was sent to it, and what is thought of it a moment later.
    static func die(_ worker: UInt64, at seconds: Double, _ scheduler: inout ClusterScheduler) -> [SchedulingAction] {
        scheduler.workerTook(WorkerID(worker), commands: .max)
        return scheduler.workerLost(WorkerID(worker), now: .at(seconds))
            + scheduler.timePassed(.at(seconds + scheduler.limits.trialPauseSeconds + 0.01))
    }

    @Test func `sequences of a lost worker go on elsewhere, in order of arrival, under new names`() throws {
        var scheduler = ClusterScheduler.with([.small()])
        var before: [SequenceID] = []
        for id in 1...3 as ClosedRange<UInt64> {
            before.append(try Self.running(try scheduler.requestSubmitted(.plain(id), now: .at(0))))
        }
        _ = scheduler.report(1, before.map { StepEntry(sequence: $0, tokens: [5]) }, at: 0.1)
        _ = scheduler.workerWelcomed(WorkerID(2), .small(), now: .at(0.1))

        let actions = scheduler.workerLost(WorkerID(1), now: .at(0.2))

        #expect(actions.admissions.map(\.request) == [1, 2, 3])
        #expect(actions.admissions.allSatisfy { $0.worker == 2 && !before.contains($0.sequence) })
        #expect(scheduler.invariantViolation() == nil)
    }

    @Test func `what has run goes before what waits, and takes back its own place`() throws {
        var scheduler = ClusterScheduler.with([.small(slots: 2), .small(slots: 1)])
        for id in 1...5 as ClosedRange<UInt64> { _ = try scheduler.requestSubmitted(.plain(id), now: .at(0)) }
        let lost = (1...3).filter { scheduler.placement(of: ChoiceID(RequestID($0), 0))?.worker == WorkerID(1) }
        #expect(lost.count == 2)
        let entries = lost.compactMap { scheduler.placement(of: ChoiceID(RequestID($0), 0))?.sequence }
            .map { StepEntry(sequence: $0, tokens: [5]) }
        _ = scheduler.report(1, entries, load: .full, at: 0.05)
        _ = scheduler.workerLost(WorkerID(1), now: .at(0.1))

        let actions = scheduler.workerWelcomed(WorkerID(3), .small(slots: 4), now: .at(0.2))

        #expect(actions.admissions.map(\.request) == lost + [4, 5])
    }

    @Test func `late words about a sequence that moved are nobody's`() throws {
        var scheduler = ClusterScheduler.with([.small(), .small()])
        let first = try Self.running(try scheduler.requestSubmitted(.plain(1), now: .at(0)))
        let again = try Self.running(scheduler.sequencePreempted(first, by: WorkerID(1), now: .at(0.1)))

        #expect(scheduler.report(1, [StepEntry(sequence: first, tokens: [9], finish: .stop)], at: 0.2).choices == [nil])
        #expect(scheduler.sequencePreempted(first, by: WorkerID(1), now: .at(0.2)).isEmpty)
        let other: UInt64 = scheduler.placement(of: ChoiceID(RequestID(1), 0))?.worker == WorkerID(1) ? 2 : 1
        #expect(scheduler.report(other, [StepEntry(sequence: again, tokens: [9])], at: 0.2).choices == [nil])

        #expect(scheduler.openRequests == 1)
        #expect(scheduler.invariantViolation() == nil)
    }

    @Test func `a stream with tokens stays on one numerics id, one without may go anywhere`() throws {
        var scheduler = ClusterScheduler.with([.small(numericsID: "a")])
        let first = try Self.running(try scheduler.requestSubmitted(.plain(1), now: .at(0)))
        _ = try scheduler.requestSubmitted(.plain(2), now: .at(0))
        _ = scheduler.report(1, [StepEntry(sequence: first, tokens: [5])], at: 0.1)
        _ = scheduler.workerWelcomed(WorkerID(2), .small(numericsID: "b"), now: .at(0.1))

        _ = scheduler.workerLost(WorkerID(1), now: .at(0.2))
        #expect(scheduler.timePassed(.at(0.3)).admissions.map(\.request) == [2])
        let back = scheduler.workerWelcomed(WorkerID(3), .small(numericsID: "a"), now: .at(0.4))

        #expect(back.admissions.map(\.request) == [1])
        #expect(scheduler.invariantViolation() == nil)
    }

    @Test func `a request that is bound to a numerics id waits for it, and goes nowhere else`() throws {
        var scheduler = ClusterScheduler.with([.small(numericsID: "a")])
        var bound = RequestSpec.plain(1)
        bound.numericsID = "b"
        #expect(!scheduler.hasWorkers(of: "m", numericsID: "b"))
        #expect(try scheduler.requestSubmitted(bound, now: .at(0)).admissions.isEmpty)
        #expect(scheduler.invariantViolation() == nil)
        #expect(try scheduler.requestSubmitted(.plain(2), now: .at(0)).admissions.map(\.worker) == [1])

        let came = scheduler.workerWelcomed(WorkerID(2), .small(numericsID: "b"), now: .at(0.1))
        #expect(came.admissions.map(\.request) == [1] && came.admissions.map(\.worker) == [2])
        #expect(scheduler.hasWorkers(of: "m", numericsID: "b") && scheduler.numericsID(of: WorkerID(2)) == "b")

        bound.id = RequestID(3)
        #expect(try scheduler.requestSubmitted(bound, now: .at(0.2)).admissions.map(\.worker) == [2])
        #expect(scheduler.invariantViolation() == nil)
    }

    @Test func `a request that two workers die of is taken out`() throws {
        var scheduler = ClusterScheduler.with([.small(slots: 1), .small(slots: 1), .small(slots: 1)])
        _ = try scheduler.requestSubmitted(.plain(1), now: .at(0))
        #expect(scheduler.workerLost(WorkerID(1), now: .at(1)).admissions.isEmpty)
        #expect(scheduler.timePassed(.at(1.1)).admissions.map(\.worker) == [2])
        scheduler.workerTook(WorkerID(2), commands: 1)

        #expect(scheduler.workerLost(WorkerID(2), now: .at(2)) == [.moved(ChoiceID(RequestID(1), 0), .workerLost)])
        let second = scheduler.timePassed(.at(2.05))

        guard case .internalFailure = second.failures[1] else {
            Issue.record("the request should be out, not \(second)")
            return
        }
        #expect(second.admissions.isEmpty && scheduler.workerState(WorkerID(3)) == .ready)
        #expect(scheduler.invariantViolation() == nil)
    }

    @Test func `where workers die of something else, a request that is there by chance goes on`() throws {
        var scheduler = ClusterScheduler.with([.small(slots: 1)])
        for death in 1...3 as ClosedRange<UInt64> {
            #expect(scheduler.workerLost(WorkerID(death), now: .at(Double(death))).isEmpty)
            _ = scheduler.workerWelcomed(WorkerID(death + 1), .small(slots: 1), now: .at(Double(death)))
        }
        _ = try scheduler.requestSubmitted(.plain(1), now: .at(4))

        // Two deaths with it are no more than there were without it; five are.
        var failures: [Int] = []
        for death in 4...8 as ClosedRange<UInt64> {
            failures.append(Self.die(death, at: Double(death), &scheduler).failures.count)
            _ = scheduler.workerWelcomed(WorkerID(death + 1), .small(slots: 1), now: .at(Double(death) + 0.1))
        }

        #expect(failures == [0, 0, 0, 0, 1])
        #expect(scheduler.invariantViolation() == nil)
    }

    @Test func `of suspects one is tried at a time, beside streams that have shown themselves`() throws {
        var scheduler = ClusterScheduler.with([.small(), .small()])
        for id in 1...4 as ClosedRange<UInt64> { _ = try scheduler.requestSubmitted(.plain(id), now: .at(0)) }
        let old = scheduler.placement(of: ChoiceID(RequestID(2), 0))
        let stream = try #require(old?.worker == WorkerID(2) ? old?.sequence : nil)

        // 1 and 3 may be what worker 1 died of; 4 is new on worker 2, where they are to be tried.
        #expect(scheduler.workerLost(WorkerID(1), now: .at(1)).failures.isEmpty)
        #expect(scheduler.timePassed(.at(1.1)).admissions.isEmpty)
        let fourth = try #require(scheduler.placement(of: ChoiceID(RequestID(4), 0))?.sequence)
        let shown = scheduler.report(
            2, [stream, fourth].map { StepEntry(sequence: $0, tokens: [5]) }, at: 1.2)
        #expect(shown.actions.admissions.map(\.request) == [1])
        // Nothing joins it.
        #expect(try scheduler.requestSubmitted(.plain(5), now: .at(1.3)).admissions.isEmpty)

        // It was that one. The streams go on, and the other suspect clears itself.
        #expect(Self.die(2, at: 2, &scheduler).failures.keys.sorted() == [1])
        let welcomed = scheduler.workerWelcomed(WorkerID(3), .small(), now: .at(2.1)).admissions
        #expect(welcomed.map(\.request).sorted() == [2, 4, 5])
        let entries = welcomed.map { StepEntry(sequence: $0.sequence, tokens: [5]) }
        let tried = try #require(scheduler.report(3, entries, at: 2.2).actions.admissions.first)
        #expect(tried.request == 3)
        _ = scheduler.report(3, [StepEntry(sequence: tried.sequence, tokens: [5], finish: .stop)], at: 2.3)
        #expect(scheduler.waitingRequests == 0)
        #expect(scheduler.invariantViolation() == nil)
    }

    @Test func `streams that moved together are not taken for the cause before each was tried apart`() throws {
        var scheduler = ClusterScheduler.with([.small(), .small()])
        for id in 1...2 as ClosedRange<UInt64> {
            let sequence = try Self.running(try scheduler.requestSubmitted(.plain(id), now: .at(0)))
            let worker = try #require(scheduler.placement(of: ChoiceID(RequestID(id), 0))?.worker.rawValue)
            _ = scheduler.report(worker, [StepEntry(sequence: sequence, tokens: [5])], at: 0.1)
        }
        // Both come to be on worker 2, then on worker 3 with no token in between.
        #expect(scheduler.workerLost(WorkerID(1), now: .at(1)).admissions.map(\.worker) == [2])
        let moved = try #require(scheduler.placement(of: ChoiceID(RequestID(1), 0))?.sequence)
        _ = scheduler.report(2, [StepEntry(sequence: moved, tokens: [6])], at: 1.1)
        #expect(scheduler.workerLost(WorkerID(2), now: .at(2)).failures.isEmpty)
        #expect(scheduler.workerWelcomed(WorkerID(3), .small(), now: .at(2)).admissions.map(\.request) == [1, 2])
        #expect(Self.die(3, at: 3, &scheduler).failures.isEmpty)

        #expect(scheduler.workerWelcomed(WorkerID(4), .small(), now: .at(3.1)).admissions.map(\.request) == [1])
        #expect(scheduler.invariantViolation() == nil)
    }

    @Test func `choices of one request are tried one after the other, and run side by side`() throws {
        var scheduler = ClusterScheduler.with([.small()])
        #expect(try scheduler.requestSubmitted(.plain(1, choices: 3), now: .at(0)).admissions.count == 3)
        _ = scheduler.workerWelcomed(WorkerID(2), .small(), now: .at(0))

        var tried = Self.die(1, at: 1, &scheduler).admissions
        for step in 1...2 {
            #expect(tried.map(\.worker) == [2])
            // Its answer goes on.
            let token = StepEntry(sequence: try #require(tried.first?.sequence), tokens: [5])
            tried = scheduler.report(2, [token], at: 1.1 + Double(step) / 10).actions.admissions
        }
        #expect(tried.map(\.worker) == [2])
        #expect(scheduler.runningCount("m") == 3)
        #expect(scheduler.invariantViolation() == nil)
    }

    @Test func `a request with many choices has one of them tried at a time`() throws {
        var scheduler = ClusterScheduler.with([.small()])
        _ = try scheduler.requestSubmitted(.plain(1, choices: 3), now: .at(0))
        for worker in 2...3 as ClosedRange<UInt64> {
            _ = scheduler.workerWelcomed(WorkerID(worker), .small(), now: .at(0.5))
        }
        _ = scheduler.workerLost(WorkerID(1), now: .at(1))
        let tried = scheduler.timePassed(.at(1.1)).admissions
        #expect(tried.count == 1)

        let lost = Self.die(tried.first?.worker ?? 0, at: 2, &scheduler)
        #expect(lost.failures.keys.sorted() == [1] && scheduler.openRequests == 0)
        #expect(scheduler.workerCount(.ready) == 1)
        #expect(scheduler.invariantViolation() == nil)
    }

    @Test func `a stream that made tokens between two deaths was not their cause`() throws {
        var scheduler = ClusterScheduler.with([.small(), .small(), .small()])
        var sequence = try Self.running(try scheduler.requestSubmitted(.plain(1, max: 100), now: .at(0)))
        for worker in 1...2 as ClosedRange<UInt64> {
            let entry = StepEntry(sequence: sequence, tokens: [5])
            #expect(scheduler.report(worker, [entry], at: Double(worker)).choices == [ChoiceID(RequestID(1), 0)])
            sequence = try Self.running(scheduler.workerLost(WorkerID(worker), now: .at(Double(worker) + 0.5)))
        }
        #expect(scheduler.placement(of: ChoiceID(RequestID(1), 0))?.worker == WorkerID(3))
    }

    @Test func `two workers that die in the same moment have not died of what moved between them`() throws {
        var scheduler = ClusterScheduler.with([.small(), .small(), .small()])
        _ = try scheduler.requestSubmitted(.plain(1), now: .at(0))

        #expect(scheduler.workerLost(WorkerID(1), now: .at(1)).failures.isEmpty)
        #expect(scheduler.workerLost(WorkerID(2), now: .at(1.03)).failures.isEmpty)
        #expect(scheduler.timePassed(.at(1.1)).admissions.map(\.worker) == [3])
    }

    @Test(arguments: [(tokens: 1, gone: 1), (1, 3), (0, 1), (0, 3)])
    func `a worker that never took what moved to it did not die of it, whenever its end is heard of`(
        tokens: Int, gone: UInt64
    ) throws {
        var scheduler = ClusterScheduler.with((0..<6).map { _ in .small(slots: 1) })
        let first = try Self.running(try scheduler.requestSubmitted(.plain(1), now: .at(0)))
        _ = scheduler.report(
            1, [StepEntry(sequence: first, tokens: Array(repeating: 5, count: tokens))], at: 0.5)
        #expect(Self.die(1, at: 1, &scheduler).failures.isEmpty)

        // They were killed with the first, and took so long to close what they held.
        for worker in 2...(1 + gone) {
            #expect(scheduler.placement(of: ChoiceID(RequestID(1), 0))?.worker == WorkerID(worker))
            #expect(scheduler.workerLost(WorkerID(worker), now: .at(Double(worker))).failures.isEmpty)
            #expect(scheduler.timePassed(.at(Double(worker) + 0.1)).failures.isEmpty)
        }

        // The next one did take it; that the others are gone does not speak for it.
        #expect(Self.die(2 + gone, at: 9, &scheduler).failures.count == 1)
        #expect(scheduler.invariantViolation() == nil)
    }

    @Test func `a request that kills before it can be taken is taken out all the same`() throws {
        var scheduler = ClusterScheduler.with((0..<8).map { _ in .small(slots: 1) })
        _ = try scheduler.requestSubmitted(.plain(1), now: .at(0))
        var deaths = 0
        while let place = scheduler.placement(of: ChoiceID(RequestID(1), 0)), deaths < 8 {
            deaths += 1
            _ = scheduler.workerLost(place.worker, now: .at(Double(deaths)))
            _ = scheduler.timePassed(.at(Double(deaths) + 0.1))
        }

        #expect(deaths == scheduler.limits.deathsMax + scheduler.limits.innocentDeathsMax)
        #expect(scheduler.openRequests == 0 && scheduler.invariantViolation() == nil)
    }

    @Test(arguments: [(together: [], survived: 1), ([1], 2), ([2], 2), ([1, 2], 2)])
    func `requests whose workers died in the same moment are tried once more, and not twice`(
        together: [Int], survived: Int
    ) throws {
        var scheduler = ClusterScheduler.with([.small(slots: 1), .small(slots: 1)])
        for id in 1...2 as ClosedRange<UInt64> { _ = try scheduler.requestSubmitted(.plain(id), now: .at(0)) }
        for death in 1...3 {
            let seconds = Double(death)
            let workers = try (1...2 as ClosedRange<UInt64>).map { id in
                try #require(scheduler.placement(of: ChoiceID(RequestID(id), 0))?.worker)
            }
            for worker in workers { scheduler.workerTook(worker, commands: .max) }
            _ = scheduler.workerLost(workers[0], now: .at(seconds))
            _ = scheduler.workerLost(workers[1], now: .at(seconds + (together.contains(death) ? 0.04 : 0.06)))
            let judged = scheduler.timePassed(.at(seconds + 0.2))
            #expect(scheduler.invariantViolation() == nil)
            guard death <= survived else {
                #expect(judged.failures.keys.sorted() == [1, 2])
                break
            }
            #expect(judged.failures.isEmpty)
            for id in [2 * death + 1, 2 * death + 2] {
                _ = scheduler.workerWelcomed(WorkerID(UInt64(id)), .small(slots: 1), now: .at(seconds + 0.3))
            }
        }
        #expect(scheduler.openRequests == 0)
    }

    @Test func `a worker that was told to end speaks for nobody when it does`() throws {
        var scheduler = ClusterScheduler.with((0..<3).map { _ in .small(slots: 1) })
        _ = try scheduler.requestSubmitted(.plain(1), now: .at(0))
        _ = scheduler.workerDraining(WorkerID(3), now: .at(0.5))
        _ = scheduler.workerLost(WorkerID(3), now: .at(1))
        _ = scheduler.workerLost(WorkerID(1), now: .at(1.01))
        #expect(scheduler.timePassed(.at(1.1)).admissions.map(\.worker) == [2])

        #expect(Self.die(2, at: 2, &scheduler).failures.count == 1)
    }

    @Test func `a death long ago does not speak for what a worker had that was told to end`() throws {
        var scheduler = ClusterScheduler.with([.small(slots: 1), .small(slots: 1)])
        _ = try scheduler.requestSubmitted(.plain(1), now: .at(0))
        let place = try #require(scheduler.placement(of: ChoiceID(RequestID(1), 0))?.worker)
        _ = scheduler.workerLost(WorkerID(place == WorkerID(1) ? 2 : 1), now: .at(0.1))
        _ = scheduler.workerWelcomed(WorkerID(3), .small(slots: 2), now: .at(0.3))
        _ = try scheduler.requestSubmitted(.plain(2), now: .at(0.4))
        _ = scheduler.workerDraining(place, now: .at(0.45))
        _ = scheduler.workerLost(place, now: .at(0.5))

        // The one that was there is a suspect: beside one that has made nothing it is not tried.
        #expect(scheduler.timePassed(.at(0.6)).admissions.isEmpty)
        #expect(scheduler.invariantViolation() == nil)
    }

    @Test func `what several workers had that died at once goes on together, and not one by one`() throws {
        var scheduler = ClusterScheduler.with([.small(), .small(), .small()])
        for id in 1...9 as ClosedRange<UInt64> { _ = try scheduler.requestSubmitted(.plain(id), now: .at(0)) }
        let moved = (1...9).filter { scheduler.placement(of: ChoiceID(RequestID($0), 0))?.worker != WorkerID(3) }
        _ = scheduler.workerWelcomed(WorkerID(4), .small(slots: 9), now: .at(0.9))
        _ = scheduler.workerLost(WorkerID(1), now: .at(1))
        _ = scheduler.workerLost(WorkerID(2), now: .at(1.02))

        #expect(moved.count > 4)
        #expect(scheduler.timePassed(.at(1.04)).admissions.isEmpty)
        #expect(scheduler.timePassed(.at(1.08)).admissions.map(\.request).sorted() == moved)
        #expect(scheduler.invariantViolation() == nil)
    }

    @Test func `a suspect is not kept waiting by those who come after it`() throws {
        var scheduler = ClusterScheduler.with([.small(), .small(slots: 1)])
        _ = try scheduler.requestSubmitted(.plain(1, max: 100), now: .at(0))
        let suspect = try #require(scheduler.placement(of: ChoiceID(RequestID(1), 0))?.worker)
        let other: UInt64 = suspect == WorkerID(1) ? 2 : 1
        _ = scheduler.workerWelcomed(WorkerID(3), .small(), now: .at(0.5))
        _ = scheduler.workerLost(WorkerID(other), now: .at(0.6))
        let second = try Self.running(try scheduler.requestSubmitted(.plain(2, max: 100), now: .at(0.7)))
        #expect(scheduler.placement(of: ChoiceID(RequestID(2), 0))?.worker == WorkerID(3))
        _ = scheduler.workerLost(suspect, now: .at(1))

        // It cannot be tried beside one that has made nothing; nobody else comes there until it was.
        #expect(scheduler.report(3, [StepEntry(sequence: second, tokens: [])], at: 1.1).actions.admissions.isEmpty)
        #expect(try scheduler.requestSubmitted(.plain(3), now: .at(1.15)).admissions.isEmpty)
        let tried = scheduler.report(3, [StepEntry(sequence: second, tokens: [5])], at: 1.2).actions.admissions
        #expect(tried.map(\.request) == [1])
        let shown = StepEntry(sequence: try #require(tried.first?.sequence), tokens: [5])
        #expect(scheduler.report(3, [shown], at: 1.3).actions.admissions.map(\.request) == [3])
        #expect(scheduler.invariantViolation() == nil)
    }

    @Test(arguments: [(steps: 0, failures: 1), (1, 1), (2, 0)])
    func `a suspect whose worker lived through steps with it is tried once more`(steps: Int, failures: Int) throws {
        var scheduler = ClusterScheduler.with([.small(slots: 1), .small(slots: 1), .small(slots: 1)])
        _ = try scheduler.requestSubmitted(.plain(1), now: .at(0))
        _ = scheduler.workerLost(WorkerID(1), now: .at(1))
        let tried = try Self.running(scheduler.timePassed(.at(1.1)))
        for step in 0..<steps {
            _ = scheduler.report(2, [StepEntry(sequence: tried, tokens: [])], at: 1.2 + Double(step) / 10)
        }

        #expect(Self.die(2, at: 2, &scheduler).failures.count == failures)
        if failures == 0 { #expect(Self.die(3, at: 3, &scheduler).failures.count == 1) }
        #expect(scheduler.invariantViolation() == nil)
    }

    @Test func `workers that die in the same moment with one request each do not speak for it where both are its own`()
        throws
    {
        var scheduler = ClusterScheduler.with([.small(slots: 1), .small(slots: 1)])
        _ = try scheduler.requestSubmitted(.plain(1, choices: 2), now: .at(0))
        #expect(scheduler.workerLost(WorkerID(1), now: .at(1)).failures.isEmpty)
        #expect(scheduler.workerLost(WorkerID(2), now: .at(1.01)).failures.isEmpty)
        _ = scheduler.workerWelcomed(WorkerID(3), .small(slots: 1), now: .at(1.1))
        #expect(scheduler.placement(of: ChoiceID(RequestID(1), 0))?.worker == WorkerID(3))

        #expect(Self.die(3, at: 2, &scheduler).failures.count == 1)
    }

    @Test func `a worker that stalls is suspected within its patience and loses its sequences`() throws {
        var scheduler = ClusterScheduler.with([.small(), .small()])
        let first = try Self.running(try scheduler.requestSubmitted(.plain(1, max: 100), now: .at(0)))
        _ = scheduler.report(1, [StepEntry(sequence: first, tokens: [5])], at: 0.1)

        let seen = Self.look(&scheduler, from: 0.1, to: 3)

        let again = try #require(scheduler.placement(of: ChoiceID(RequestID(1), 0)))
        #expect(
            seen.map(\.actions) == [
                [.suspected(WorkerID(1))],
                [
                    .cancel(first, on: WorkerID(1)), .moved(ChoiceID(RequestID(1), 0), .workerStalled),
                    .admit(ChoiceID(RequestID(1), 0), as: again.sequence, on: WorkerID(2)),
                ],
            ])
        let limits = scheduler.limits
        let suspected = 0.1 + limits.stallSecondsMin
        #expect(abs((seen.first?.at ?? 0) - suspected) < 0.06)
        #expect(abs((seen.last?.at ?? 0) - suspected - limits.suspicionSeconds) < 0.11)
        #expect(scheduler.workerState(WorkerID(1)) == .suspect)
        #expect(scheduler.invariantViolation() == nil)

        let late = scheduler.report(1, [StepEntry(sequence: first, tokens: [6])], at: 3.1)
        #expect(late.choices == [nil])
        #expect(late.actions == [.recovered(WorkerID(1))])
        #expect(scheduler.workerState(WorkerID(1)) == .ready)
    }

    @Test func `a suspect worker gets nothing new, and keeps what nobody else could take`() throws {
        var scheduler = ClusterScheduler.with([.small()])
        let first = try Self.running(try scheduler.requestSubmitted(.plain(1, max: 100), now: .at(0)))
        _ = scheduler.report(1, [StepEntry(sequence: first, tokens: [5])], at: 0.1)
        _ = Self.look(&scheduler, from: 0.1, to: 3, reporting: [])

        #expect(try scheduler.requestSubmitted(.plain(2), now: .at(3)).isEmpty)
        #expect(scheduler.placement(of: ChoiceID(RequestID(1), 0))?.worker == WorkerID(1))
        let actions = scheduler.report(1, [StepEntry(sequence: first, tokens: [6])], at: 3.1).actions

        #expect(actions.first == .recovered(WorkerID(1)))
        #expect(actions.admissions.map(\.request) == [2])
    }

    @Test func `slow steps make patience longer, and a router that slept suspects nobody`() throws {
        // Another model, so that nobody has a pace to compare with.
        var scheduler = ClusterScheduler.with([.small(), .small(model: "other")])
        let first = try Self.running(try scheduler.requestSubmitted(.plain(1, max: 100), now: .at(0)))
        let slow = StepReport(
            number: 1, durationMicroseconds: 200_000, tokenCount: 1,
            entries: [StepEntry(sequence: first, tokens: [5])],
            load: WorkerLoad(freeSlots: 3, freePages: 60, runningSequences: 1, waitingPrefillTokens: 0),
            commandsSeen: 1)
        _ = scheduler.workerReported(WorkerID(1), slow, now: .at(0.2))

        let seen = Self.look(&scheduler, from: 0.2, to: 5)
        #expect(abs((seen.first?.at ?? 0) - 4.2) < 0.06)

        var sleeper = ClusterScheduler.with([.small(), .small()])
        let other = try Self.running(try sleeper.requestSubmitted(.plain(1, max: 100), now: .at(0)))
        _ = sleeper.report(1, [StepEntry(sequence: other, tokens: [5])], at: 0.1)
        _ = sleeper.timePassed(.at(0.1))
        #expect(sleeper.timePassed(.at(5)).isEmpty)
        _ = sleeper.report(1, [StepEntry(sequence: other, tokens: [5])], at: 5.01)
        #expect(Self.look(&sleeper, from: 5.05, to: 5.9, reporting: [1, 2]).isEmpty)
    }

    @Test func `a draining worker gets nothing new and hands over what others have room for`() throws {
        var scheduler = ClusterScheduler.with([.small(slots: 3), .small(slots: 2, pages: 30)])
        var sequences: [SequenceID] = []
        _ = scheduler.workerDraining(WorkerID(2), now: .at(0))
        for id in 1...3 as ClosedRange<UInt64> {
            let admission = try #require(try scheduler.requestSubmitted(.plain(id), now: .at(0)).admissions.first)
            #expect(admission.worker == 1)
            sequences.append(admission.sequence)
        }
        _ = scheduler.workerLost(WorkerID(2), now: .at(0.1))
        _ = scheduler.workerWelcomed(WorkerID(3), .small(slots: 2), now: .at(0.1))

        let asked = scheduler.workerDraining(WorkerID(1), now: .at(0.2))
        #expect(asked == sequences.prefix(2).map { .preempt($0, on: WorkerID(1)) })
        let moved = asked.indices.flatMap {
            scheduler.sequencePreempted(sequences[$0], by: WorkerID(1), now: .at(0.3))
        }

        #expect(moved.admissions.map(\.worker) == [3, 3])
        #expect(scheduler.placement(of: ChoiceID(RequestID(3), 0))?.worker == WorkerID(1))
        #expect(scheduler.timePassed(.at(0.4)).isEmpty)
        #expect(scheduler.invariantViolation() == nil)
    }

    @Test func `a worker that refuses is left alone for a moment, and longer each time`() throws {
        var scheduler = ClusterScheduler.with([.small()])
        var sequence = try Self.running(try scheduler.requestSubmitted(.plain(1), now: .at(0)))
        var pauses: [Double] = []
        var now = 0.0
        for _ in 0..<3 {
            let start = now
            #expect(scheduler.sequenceRefused(sequence, by: WorkerID(1), now: .at(now)).admissions.isEmpty)
            var admitted: SequenceID?
            while admitted == nil {
                now += 0.01
                admitted = scheduler.timePassed(.at(now)).admissions.first?.sequence
            }
            sequence = try #require(admitted)
            pauses.append(now - start)
        }
        #expect(pauses[0] < pauses[1] && pauses[1] < pauses[2] && pauses[2] <= 0.1)
        #expect(scheduler.invariantViolation() == nil)
    }

    @Test(
        arguments: [
            (.failed("why"), .internalFailure("why")),
            (.unservable("why"), .invalidRequest(message: "why", parameter: nil)),
        ] as [(SequenceFinish, ServeError)])
    func `a failure in a worker ends the request and frees its other choices`(
        finish: SequenceFinish, error: ServeError
    ) throws {
        var scheduler = ClusterScheduler.with([.small()])
        let sequences = try scheduler.requestSubmitted(.plain(1, choices: 2), now: .at(0)).admissions.map(\.sequence)

        let answer = scheduler.report(1, [StepEntry(sequence: sequences[0], finish: finish)], at: 0.1)

        #expect(
            answer.actions == [
                .cancel(sequences[1], on: WorkerID(1)), .fail(RequestID(1), error),
            ])
        #expect(scheduler.openRequests == 0)
        #expect(scheduler.invariantViolation() == nil)
    }

    @Test func `equal events give equal answers`() throws {
        func run() throws -> [SchedulingAction] {
            var scheduler = ClusterScheduler.with((0..<20).map { .small(numericsID: "n\($0 % 3)", slots: 2) })
            var actions: [SchedulingAction] = []
            for id in 1...60 as ClosedRange<UInt64> {
                actions += try scheduler.requestSubmitted(.plain(id, choices: 2), now: .at(0))
            }
            for worker in 1...10 as ClosedRange<UInt64> {
                actions += scheduler.workerLost(WorkerID(worker), now: .at(1))
            }
            return actions
        }
        #expect(try run() == run())
    }
}
