import Inference
import Scheduling
import Testing

@Suite struct PlacementTests {
    static func load(slots: Int = 4, pages: Int = 64, prefill: Int = 0) -> WorkerLoad {
        WorkerLoad(freeSlots: slots, freePages: pages, runningSequences: 0, waitingPrefillTokens: prefill)
    }

    struct Case: Sendable, CustomTestStringConvertible {
        var name: String
        var loads: [WorkerLoad]
        var expected: UInt64
        var testDescription: String { name }
    }

    static let cases = [
        Case(name: "equal workers: the lower id", loads: [load(), load()], expected: 1),
        Case(name: "more free pages", loads: [load(pages: 40), load(pages: 41)], expected: 2),
        Case(name: "equal pages: more slots", loads: [load(slots: 2), load(slots: 3)], expected: 2),
        Case(name: "less prefill outweighs pages", loads: [load(prefill: 30), load(pages: 40)], expected: 2),
        Case(name: "no slot, no work", loads: [load(slots: 0), load(pages: 10)], expected: 2),
    ]

    @Test(arguments: cases) func `load decides between cold workers`(_ given: Case) throws {
        var scheduler = ClusterScheduler.with(given.loads.map { _ in .small() })
        for (index, load) in given.loads.enumerated() {
            _ = scheduler.report(UInt64(index + 1), [], load: load, at: 0)
        }

        let actions = try scheduler.requestSubmitted(.plain(1), now: .at(0))

        #expect(actions.admissions.map(\.worker) == [given.expected])
    }

    static let prompt: [TokenID] = (0..<64).map { $0 % 7 }

    static func request(_ id: UInt64, salt: UInt64 = 0) -> RequestSpec {
        RequestSpec(id: RequestID(id), model: "m", prompts: [prompt], maxTokens: 4, salt: salt)
    }

    static func warm(_ scheduler: inout ClusterScheduler, _ worker: UInt64, pages: Int) {
        let hashes = PrefixHash.chain(prompt, pageTokenCount: 16, salt: 0)
        scheduler.workerPrefixChanged(
            WorkerID(worker), added: Array(hashes.prefix(pages)), removed: [], isSnapshot: true)
    }

    @Test func `the longest cached prefix wins between workers of equal load`() throws {
        var scheduler = ClusterScheduler.with([.small(), .small(), .small(pages: 100)])
        Self.warm(&scheduler, 1, pages: 1)
        Self.warm(&scheduler, 2, pages: 3)

        #expect(try scheduler.requestSubmitted(Self.request(1), now: .at(0)).admissions.map(\.worker) == [2])
    }

    /// Where a request goes while nothing else runs.
    static func place(_ request: RequestSpec, _ scheduler: inout ClusterScheduler) throws -> [UInt64] {
        let actions = try scheduler.requestSubmitted(request, now: .at(0))
        _ = scheduler.requestCancelled(request.id, now: .at(0))
        _ = scheduler.report(1, [], load: load(pages: 100), at: 0)
        _ = scheduler.report(2, [], load: load(), at: 0)
        return actions.admissions.map(\.worker)
    }

    @Test func `another salt, an evicted prefix and a new snapshot are cold`() throws {
        var scheduler = ClusterScheduler.with([.small(pages: 100), .small()])
        let hashes = PrefixHash.chain(Self.prompt, pageTokenCount: 16, salt: 0)
        Self.warm(&scheduler, 2, pages: 3)
        #expect(try Self.place(Self.request(1), &scheduler) == [2])
        #expect(try Self.place(Self.request(2, salt: 9), &scheduler) == [1])

        scheduler.workerPrefixChanged(WorkerID(2), added: [], removed: [hashes[1], hashes[2]], isSnapshot: false)
        scheduler.workerPrefixChanged(WorkerID(1), added: Array(hashes.prefix(2)), removed: [], isSnapshot: false)
        #expect(try Self.place(Self.request(3), &scheduler) == [1])

        scheduler.workerPrefixChanged(WorkerID(1), added: [], removed: [], isSnapshot: true)
        #expect(try Self.place(Self.request(4), &scheduler) == [2])
        #expect(scheduler.invariantViolation() == nil)
    }

