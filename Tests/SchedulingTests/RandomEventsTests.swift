import Inference
import Scheduling
import TestSupport
import Testing

/// A cluster of model workers behind links that delay, die, stall and drain, with clients that come and go: thousands
/// of events from a seed, the books counted again after each.
struct RandomCluster {
    var scheduler: ClusterScheduler
    var random: SeededRandom
    var now = 0.0
    private var workers: [WorkerID: ModelWorker] = [:]
    /// What workers said and the router has not heard yet.
    private var flying: [(worker: WorkerID, event: WorkerEvent)] = []
    private var stalled: [WorkerID: Double] = [:]
    private var nextWorker: UInt64 = 0
    private var nextRequest: UInt64 = 0
    private var outputLimits: [RequestID: Int] = [:]
    private var open: [RequestID: RequestSpec] = [:]
    private var outputs: [ChoiceID: Int] = [:]
    private var ended: [ChoiceID: Int] = [:]
    private(set) var outcomes: [RequestID: String] = [:]
    private(set) var submitted = 0
    private(set) var moves = 0
    var faults = true

    init(seed: UInt64) {
        var limits = SchedulingLimits()
        limits.queueRequestsMax = 40
        limits.queueTimeoutSeconds = 20
        limits.requestTimeoutSeconds = 60
        scheduler = ClusterScheduler(limits: limits)
        random = SeededRandom(seed: seed)
        for _ in 0..<3 { startWorker() }
    }

    mutating func startWorker() {
        nextWorker += 1
        let id = WorkerID(nextWorker)
        var description = WorkerDescription.small(
            numericsID: random.happens(0.8) ? "a" : "b", slots: 2 + random.below(4), pages: 20 + random.below(30),
            context: 400)
        if random.happens(0.5) { description.signSeconds = 0.2 }
        workers[id] = ModelWorker(description)
        perform(scheduler.workerWelcomed(id, description, now: .at(now)))
    }

    /// One random thing happens.
    mutating func tick() {
        now += 0.001 * Double(random.below(20))
        switch random.below(100) {
        case 0..<12: submit()
        case 12..<15:
            if let id = open.keys.sorted().dropFirst(random.below(max(1, open.count))).first { cancel(id) }
        case 15..<17 where faults: kill()
        case 17..<19 where faults: if workers.count < 6 { startWorker() }
        case 19..<20 where faults: if let id = someWorker() { stalled[id] = now + Double(random.below(4)) }
        case 20..<21 where faults:
            if let id = someWorker(), var worker = workers[id] {
                worker.isDraining = true
                workers[id] = worker
                flying.append((id, .draining))
            }
        case 21..<60: if let id = someWorker() { step(id) }
        case 60..<65: perform(scheduler.timePassed(.at(now)))
        default: for _ in 0..<(1 + random.below(3)) { hear() }
        }
    }

    /// Whatever was underway comes to an end: no more faults, no more clients.
    mutating func settle() {
        faults = false
        stalled.removeAll()
        for id in workers.keys.sorted() where workers[id]?.isDraining == true { lose(id) }
        for numericsID in ["a", "b"] {
            nextWorker += 1
            let description = WorkerDescription.small(numericsID: numericsID, slots: 8, pages: 60, context: 400)
            workers[WorkerID(nextWorker)] = ModelWorker(description)
            perform(scheduler.workerWelcomed(WorkerID(nextWorker), description, now: .at(now)))
        }
        for _ in 0..<20_000 where !open.isEmpty {
            now += 0.01
            for id in workers.keys.sorted() { step(id) }
            while !flying.isEmpty { hear() }
            perform(scheduler.timePassed(.at(now)))
        }
    }

    private mutating func someWorker() -> WorkerID? {
        workers.isEmpty ? nil : workers.keys.sorted()[random.below(workers.count)]
    }

    private mutating func submit() {
        nextRequest += 1
        let id = RequestID(nextRequest)
        let prompts = (0...(random.happens(0.1) ? 1 : 0)).map { _ in
            Array(repeating: TokenID(random.below(4)), count: 1 + random.below(random.happens(0.1) ? 300 : 60))
        }
        let limit = 1 + random.below(40)
        var spec = RequestSpec(
            id: id, model: "m", prompts: prompts, choiceCount: random.happens(0.2) ? 3 : 1, maxTokens: limit,
            priority: random.below(3), tenant: ["", "a", "b"][random.below(3)],
            queueTimeoutSeconds: random.happens(0.1) ? 0.5 : nil)
        spec.isCopy = random.happens(0.2)
        if random.happens(0.1) { spec.numericsID = random.happens(0.5) ? "a" : "b" }
        outputLimits[id] = 1 + random.below(limit)
        do {
            let actions = try scheduler.requestSubmitted(spec, now: .at(now))
            submitted += 1
            open[id] = spec
            perform(actions)
        } catch {
            switch error {
            case .queueFull, .queueSlow: break
            case .unavailable where spec.isCopy: break
            default: Issue.record("\(id) was refused for \(error)")
            }
        }
    }

    private mutating func cancel(_ id: RequestID) {
        end(id, "cancelled")
        perform(scheduler.requestCancelled(id, now: .at(now)))
    }

