import Inference
import Scheduling
import Testing

/// Workers that make steps at their own pace, with a long queue before them.
struct PacedCluster {
    var scheduler: ClusterScheduler
    var now = 0.0
    /// Seconds of a step, by worker.
    var pace: [UInt64: Double]
    private var nextStep: [UInt64: Double] = [:]
    private var stepBegan: [UInt64: Double] = [:]
    private var running: [UInt64: [(id: SequenceID, left: Int)]] = [:]
    private var commandsSeen: [UInt64: UInt64] = [:]
    private var askedBack: [UInt64: [SequenceID]] = [:]
    private var nextRequest: UInt64 = 0
    private(set) var admissions: [(at: Double, worker: UInt64)] = []
    private(set) var moves: [MoveCause] = []
    private(set) var suspicions: [(at: Double, worker: UInt64)] = []
    /// Rows of a step, as its worker says; one for each sequence where it says nothing.
    var rows: [UInt64: Int] = [:]
    var usedPages: [UInt64: Int] = [:]
    /// Prompt tokens that wait, as each report says.
    var prefill: [UInt64: Int] = [:]
    private let slots = 4
    /// Between signs of life of a worker in a step; nil where they give none.
    private let signSeconds: Double?

    /// - Parameter numericsIDs: of each worker; all have the same one where there are none.
    init(_ pace: [Double], signSeconds: Double? = nil, numericsIDs: [String] = []) {
        var limits = SchedulingLimits()
        limits.queueWaitSecondsMax = .infinity
        var description = WorkerDescription.small(slots: 4, pages: 1000, budget: 256)
        description.signSeconds = signSeconds
        self.signSeconds = signSeconds
        let descriptions = pace.indices.map { worker in
            var own = description
            if !numericsIDs.isEmpty { own.numericsID = numericsIDs[worker] }
            return own
        }
        scheduler = .with(descriptions, limits: limits)
        self.pace = Dictionary(uniqueKeysWithValues: pace.enumerated().map { (UInt64($0 + 1), $1) })
    }

    mutating func submit(_ count: Int, tokens: Int = 50) throws {
        for _ in 0..<count {
            nextRequest += 1
            obey(try scheduler.requestSubmitted(.plain(nextRequest, max: tokens), now: .at(now)))
        }
    }

    func runningCount(_ worker: UInt64) -> Int { running[worker]?.count ?? 0 }

    func admissions(to worker: UInt64, after start: Double) -> Int {
        admissions.count { $0.worker == worker && $0.at > start }
    }

    mutating func run(until end: Double) {
        while now < end {
            now += 0.01
            for worker in pace.keys.sorted() { stepIfDue(worker) }
            if let signSeconds, Int((now * 100).rounded()) % Int(signSeconds * 100) == 0 {
                for worker in pace.keys.sorted() where runningCount(worker) > 0 {
                    obey(scheduler.workerWorks(WorkerID(worker), now: .at(now)))
                }
            }
            if Int((now * 100).rounded()) % 5 == 0 { obey(scheduler.timePassed(.at(now))) }
        }
    }

    /// A worker without a pace is silent. When it speaks again it says what it has.
    mutating func speak(_ worker: UInt64) {
        obey(
            scheduler.workerCredit(
                WorkerID(worker), slotCount: slots, pageCount: 1000, load: load(worker),
                commandsSeen: commandsSeen[worker] ?? 0, now: .at(now)))
    }

    private func load(_ worker: UInt64) -> WorkerLoad {
        WorkerLoad(
            freeSlots: slots - runningCount(worker), freePages: 1000 - (usedPages[worker] ?? runningCount(worker)),
            runningSequences: runningCount(worker), waitingPrefillTokens: prefill[worker] ?? 0)
    }

    private mutating func stepIfDue(_ worker: UInt64) {
        guard runningCount(worker) > 0 || askedBack[worker]?.isEmpty == false else {
            nextStep[worker] = nil
            return
        }
        if nextStep[worker] == nil { stepBegan[worker] = now }
        let due = nextStep[worker] ?? now + (pace[worker] ?? 0)
        nextStep[worker] = due
        guard due <= now else { return }
        let seconds = due - (stepBegan[worker] ?? due)
        (nextStep[worker], stepBegan[worker]) = (now + (pace[worker] ?? 0), now)
        for id in askedBack.removeValue(forKey: worker) ?? [] {
            guard let place = running[worker]?.firstIndex(where: { $0.id == id }) else { continue }
            running[worker]?.remove(at: place)
            obey(scheduler.sequencePreempted(id, by: WorkerID(worker), now: .at(now)))
        }
        for place in (running[worker] ?? []).indices { running[worker]?[place].left -= 1 }
        let entries = (running[worker] ?? []).map {
            StepEntry(sequence: $0.id, tokens: [1], finish: $0.left == 0 ? .length : nil)
        }
        running[worker]?.removeAll { $0.left == 0 }
        let report = StepReport(
            number: 1, durationMicroseconds: UInt32(seconds * 1e6),
            tokenCount: rows[worker] ?? entries.count, entries: entries, load: load(worker),
            commandsSeen: commandsSeen[worker] ?? 0)
        obey(scheduler.workerReported(WorkerID(worker), report, now: .at(now)).actions)
    }

