import Inference
import Scheduling
import Testing

/// Workers that promise signs of life: silence is judged by those, not by how long steps take.
@Suite struct SuspicionTests {
    private static func promising() -> WorkerDescription {
        var description = WorkerDescription.small()
        description.signSeconds = 0.2
        return description
    }

    /// A worker in a step, another one that idles, and a clock that is looked at every 50 ms.
    private struct Watched {
        var scheduler = ClusterScheduler.with([SuspicionTests.promising(), SuspicionTests.promising()])
        let sequence: SequenceID
        var now = 0.0

        init(stepSeconds: Double) throws {
            let admission = try #require(
                try scheduler.requestSubmitted(.plain(1, max: 100), now: .at(0)).admissions.first)
            #expect(admission.worker == 1)
            sequence = admission.sequence
            _ = report(stepSeconds)
        }

        mutating func report(_ stepSeconds: Double) -> [SchedulingAction] {
            scheduler.workerReported(
                WorkerID(1),
                StepReport(
                    number: 1, durationMicroseconds: UInt32(stepSeconds * 1e6), tokenCount: 1,
                    entries: [StepEntry(sequence: sequence, tokens: [5])],
                    load: WorkerLoad(freeSlots: 3, freePages: 60, runningSequences: 1, waitingPrefillTokens: 0),
                    commandsSeen: 1), now: .at(now)
            ).actions
        }

        /// - Returns: what was done, and how long after the start.
        mutating func wait(_ seconds: Double, signs: Bool) -> [(at: Double, actions: [SchedulingAction])] {
            var seen: [(Double, [SchedulingAction])] = []
            for look in 1...Int(seconds / 0.05) {
                now += 0.05
                var actions: [SchedulingAction] = []
                if signs, look.isMultiple(of: 4) { actions = scheduler.workerWorks(WorkerID(1), now: .at(now)) }
                actions += scheduler.timePassed(.at(now))
                if !actions.isEmpty { seen.append((Double(look) * 0.05, actions)) }
            }
            return seen
        }
    }

    @Test(arguments: [0.002, 0.05, 0.4, 2, 4])
    func `a step may take long while it moves, and one that hangs is noticed and left within a second`(
        stepSeconds: Double
    ) throws {
        var watched = try Watched(stepSeconds: stepSeconds)
        #expect(watched.wait(30, signs: true).isEmpty)
        #expect(watched.report(30).isEmpty)

        // As long as steps were before: the longest one of late is still in mind.
        watched = try Watched(stepSeconds: stepSeconds)
        let seen = watched.wait(3, signs: false)

        try #require(seen.count >= 2)
        #expect(seen[0].actions == [.suspected(WorkerID(1))] && seen[0].at <= 0.6)
        #expect(seen[1].actions.admissions.map(\.worker) == [2] && seen[1].at <= 1.0)
        #expect(watched.scheduler.invariantViolation() == nil)
    }

    @Test func `a worker whose steps take minutes is given the time of a piece of one`() throws {
        var watched = try Watched(stepSeconds: 60)

        #expect(watched.wait(7.3, signs: false).isEmpty)
        #expect(watched.wait(0.3, signs: false).map(\.actions) == [[.suspected(WorkerID(1))]])
    }

    @Test func `a suspect that says it works takes sequences again, and keeps those it has`() throws {
        var watched = try Watched(stepSeconds: 0.05)
        #expect(watched.wait(0.6, signs: false).map(\.actions) == [[.suspected(WorkerID(1))]])

        let actions = watched.scheduler.workerWorks(WorkerID(1), now: .at(watched.now))

        #expect(actions == [.recovered(WorkerID(1))])
        #expect(watched.wait(1, signs: true).isEmpty)
        #expect(watched.scheduler.placement(of: ChoiceID(RequestID(1), 0))?.worker == WorkerID(1))
        #expect(watched.scheduler.invariantViolation() == nil)
    }

    @Test func `a worker that falls silent is no death of what it had, but four in a row are too many`() throws {
        var scheduler = ClusterScheduler.with([.small()])
        _ = try scheduler.requestSubmitted(.plain(1), now: .at(0))
        var failures: [Int] = []
        for worker in 1...4 as ClosedRange<UInt64> {
            let seconds = Double(worker)
            _ = scheduler.workerWelcomed(WorkerID(worker + 1), .small(), now: .at(seconds))
            let actions = scheduler.workerLost(WorkerID(worker), isSilent: true, now: .at(seconds))
            failures.append(actions.failures.count)
            if worker < 4 { #expect(actions.admissions.map(\.worker) == [worker + 1]) }
            #expect(scheduler.invariantViolation() == nil)
        }
        #expect(failures == [0, 0, 0, 1])
        #expect(scheduler.openRequests == 0)
    }
}
