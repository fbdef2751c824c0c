import Inference
import Scheduling
import TestSupport
import Testing

/// Tenants that share one worker, whose steps make a token for each sequence.
struct SharedWorker {
    struct Load {
        var tenant: String
        var promptTokens = 8
        var outputTokens = 8
        var priority = 0
    }

    var scheduler: ClusterScheduler
    let slots: Int
    private var loads: [UInt64: Load] = [:]
    private var running: [(id: SequenceID, request: UInt64, made: Int)] = []
    private var nextRequest: UInt64 = 0
    private var now = 0.0
    private var commandsSeen: UInt64 = 0
    /// Prompt tokens and twice the output tokens that each tenant got.
    private(set) var served: [String: Int] = [:]

    init(slots: Int, limits: SchedulingLimits = SchedulingLimits()) {
        self.slots = slots
        var limits = limits
        (limits.queueTimeoutSeconds, limits.requestTimeoutSeconds) = (1e6, 1e6)
        limits.queueWaitSecondsMax = .infinity
        scheduler = .with([.small(slots: slots, pages: 10_000, budget: 1000)], limits: limits)
    }

    mutating func submit(_ load: Load, count: Int = 1) throws {
        for _ in 0..<count {
            nextRequest += 1
            var spec = RequestSpec.plain(
                nextRequest, tokens: load.promptTokens, max: load.outputTokens, priority: load.priority)
            spec.tenant = load.tenant
            loads[nextRequest] = load
            obey(try scheduler.requestSubmitted(spec, now: .at(now)))
        }
    }

    mutating func step() {
        now += 0.01
        var entries: [StepEntry] = []
        for place in running.indices {
            running[place].made += 1
            guard let load = loads[running[place].request] else { continue }
            served[load.tenant, default: 0] += 2
            let isLast = running[place].made == load.outputTokens
            entries.append(StepEntry(sequence: running[place].id, tokens: [1], finish: isLast ? .length : nil))
        }
        running.removeAll { running in loads[running.request].map { running.made == $0.outputTokens } ?? true }
        let load = WorkerLoad(
            freeSlots: slots - running.count, freePages: 10_000, runningSequences: running.count,
            waitingPrefillTokens: 0)
        obey(scheduler.report(1, entries, load: load, seen: commandsSeen, at: now).actions)
    }

    private mutating func obey(_ actions: [SchedulingAction]) {
        for admission in actions.admissions {
            commandsSeen += 1
            running.append((admission.sequence, admission.request, 0))
            guard let load = loads[admission.request] else { continue }
            served[load.tenant, default: 0] += load.promptTokens
        }
    }

    func share(of tenant: String) -> Double {
        Double(served[tenant] ?? 0) / Double(max(1, served.values.reduce(0, +)))
    }
}

@Suite struct FairnessTests {
    @Test func `tenants that always wait get equal tokens, whatever the size and number of their requests`() throws {
        var worker = SharedWorker(slots: 4)
        try worker.submit(.init(tenant: "many", promptTokens: 8, outputTokens: 4), count: 2000)
        try worker.submit(.init(tenant: "long", promptTokens: 400, outputTokens: 40), count: 200)

        for _ in 0..<800 { worker.step() }

        #expect(abs(worker.share(of: "many") - 0.5) < 0.05, "many got \(worker.share(of: "many"))")
        #expect(worker.scheduler.invariantViolation() == nil)
    }

    @Test func `a tenant's weight is its share`() throws {
        var limits = SchedulingLimits()
        limits.tenantWeights = ["gold": 3]
        var worker = SharedWorker(slots: 4, limits: limits)
        for tenant in ["gold", "plain"] { try worker.submit(.init(tenant: tenant), count: 1000) }

        for _ in 0..<800 { worker.step() }

        #expect(abs(worker.share(of: "gold") - 0.75) < 0.05, "gold got \(worker.share(of: "gold"))")
    }

    @Test func `a tenant that stayed away gets its share from now on, and nothing for before`() throws {
        var worker = SharedWorker(slots: 4)
        try worker.submit(.init(tenant: "early"), count: 2)
        try worker.submit(.init(tenant: "steady"), count: 2000)
        for _ in 0..<400 { worker.step() }
        let before = worker.served

        try worker.submit(.init(tenant: "early"), count: 1000)
        for _ in 0..<400 { worker.step() }

        let gained = worker.served.mapValues(Double.init).merging(before.mapValues(Double.init)) { $0 - $1 }
        let share = (gained["early"] ?? 0) / ((gained["early"] ?? 0) + (gained["steady"] ?? 0))
        #expect(abs(share - 0.5) < 0.05, "early got \(share) of what came after it")
        #expect(worker.scheduler.invariantViolation() == nil)
    }

    @Test func `a newcomer's request passes a backlog of another tenant's, but not a higher priority`() throws {
        var worker = SharedWorker(slots: 1)
        try worker.submit(.init(tenant: "backlog", outputTokens: 10), count: 500)
        for _ in 0..<30 { worker.step() }
        try worker.submit(.init(tenant: "backlog", outputTokens: 10, priority: 1), count: 1)
        try worker.submit(.init(tenant: "newcomer", outputTokens: 10), count: 1)

        for _ in 0..<11 { worker.step() }
        #expect(worker.served["newcomer"] == nil)
        for _ in 0..<11 { worker.step() }
        #expect(worker.served["newcomer"] != nil)
    }