    private mutating func obey(_ actions: [SchedulingAction]) {
        for action in actions {
            switch action {
            case .admit(_, let sequence, let worker):
                commandsSeen[worker.rawValue, default: 0] += 1
                running[worker.rawValue, default: []].append((sequence, 50))
                admissions.append((now, worker.rawValue))
            case .preempt(let sequence, let worker):
                commandsSeen[worker.rawValue, default: 0] += 1
                askedBack[worker.rawValue, default: []].append(sequence)
            case .cancel(let sequence, let worker):
                commandsSeen[worker.rawValue, default: 0] += 1
                running[worker.rawValue]?.removeAll { $0.id == sequence }
            case .moved(_, let cause): moves.append(cause)
            case .suspected(let worker): suspicions.append((now, worker.rawValue))
            case .fail, .recovered: break
            }
        }
    }
}

@Suite struct SlowWorkerTests {
    @Test func `a worker ten times slower gets nothing new within two seconds, and its sequences go elsewhere`() throws
    {
        var cluster = PacedCluster([0.05, 0.05, 0.05])
        try cluster.submit(9)
        cluster.run(until: 0.5)
        try cluster.submit(200)
        cluster.run(until: 1)

        cluster.pace[2] = 0.5
        cluster.run(until: 3)

        #expect(cluster.scheduler.workerState(WorkerID(2)) == .slow)
        #expect(cluster.suspicions.map(\.worker) == [2])
        let found = try #require(cluster.suspicions.first?.at)
        #expect(found < 3)
        cluster.run(until: found + 4)
        #expect(cluster.admissions(to: 2, after: found) == 0)
        #expect(cluster.scheduler.invariantViolation() == nil)
    }

    @Test func `what a slow worker runs moves as far as others have room`() throws {
        var cluster = PacedCluster([0.05, 0.05, 0.05])
        try cluster.submit(6)
        cluster.run(until: 0.3)
        let before = cluster.runningCount(2)

        cluster.pace[2] = 0.5
        cluster.run(until: 2.5)

        #expect(before == 2)
        #expect(cluster.moves == [.workerSlow, .workerSlow])
        #expect(cluster.runningCount(2) == 0)
        cluster.run(until: 10)
        #expect(cluster.scheduler.openRequests == 0)
        #expect(cluster.scheduler.invariantViolation() == nil)
    }

    @Test func `where all are slow nobody is set aside`() throws {
        var cluster = PacedCluster([0.05, 0.05, 0.06, 0.05])
        try cluster.submit(300)
        cluster.run(until: 1)

        for worker in cluster.pace.keys { cluster.pace[worker] = 0.6 }
        cluster.run(until: 10)

        #expect(cluster.suspicions.isEmpty)
    }

    @Test func `at most half are set aside, and a lone worker never`() throws {
        var lone = PacedCluster([0.05])
        try lone.submit(50)
        lone.run(until: 1)
        lone.pace[1] = 0.5
        lone.run(until: 6)
        #expect(lone.suspicions.isEmpty)

        var cluster = PacedCluster([0.05, 0.05, 0.05, 0.05, 0.05])
        try cluster.submit(600)
        cluster.run(until: 1)
        for worker in [1, 2] as [UInt64] { cluster.pace[worker] = 0.6 }
        cluster.run(until: 4)
        #expect(cluster.scheduler.workerCount(.slow) == 2)

        // Nor does one of two that give the same bits go for a moment, only to come back.
        var pair = PacedCluster([0.05, 0.05, 0.05, 0.05, 0.05], numericsIDs: ["a", "a", "b", "b", "b"])
        try pair.submit(600)
        pair.run(until: 1)
        for worker in [1, 2] as [UInt64] { pair.pace[worker] = 0.6 }
        pair.run(until: 4)
        #expect(pair.scheduler.workerCount(.slow) == 1)
        #expect(Set(pair.suspicions.map(\.worker)).count == 1)

        // Where the fast ones go, a slow one is better than none.
        for worker in [3, 4, 5] as [UInt64] {
            cluster.pace[worker] = nil
            _ = cluster.scheduler.workerLost(WorkerID(worker), now: .at(cluster.now))
        }
        cluster.run(until: 5)
        #expect(cluster.scheduler.workerCount(.slow) <= 1)
        #expect(cluster.scheduler.workerCount(.ready) >= 1)
        #expect(cluster.scheduler.invariantViolation() == nil)
    }

