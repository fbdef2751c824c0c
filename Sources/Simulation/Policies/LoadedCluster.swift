import Inference
package import Scheduling

/// Many busy workers and a long queue, with nothing but the scheduler to pay for: a report is made before the clock
/// starts, and the answer is obeyed after it stops.
package struct LoadedCluster: Sendable {
    package struct Shape: Sendable {
        package var workers: Int
        package var waiting: Int
        package let slots = 32
        /// 24 are what a sequence comes to need.
        let pages = 2048
        let tenants = 100

        package init(workers: Int, waiting: Int) {
            self.workers = workers
            self.waiting = waiting
        }
    }

    private struct Worker: Sendable {
        var running: [(id: SequenceID, remaining: Int)] = []
        var commandsSeen: UInt64 = 0
        var steps: UInt64 = 0
    }

    package let shape: Shape
    package private(set) var scheduler: ClusterScheduler
    private var random = SimulatedRandom(seed: 7, stream: 20)
    private var workers: [Worker]
    private var nextRequest: UInt64 = 0
    private var now = Instant(nanoseconds: 0)
    package private(set) var entryCount = 0
    package private(set) var admissionCount = 0
    /// Of all decisions.
    package private(set) var hash = EventHash()
    /// Requests that ended and were not followed by a new one yet.
    private var missing: Int

    /// Sixteen system prompts of eight pages, which every worker holds.
    private let systemPrompts: [[TokenID]] = (0..<16).map { prompt in (0..<128).map { prompt * 31 + $0 } }

    package init(_ shape: Shape) {
        self.shape = shape
        var limits = SchedulingLimits()
        (limits.queueRequestsMax, limits.queueTokensMax) = (.max, .max)
        limits.queueWaitSecondsMax = .infinity
        (limits.queueTimeoutSeconds, limits.requestTimeoutSeconds) = (1e6, 1e6)
        scheduler = ClusterScheduler(limits: limits)
        workers = Array(repeating: Worker(), count: shape.workers)
        missing = shape.waiting + shape.workers * shape.slots
        let description = WorkerDescription(
            model: "m", numericsID: "a", epoch: 1, slotCount: shape.slots, pageCount: shape.pages, pageTokenCount: 16,
            contextLength: 4096, vocabularySize: SimulatedModel.vocabularySize, stepTokenBudget: 512)
        let hashes = systemPrompts.flatMap { PrefixHash.chain($0, pageTokenCount: 16, salt: 0) }
        for place in workers.indices {
            _ = scheduler.workerWelcomed(Self.id(place), description, now: Instant(nanoseconds: 0))
            scheduler.workerPrefixChanged(Self.id(place), added: hashes, removed: [], isSnapshot: true)
        }
    }

    private static func id(_ place: Int) -> WorkerID { WorkerID(UInt64(place + 1)) }

    /// Requests of 256 prompt tokens, in place of those that ended.
    /// - Returns: how many.
    package mutating func refill(_ measure: (() throws -> Void) throws -> Void) throws -> Int {
        let specs = (0..<missing).map { _ in
            nextRequest += 1
            let own = (0..<128).map { _ in TokenID(random.below(1000)) }
            return RequestSpec(
                id: RequestID(nextRequest), model: "m", prompts: [systemPrompts[random.below(16)] + own],
                maxTokens: 256, tenant: "tenant \(random.below(shape.tenants))")
        }
        missing = 0
        var actions: [SchedulingAction] = []
        try measure {
            for spec in specs { actions += try scheduler.requestSubmitted(spec, now: now) }
        }
        obey(actions)
        return specs.count
    }

    /// One step of every worker: 50 ms of a cluster's life.
    package mutating func step(_ measure: (() -> Void) -> Void) {
        now = now.advanced(bySeconds: 0.05)
        var actions: [SchedulingAction] = []
        for place in workers.indices {
            // Made just before, as if it had just been read from a socket.
            let report = report(of: place)
            measure { actions = scheduler.workerReported(Self.id(place), report, now: now).actions }
            obey(actions)
        }
        measure { actions = scheduler.timePassed(now) }
        obey(actions)
    }

    private mutating func report(of place: Int) -> StepReport {
        var entries: [StepEntry] = []
        for number in workers[place].running.indices {
            workers[place].running[number].remaining -= 1
            let (id, remaining) = workers[place].running[number]
            let token = TokenID(truncatingIfNeeded: remaining)
            entries.append(StepEntry(sequence: id, tokens: [token], finish: remaining == 0 ? .length : nil))
        }
        workers[place].running.removeAll { $0.remaining == 0 }
        workers[place].steps += 1
        let running = workers[place].running.count
        entryCount += entries.count
        missing += entries.count - running
        return StepReport(
            number: workers[place].steps, durationMicroseconds: 50_000, tokenCount: entries.count, entries: entries,
            load: WorkerLoad(
                freeSlots: shape.slots - running, freePages: max(0, shape.pages - 20 * running),
                runningSequences: running,
                waitingPrefillTokens: 0),
            commandsSeen: workers[place].commandsSeen)
    }

    private mutating func obey(_ actions: [SchedulingAction]) {
        for case .admit(_, let sequence, let worker) in actions {
            let place = Int(worker.rawValue) - 1
            workers[place].commandsSeen += 1
            workers[place].running.append((sequence, 64 + random.below(128)))
            admissionCount += 1
            hash.add(sequence.rawValue)
            hash.add(worker.rawValue)
        }
    }
}