    @Test func `a prompt that must be computed in full goes by load alone`() throws {
        var scheduler = ClusterScheduler.with([.small(), .small(pages: 100)])
        Self.warm(&scheduler, 1, pages: 3)
        var request = Self.request(1)
        request.usesPrefixCache = false

        #expect(try scheduler.requestSubmitted(request, now: .at(0)).admissions.map(\.worker) == [2])
    }

    @Test func `a burst with one warm prefix does not herd onto the warm worker`() throws {
        let wide = WorkerDescription.small(slots: 16, pages: 1000, budget: 1000)
        var scheduler = ClusterScheduler.with([wide, wide])
        Self.warm(&scheduler, 1, pages: 3)

        var counts: [UInt64: Int] = [:]
        for id in 1...12 as ClosedRange<UInt64> {
            for admission in try scheduler.requestSubmitted(Self.request(id), now: .at(0)).admissions {
                counts[admission.worker, default: 0] += 1
            }
        }

        #expect((counts[1] ?? 0) > (counts[2] ?? 0))
        #expect((counts[2] ?? 0) >= 3)
    }

    @Test func `a warm worker does not grow into a hot spot while conversations come one after the other`() throws {
        let wide = WorkerDescription.small(slots: 64, pages: 10_000, budget: 1000)
        var scheduler = ClusterScheduler.with([wide, wide, wide])
        Self.warm(&scheduler, 2, pages: 3)

        var counts: [UInt64: Int] = [:]
        var commands: [UInt64: UInt64] = [:]
        for id in 1...90 as ClosedRange<UInt64> {
            let now = Double(id) / 10
            for admission in try scheduler.requestSubmitted(Self.request(id), now: .at(now)).admissions {
                counts[admission.worker, default: 0] += 1
                commands[admission.worker, default: 0] += 1
            }
            // Everything that was sent is computed by now, and all answers go on.
            for worker in 1...3 as ClosedRange<UInt64> {
                let count = counts[worker] ?? 0
                let load = WorkerLoad(
                    freeSlots: 64 - count, freePages: 10_000 - 5 * count, runningSequences: count,
                    waitingPrefillTokens: 0)
                _ = scheduler.report(worker, [], load: load, seen: commands[worker] ?? 0, at: now + 0.05)
            }
        }

        // Warmth is worth three pages, which is what three neighbours cost: the lead stays as small as that.
        let (most, least) = (counts[2] ?? 0, min(counts[1] ?? 0, counts[3] ?? 0))
        #expect(counts.values.reduce(0, +) == 90)
        #expect(most - least >= 1 && most - least <= 4, "\(counts)")
    }

    @Test func `a long prompt is not starved by short ones that keep a worker's prefill busy`() throws {
        var limits = SchedulingLimits()
        limits.headPatienceSeconds = 0.5
        limits.queueWaitSecondsMax = .infinity
        var scheduler = ClusterScheduler.with([.small(slots: 16, pages: 1000)], limits: limits)
        var (waiting, commands, next): (Int, UInt64, UInt64) = (0, 0, 100)
        var longAt: Double?
        func take(_ actions: [SchedulingAction], _ now: Double) {
            for admission in actions.admissions {
                commands += 1
                waiting += admission.request == 1 ? 240 : 60
                if admission.request == 1 { longAt = now }
            }
        }
        // 64 tokens a step, and a new short prompt of 60 at each: four steps' worth may wait.
        for step in 0..<200 {
            let now = Double(step) / 20
            if step == 5 { take(try scheduler.requestSubmitted(.plain(1, tokens: 240, token: 9), now: .at(now)), now) }
            next += 1
            take(
                try scheduler.requestSubmitted(.plain(next, tokens: 60, token: TokenID(next), max: 1), now: .at(now)),
                now)
            waiting = max(0, waiting - 64)
            let load = WorkerLoad(freeSlots: 10, freePages: 900, runningSequences: 3, waitingPrefillTokens: waiting)
            take(scheduler.report(1, [], load: load, seen: commands, at: now).actions, now)
            take(scheduler.timePassed(.at(now)), now)
        }

        #expect(try #require(longAt) < 3)
    }