    private mutating func kill() {
        guard let id = someWorker() else { return }
        lose(id)
    }

    private mutating func lose(_ id: WorkerID) {
        workers[id] = nil
        stalled[id] = nil
        flying.removeAll { $0.worker == id }
        perform(scheduler.workerLost(id, now: .at(now)))
    }

    private mutating func step(_ id: WorkerID) {
        if let until = stalled[id] {
            if random.happens(0.2) { flying.append((id, .working)) }
            guard until < now else { return }
            stalled[id] = nil
        }
        guard var worker = workers[id], worker.hasWork else { return }
        let owners = owners
        let limits = outputLimits
        let events = worker.step { sequence in
            owners[sequence.id].flatMap { limits[$0.request] } ?? 1
        }
        workers[id] = worker
        flying += events.map { (id, $0) }
    }

    private var owners: [SequenceID: ChoiceID] = [:]

    /// The oldest event of some worker arrives: links keep their order, and no order among each other.
    private mutating func hear() {
        guard !flying.isEmpty else { return }
        let worker = flying[random.below(flying.count)].worker
        guard let place = flying.firstIndex(where: { $0.worker == worker }) else { return }
        switch flying.remove(at: place).event {
        case .step(let report):
            let answer = scheduler.workerReported(worker, report, now: .at(now))
            for (entry, choice) in zip(report.entries, answer.choices) {
                guard let choice else { continue }
                #expect(owners[entry.sequence] == choice, "\(entry.sequence) was given to another choice")
                #expect(ended[choice] == nil, "\(choice) got tokens after its end")
                outputs[choice, default: 0] += entry.tokens.count
                if entry.finish != nil { finish(choice) }
            }
            perform(answer.actions)
        case .preempted(let id): perform(scheduler.sequencePreempted(id, by: worker, now: .at(now)))
        case .refused(let id): perform(scheduler.sequenceRefused(id, by: worker, now: .at(now)))
        case .draining: perform(scheduler.workerDraining(worker, now: .at(now)))
        case .working: perform(scheduler.workerWorks(worker, now: .at(now)))
        case .taken(let commands): scheduler.workerTook(worker, commands: commands)
        case .welcome, .credit, .prefix: break
        }
    }

    private mutating func perform(_ actions: [SchedulingAction]) {
        for action in actions {
            switch action {
            case .admit(let choice, let sequence, let worker):
                guard let spec = open[choice.request] else {
                    Issue.record("\(choice) was admitted after its end")
                    continue
                }
                #expect(owners[sequence] == nil, "\(sequence) names two admissions")
                #expect(workers[worker]?.isDraining != true || scheduler.workerState(worker) == .ready)
                owners[sequence] = choice
                let prompt = spec.prompts[choice.index / spec.choiceCount]
                let journal = Array(repeating: TokenID(1), count: outputs[choice, default: 0])
                workers[worker]?.receive(
                    .admit(
                        AdmittedSequence(
                            id: sequence, tokens: prompt + journal, promptTokenCount: prompt.count,
                            sampling: SamplingParameters())))
                if !journal.isEmpty, let taken = workers[worker]?.commandsTaken {
                    flying.append((worker, .taken(commands: taken)))
                }
            case .cancel(let sequence, let worker): workers[worker]?.receive(.cancel(sequence))
            case .preempt(let sequence, let worker): workers[worker]?.receive(.preempt(sequence))
            case .fail(let id, let error): end(id, "\(error)")
            case .moved: moves += 1
            case .suspected, .recovered: break
            }
        }
    }

    private mutating func finish(_ choice: ChoiceID) {
        ended[choice, default: 0] += 1
        guard let spec = open[choice.request] else { return }
        let all = spec.prompts.count * spec.choiceCount
        guard (0..<all).allSatisfy({ ended[ChoiceID(choice.request, $0)] == 1 }) else { return }
        for index in 0..<all {
            #expect(outputs[ChoiceID(choice.request, index)] == outputLimits[choice.request], "tokens lost or doubled")
        }
        end(choice.request, "completed")
    }

    private mutating func end(_ id: RequestID, _ outcome: String) {
        #expect(open.removeValue(forKey: id) != nil, "\(id) ended twice: \(outcome)")
        outcomes[id] = outcome
    }
}

@Suite struct RandomEventsTests {
    @Test(arguments: 1...12 as ClosedRange<UInt64>)
    func `whatever happens, every request ends exactly once and the books are right`(seed: UInt64) {
        var cluster = RandomCluster(seed: seed)
        for event in 0..<4000 {
            cluster.tick()
            if let wrong = cluster.scheduler.invariantViolation() {
                Issue.record("seed \(seed), event \(event): \(wrong)")
                return
            }
        }
        cluster.settle()

        #expect(cluster.scheduler.invariantViolation() == nil)
        #expect(cluster.scheduler.openRequests == 0, "seed \(seed) leaves \(cluster.scheduler.openRequests) requests")
        #expect(cluster.outcomes.count == cluster.submitted)
        #expect(cluster.outcomes.values.count { $0 == "completed" } > 100)
        #expect(cluster.moves > 10)
    }
}