    @Test func `what was moved goes before new ones and is not charged for again`() throws {
        var scheduler = ClusterScheduler.with([.small(slots: 1)])
        func spec(_ id: UInt64, _ tenant: String) -> RequestSpec {
            var spec = RequestSpec.plain(id, tokens: id == 1 ? 220 : 200)
            spec.tenant = tenant
            return spec
        }
        let first = try #require(try scheduler.requestSubmitted(spec(1, "a"), now: .at(0)).admissions.first)
        _ = try scheduler.requestSubmitted(spec(2, "a"), now: .at(0))
        _ = try scheduler.requestSubmitted(spec(3, "b"), now: .at(0))
        _ = try scheduler.requestSubmitted(spec(4, "b"), now: .at(0))
        // Nothing of tenant b has run: it is b's turn, but request 1 has begun.
        let load = WorkerLoad(freeSlots: 1, freePages: 64, runningSequences: 0, waitingPrefillTokens: 0)
        _ = scheduler.sequencePreempted(first.sequence, by: WorkerID(1), now: .at(0.1))
        let again = scheduler.report(1, [], load: load, at: 0.1).actions
        #expect(again.admissions.map(\.request) == [1])

        var order: [UInt64] = []
        var running = try #require(again.admissions.first?.sequence)
        for step in 1...3 {
            let entry = StepEntry(sequence: running, tokens: [1], finish: .length)
            let answer = scheduler.report(1, [entry], load: load, at: 0.1 + Double(step) / 10)
            let next = try #require(answer.actions.admissions.first)
            order.append(next.request)
            running = next.sequence
        }

        // Had a been charged for its prompt twice, both of b's would go before its second.
        #expect(order == [3, 2, 4])
        #expect(scheduler.invariantViolation() == nil)
    }

    @Test func `a cached prompt is charged a tenth, and in full when the worker had it no more`() throws {
        for (found, expected) in [(160, [2, 3, 4]), (0, [2, 4, 6])] as [(Int, [UInt64])] {
            var scheduler = ClusterScheduler.with([.small(slots: 1, budget: 1000)])
            let warm: [TokenID] = Array(repeating: 7, count: 161)
            let hashes = PrefixHash.chain(warm, pageTokenCount: 16, salt: 0)
            scheduler.workerPrefixChanged(WorkerID(1), added: hashes, removed: [], isSnapshot: true)
            func spec(_ id: UInt64, _ tenant: String, tokens: Int, token: TokenID) -> RequestSpec {
                var spec = RequestSpec.plain(id, tokens: tokens, token: token, max: 1)
                spec.tenant = tenant
                return spec
            }
            let first = try scheduler.requestSubmitted(spec(1, "cached", tokens: 161, token: 7), now: .at(0))
            var running = try #require(first.admissions.first?.sequence)
            // "cached" was charged 1 + 160 / 10 tokens, and 144 more where none were found; "cold" pays 62 a request.
            for (id, tenant) in [(2, "cold"), (4, "cold"), (6, "cold"), (3, "cached"), (5, "cached")]
                as [(UInt64, String)]
            {
                _ = try scheduler.requestSubmitted(spec(id, tenant, tokens: 60, token: TokenID(id + 10)), now: .at(0))
            }
            var order: [UInt64] = []
            for step in 1...3 {
                let entry = StepEntry(
                    sequence: running, tokens: [1], cachedTokenCount: step == 1 ? found : 0, finish: .length)
                let load = WorkerLoad(freeSlots: 1, freePages: 64, runningSequences: 0, waitingPrefillTokens: 0)
                let answer = scheduler.report(1, [entry], load: load, at: Double(step) / 10)
                let next = try #require(answer.actions.admissions.first)
                order.append(next.request)
                running = next.sequence
            }
            #expect(order == expected, "found \(found) cached tokens")
        }
    }

    @Test func `who asks is not forgotten for the many that have requests open`() throws {
        var limits = SchedulingLimits()
        limits.tenantsMax = 1
        var scheduler = ClusterScheduler.with([.small()], limits: limits)
        for (id, tenant) in ["a", "b", "c"].enumerated() {
            var spec = RequestSpec.plain(UInt64(id + 1))
            spec.tenant = tenant
            _ = try scheduler.requestSubmitted(spec, now: .at(0))
        }
        #expect(scheduler.tenantCount == 3)
        #expect(scheduler.invariantViolation() == nil)
    }

    @Test func `tenants with nothing open are forgotten after a while, and earlier where there are many`() throws {
        var limits = SchedulingLimits()
        limits.tenantMemorySeconds = 60
        limits.tenantsMax = 100
        var scheduler = ClusterScheduler.with([.small(slots: 1)], limits: limits)
        func visit(_ id: UInt64, at seconds: Double) throws {
            var spec = RequestSpec.plain(id)
            spec.tenant = "visitor \(id)"
            _ = try scheduler.requestSubmitted(spec, now: .at(seconds))
            _ = scheduler.requestCancelled(spec.id, now: .at(seconds))
        }

        for id in 1...1000 as ClosedRange<UInt64> { try visit(id, at: 0) }
        #expect(scheduler.tenantCount <= 101)
        try visit(2000, at: 100)

        #expect(scheduler.tenantCount == 1)
        #expect(scheduler.invariantViolation() == nil)
    }
}