    @Test func `a single long step, more rows and a longer context are no slowness`() throws {
        var cluster = PacedCluster([0.05, 0.05, 0.05])
        try cluster.submit(300)
        cluster.run(until: 1)
        cluster.pace[1] = 0.6
        cluster.run(until: 1.5)
        cluster.pace[1] = 0.05
        cluster.run(until: 4)
        #expect(cluster.suspicions.isEmpty)

        cluster.rows[1] = 64
        cluster.usedPages[2] = 200
        (cluster.pace[1], cluster.pace[2]) = (0.5, 0.5)
        cluster.run(until: 8)
        #expect(cluster.suspicions.isEmpty)
    }

    @Test func `a slow worker is tried again with one sequence, and is back when that goes well`() throws {
        var cluster = PacedCluster([0.05, 0.05, 0.05])
        try cluster.submit(400)
        cluster.run(until: 1)
        cluster.pace[3] = 0.5
        cluster.run(until: 4)
        let found = try #require(cluster.suspicions.first?.at)
        // Nobody has room, so it keeps what it has until that is done or its pause is over.
        cluster.run(until: 40)
        let tries = cluster.suspicions.count { $0.worker == 3 }
        #expect(tries >= 2)
        #expect(cluster.admissions(to: 3, after: found) <= 2 * tries)

        cluster.pace[3] = 0.05
        try cluster.submit(1000)
        cluster.run(until: 95)
        #expect(cluster.scheduler.workerState(WorkerID(3)) == .ready)
        #expect(cluster.runningCount(3) == 4)
        #expect(cluster.scheduler.invariantViolation() == nil)
    }

    /// Worker 2 of three is slow and then silent, until the time that is given.
    private static func slowAndSilent(until seconds: Double) throws -> PacedCluster {
        var cluster = PacedCluster([0.05, 0.05, 0.05], signSeconds: 0.2)
        try cluster.submit(400)
        cluster.run(until: 1)
        cluster.pace[2] = 0.5
        cluster.run(until: 3)
        #expect(cluster.scheduler.workerState(WorkerID(2)) == .slow)
        cluster.pace[2] = nil
        cluster.run(until: 4.5)
        #expect(cluster.scheduler.workerState(WorkerID(2)) == .suspect)
        #expect(cluster.runningCount(2) == 0)
        cluster.run(until: seconds)
        return cluster
    }

    @Test func `a slow worker that falls silent and speaks again is slow as before`() throws {
        var cluster = try Self.slowAndSilent(until: 5)
        let spoke = cluster.now

        cluster.pace[2] = 0.5
        cluster.speak(2)
        cluster.run(until: spoke + 1)

        #expect(cluster.scheduler.workerState(WorkerID(2)) == .slow)
        #expect(cluster.admissions(to: 2, after: spoke) == 0)
        // Its pause ends as if it had not been silent: it is tried with one sequence, and set aside for longer.
        cluster.run(until: spoke + 6)
        #expect(cluster.admissions(to: 2, after: spoke) == 1)
        #expect(cluster.scheduler.workerState(WorkerID(2)) == .slow)
        #expect(cluster.scheduler.invariantViolation() == nil)
    }

    @Test(arguments: [0.5, 0.05])
    func `a slow worker that was silent beyond its pause is tried with one sequence`(pace: Double) throws {
        var cluster = try Self.slowAndSilent(until: 12)
        let spoke = cluster.now

        cluster.pace[2] = pace
        cluster.speak(2)
        cluster.run(until: spoke + 0.1)

        #expect(cluster.scheduler.workerState(WorkerID(2)) == .ready)
        #expect(cluster.admissions(to: 2, after: spoke - 0.005) == 1)
        // What it shows now counts, and not what it was before.
        cluster.run(until: spoke + 4)
        #expect(cluster.scheduler.workerState(WorkerID(2)) == (pace == 0.5 ? .slow : .ready))
        #expect(cluster.runningCount(2) == (pace == 0.5 ? 1 : 4))
        #expect(cluster.scheduler.invariantViolation() == nil)
    }
}