    @Test func `cold requests of a burst spread over equal workers`() throws {
        var scheduler = ClusterScheduler.with((0..<4).map { _ in .small(slots: 8, pages: 640) })

        var counts: [UInt64: Int] = [:]
        for id in 1...16 as ClosedRange<UInt64> {
            let request = RequestSpec.plain(id, token: TokenID(id))
            for admission in try scheduler.requestSubmitted(request, now: .at(0)).admissions {
                counts[admission.worker, default: 0] += 1
            }
        }

        #expect(counts == [1: 4, 2: 4, 3: 4, 4: 4])
    }

    @Test func `choices of a long prompt share the worker that computes it, those of a short one spread`() throws {
        let wide = WorkerDescription.small(slots: 16, pages: 1000, budget: 1000)
        var scheduler = ClusterScheduler.with([wide, wide])

        let long = try scheduler.requestSubmitted(.plain(1, tokens: 512, choices: 3), now: .at(0))
        let short = try scheduler.requestSubmitted(.plain(2, tokens: 8, choices: 2), now: .at(0))

        #expect(Set(long.admissions.map(\.worker)).count == 1)
        #expect(Set(short.admissions.map(\.worker)) == [2])
    }

    @Test func `a second long prompt waits while the first is being computed, and goes to a free worker`() throws {
        var scheduler = ClusterScheduler.with([.small(pages: 1000)])
        #expect(try scheduler.requestSubmitted(.plain(1, tokens: 800), now: .at(0)).admissions.count == 1)
        #expect(try scheduler.requestSubmitted(.plain(2, tokens: 800, token: 2), now: .at(0)).isEmpty)

        let actions = scheduler.workerWelcomed(WorkerID(2), .small(pages: 1000), now: .at(0.1))

        #expect(actions.admissions.map(\.worker) == [2])
        #expect(actions.admissions.map(\.request) == [2])
    }

    @Test func `admission reserves what answers are likely to need, and learns how much that is`() throws {
        // 20 pages of 16 tokens; prompts of 16 tokens that may have 320 more, so 256 reserved at first: 17 pages.
        let limits = SchedulingLimits()
        var scheduler = ClusterScheduler.with([.small(slots: 32, pages: 20)], limits: limits)
        let small = WorkerLoad(freeSlots: 32, freePages: 20, runningSequences: 0, waitingPrefillTokens: 0)
        #expect(try scheduler.requestSubmitted(.plain(1, tokens: 16, max: 320), now: .at(0)).admissions.count == 1)
        #expect(try scheduler.requestSubmitted(.plain(2, tokens: 16, max: 320), now: .at(0)).isEmpty)

        // Answers turn out to be 10 tokens long.
        var id: UInt64 = 100
        _ = scheduler.requestCancelled(RequestID(1), now: .at(0))
        _ = scheduler.requestCancelled(RequestID(2), now: .at(0))
        for step in 0..<16 {
            id += 1
            _ = scheduler.report(1, [], load: small, at: Double(step))
            let sequence = try #require(
                try scheduler.requestSubmitted(.plain(id, tokens: 16, max: 320), now: .at(Double(step)))
                    .admissions.first?.sequence)
            let entry = StepEntry(sequence: sequence, tokens: Array(repeating: 1, count: 10), finish: .stop)
            _ = scheduler.report(1, [entry], load: small, at: Double(step))
        }
        var admitted = 0
        for other in 1...20 as ClosedRange<UInt64> {
            admitted += try scheduler.requestSubmitted(.plain(other, tokens: 16, max: 320), now: .at(20))
                .admissions.count
        }

        // 26 tokens are two pages: ten fit.
        #expect(admitted == 10)
        #expect(scheduler.invariantViolation() == nil)
    }

    @Test func `what was sent counts until a report has seen it, and not longer`() throws {
        var scheduler = ClusterScheduler.with([.small(slots: 2)])
        _ = try scheduler.requestSubmitted(.plain(1), now: .at(0))
        _ = try scheduler.requestSubmitted(.plain(2), now: .at(0))
        // The worker has seen the first admission only: one slot is free in its eyes, and that is promised.
        let stale = WorkerLoad(freeSlots: 1, freePages: 63, runningSequences: 1, waitingPrefillTokens: 0)
        _ = scheduler.report(1, [], load: stale, seen: 1, at: 0.1)
        #expect(try scheduler.requestSubmitted(.plain(3), now: .at(0.1)).isEmpty)

        let first = try #require(scheduler.placement(of: ChoiceID(RequestID(1), 0)))
        let done = StepEntry(sequence: first.sequence, tokens: [1], finish: .stop)
        let fresh = WorkerLoad(freeSlots: 1, freePages: 63, runningSequences: 1, waitingPrefillTokens: 0)

        #expect(scheduler.report(1, [done], load: fresh, seen: 2, at: 0.2).actions.admissions.map(\.request) == [3])
        #expect(scheduler.invariantViolation() == nil)
    }

    @Test func `a cancel is a command too: what was sent after it does not count as seen with it`() throws {
        var scheduler = ClusterScheduler.with([.small(slots: 4, pages: 8)])
        _ = try scheduler.requestSubmitted(.plain(1, tokens: 16, max: 1), now: .at(0))
        _ = scheduler.requestCancelled(RequestID(1), now: .at(0))
        #expect(try scheduler.requestSubmitted(.plain(2, tokens: 64, max: 1), now: .at(0)).admissions.count == 1)
        // The worker has seen the first admission and the cancel: it has all its pages still, and five are promised.
        let stale = WorkerLoad(freeSlots: 4, freePages: 8, runningSequences: 0, waitingPrefillTokens: 0)
        _ = scheduler.report(1, [], load: stale, seen: 2, at: 0.1)

        #expect(try scheduler.requestSubmitted(.plain(3, tokens: 48, max: 1), now: .at(0.1)).isEmpty)
        #expect(scheduler.invariantViolation() == nil)
    }

    @Test func `a large request at the head is passed by small ones for a while only`() throws {
        var limits = SchedulingLimits()
        limits.headPatienceSeconds = 1
        var scheduler = ClusterScheduler.with([.small(slots: 4, pages: 20)], limits: limits)
        func load(_ pages: Int, running: Int) -> WorkerLoad {
            WorkerLoad(
                freeSlots: 4 - running, freePages: pages, runningSequences: running, waitingPrefillTokens: 0)
        }
        let first = try #require(
            try scheduler.requestSubmitted(.plain(1, tokens: 32), now: .at(0)).admissions.first?.sequence)
        _ = scheduler.report(1, [], load: load(18, running: 1), at: 0)
        // 19 pages are needed and 18 are free.
        _ = try scheduler.requestSubmitted(.plain(2, tokens: 296), now: .at(0))
        let passing = try scheduler.requestSubmitted(.plain(3), now: .at(0)).admissions
        #expect(passing.map(\.request) == [3])

        #expect(scheduler.report(1, [], load: load(17, running: 2), at: 1.5).actions.isEmpty)
        #expect(try scheduler.requestSubmitted(.plain(4), now: .at(1.6)).isEmpty)
        #expect(scheduler.report(1, [], load: load(17, running: 2), at: 1.7).actions.isEmpty)
        let ends = [first, try #require(passing.first?.sequence)].map { StepEntry(sequence: $0, finish: .stop) }

        let answer = scheduler.report(1, ends, load: load(20, running: 0), at: 2)
        #expect(answer.actions.admissions.first?.request == 2)
        #expect(scheduler.invariantViolation() == nil)
    }
}
