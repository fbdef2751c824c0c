import DequeModule
import Inference
import Scheduling

/// One trace through one cluster, without faults: either the real scheduler admits, or requests are pushed to workers
/// that keep queues of their own. Workers, steps and network are the same.
package struct PolicyRun: Sendable {
    private enum Event: Sendable {
        case arrived(Int)
        case told(worker: Int, [SimulatedWorker.Message])
        case pushed(worker: Int, AdmittedSequence)
        case stepEnded(worker: Int)
        case heard(worker: Int, [WorkerEvent])
        case ticked
    }

    private struct Host: Sendable {
        var worker: SimulatedWorker
        var isComputing = false
        /// Of a worker that is pushed to.
        var line: Deque<AdmittedSequence> = []
    }

    private let options: PolicyOptions
    private var trace: ArrivalTrace
    private var queue = EventQueue<Event>()
    private var now = Instant(nanoseconds: 0)
    private let start = Instant(nanoseconds: 0)
    private var scheduler = ClusterScheduler()
    private var balancer: (any PushBalancer)?
    private var hosts: [Host]
    private var underway: [Int]
    private var streams: [UInt64: OpenStream] = [:]
    private var owners: [SequenceID: UInt64] = [:]
    private var openCount = 0
    private var hasMore = true

    private var figures: PolicyFigures
    private var slow: SlowWatch
    private var result = PolicyResult()

    package static func run(_ options: PolicyOptions) -> PolicyResult {
        var run = PolicyRun(options)
        run.begin()
        while let (time, event) = run.queue.next() {
            run.now = time
            run.handle(event)
        }
        return run.finish()
    }

    private init(_ options: PolicyOptions) {
        self.options = options
        trace = ArrivalTrace(options)
        let description = options.worker
        hosts = Array(
            repeating: Host(worker: SimulatedWorker(description, cost: .measured)), count: options.workerCount)
        underway = Array(repeating: 0, count: options.workerCount)
        figures = PolicyFigures(tenantCount: trace.tenantCount)
        slow = SlowWatch(count: options.slowWorkers, from: start.advanced(bySeconds: options.warmUpSeconds))
        balancer =
            switch options.policy {
            case .apus: nil
            case .roundRobin: RoundRobin()
            case .leastLoaded: LeastLoaded()
            case .cacheAware:
                CacheAware(
                    workerCount: options.workerCount, pageTokenCount: description.pageTokenCount,
                    pagesMax: description.pageCount)
            }
        // All are compared on the same requests: none is refused or ended by a limit.
        var limits = SchedulingLimits()
        limits.queueRequestsMax = .max
        limits.queueTokensMax = .max
        limits.queueWaitSecondsMax = .infinity
        limits.queueTimeoutSeconds = 1e6
        limits.requestTimeoutSeconds = 1e6
        scheduler = ClusterScheduler(limits: limits)
    }

    private func after(_ seconds: Double) -> Instant { now.advanced(bySeconds: seconds) }

    private mutating func begin() {
        for index in hosts.indices {
            hosts[index].worker.receive(.register(LinkName()))
            if balancer == nil {
                perform(scheduler.workerWelcomed(WorkerID(UInt64(index)), options.worker, now: now))
            }
            beginStep(index)
        }
        if !trace.turns.isEmpty { queue.schedule(.arrived(0), at: time(of: 0)) }
        if balancer == nil { queue.schedule(.ticked, at: after(0.05)) }
    }

    private func time(of turn: Int) -> Instant {
        start.advanced(bySeconds: trace.turns[turn].seconds + options.warmUpSeconds)
    }

    private mutating func handle(_ event: Event) {
        switch event {
        case .arrived(let turn): arrive(turn)
        case .told(let index, let messages):
            for message in messages { hosts[index].worker.receive(message) }
            beginStep(index)
        case .pushed(let index, let sequence):
            hosts[index].line.append(sequence)
            beginStep(index)
        case .stepEnded(let index):
            hosts[index].isComputing = false
            send(hosts[index].worker.finish(), from: index)
            beginStep(index)
        case .heard(let index, let events): for event in events { hear(event, from: index) }
        case .ticked:
            perform(scheduler.timePassed(now))
            if hasMore || openCount > 0 { queue.schedule(.ticked, at: after(0.05)) }
        }
    }

    // MARK: - Router

    private mutating func arrive(_ turn: Int) {
        hasMore = turn + 1 < trace.turns.count
        if hasMore { queue.schedule(.arrived(turn + 1), at: max(now, time(of: turn + 1))) }
        let (prompt, sampling) = trace.request(turn)
        let id = UInt64(turn + 1)
        let sequence = AdmittedSequence(
            id: SequenceID(id), tokens: prompt, promptTokenCount: prompt.count, sampling: sampling)
        streams[id] = OpenStream(turn: turn, arrivedAt: now, admitted: sequence)
        openCount += 1
        if trace.turns[turn].seconds >= 0 {
            figures.asked(trace.turns[turn], promptTokens: prompt.count)
            result.requestCount += 1
        }
        guard let worker = balancer?.choose(prompt, underway: underway) else {
            let spec = RequestSpec(
                id: RequestID(id), model: "m", prompts: [prompt], maxTokens: sampling.maxTokens,
                tenant: "\(trace.turns[turn].tenant)")
            if let actions = try? scheduler.requestSubmitted(spec, now: now) { perform(actions) }
            return
        }
        underway[worker] += 1
        owners[SequenceID(id)] = id
        queue.schedule(.pushed(worker: worker, sequence), at: after(PolicyOptions.delaySeconds))
    }

    private mutating func hear(_ event: WorkerEvent, from index: Int) {
        let worker = WorkerID(UInt64(index))
        switch event {
        case .step(let report):
            if balancer == nil {
                let answer = scheduler.workerReported(worker, report, now: now)
                perform(answer.actions)
            }
            for entry in report.entries { deliver(entry, from: index) }
        case .credit(let slotCount, let pageCount, let load, let commandsSeen) where balancer == nil:
            perform(
                scheduler.workerCredit(
                    worker, slotCount: slotCount, pageCount: pageCount, load: load, commandsSeen: commandsSeen,
                    now: now))
        case .prefix(let added, let removed, let isSnapshot) where balancer == nil:
            scheduler.workerPrefixChanged(worker, added: added, removed: removed, isSnapshot: isSnapshot)
        case .preempted(let sequence) where balancer == nil:
            perform(scheduler.sequencePreempted(sequence, by: worker, now: now))
        case .refused(let sequence) where balancer == nil:
            perform(scheduler.sequenceRefused(sequence, by: worker, now: now))
        case .working: perform(scheduler.workerWorks(worker, now: now))
        case .taken(let commands): scheduler.workerTook(worker, commands: commands)
        case .welcome, .draining, .credit, .prefix, .preempted, .refused: break
        }
    }

    private mutating func perform(_ actions: [SchedulingAction]) {
        for action in actions {
            switch action {
            case .admit(let choice, let sequence, let worker):
                guard var stream = streams[choice.request.rawValue] else { continue }
                owners[sequence] = choice.request.rawValue
                stream.admitted.id = sequence
                streams[choice.request.rawValue] = stream
                slow.admitted(to: Int(worker.rawValue))
                let command = SimulatedWorker.Message.command(.admit(stream.admitted), LinkName())
                tell(command, Int(worker.rawValue))
            case .cancel(let sequence, let worker):
                owners[sequence] = nil
                tell(.command(.cancel(sequence), LinkName()), Int(worker.rawValue))
            case .preempt(let sequence, let worker):
                tell(.command(.preempt(sequence), LinkName()), Int(worker.rawValue))
            case .suspected(let worker):
                if scheduler.workerState(worker) == .slow { slow.wasSetAside(Int(worker.rawValue), at: now) }
            case .recovered(let worker): slow.isBack(Int(worker.rawValue))
            case .fail, .moved: break
            }
        }
    }

    private mutating func tell(_ message: SimulatedWorker.Message, _ index: Int) {
        queue.schedule(.told(worker: index, [message]), at: after(PolicyOptions.delaySeconds))
    }

    private mutating func deliver(_ entry: StepEntry, from index: Int) {
        guard let id = owners[entry.sequence], let place = streams.index(forKey: id) else { return }
        let turn = trace.turns[streams.values[place].turn]
        let isMeasured = turn.seconds >= 0
        if !entry.tokens.isEmpty {
            if isMeasured { count(entry.tokens, of: streams.values[place], turn) }
            streams.values[place].took(entry.tokens, at: now)
        }
        guard entry.finish != nil else { return }
        let stream = streams.values[place]
        streams[id] = nil
        owners[entry.sequence] = nil
        openCount -= 1
        underway[index] -= 1
        result.hash.add(id)
        result.hash.add(UInt64(bitPattern: now.nanoseconds))
        guard isMeasured else { return }
        result.answeredCount += stream.outputCount == turn.outputTokens ? 1 : 0
        if stream.isGood { figures.wasGood(turn.tenant) }
    }

    /// - Parameter stream: as it was before them.
    private mutating func count(_ tokens: [TokenID], of stream: OpenStream, _ turn: ArrivalTrace.Turn) {
        if let last = stream.lastTokenAt {
            figures.wentOn(after: now.seconds(since: last))
        } else {
            figures.began(turn, after: now.seconds(since: stream.arrivedAt))
        }
        guard now <= start.advanced(bySeconds: options.warmUpSeconds + options.seconds) else { return }
        let promptTokens = stream.firstTokenAt == nil ? stream.admitted.promptTokenCount : 0
        figures.served(turn.tenant, promptTokens: promptTokens, outputTokens: tokens.count)
    }

    // MARK: - Workers

    private mutating func beginStep(_ index: Int) {
        guard !hosts[index].isComputing else { return }
        if balancer != nil { admitFromLine(index) }
        let step = hosts[index].worker.begin(now: now, slowness: slow.slowness(of: index, at: now))
        switch step {
        case .idle: send(hosts[index].worker.takeEvents(), from: index)
        case .computing(let seconds), .dying(let seconds, _):
            hosts[index].isComputing = true
            slow.stepBegan(on: index, at: now, until: after(seconds))
            queue.schedule(.stepEnded(worker: index), at: after(seconds))
            guard balancer == nil else { return }
            for sign in stride(from: SimulatedMachine.signSeconds, to: seconds, by: SimulatedMachine.signSeconds) {
                queue.schedule(.heard(worker: index, [.working]), at: after(sign))
            }
        }
    }

    /// A worker with a queue of its own: first come, first served, as far as there are slots, and pages for the prompt
    /// and one more for each sequence that runs.
    private mutating func admitFromLine(_ index: Int) {
        while let head = hosts[index].line.first {
            let load = hosts[index].worker.load
            let size = options.worker.pageTokenCount
            let pages = (head.tokens.count + size - 1) / size + load.runningSequences + 1
            guard load.freeSlots > 0, load.freePages >= min(pages, options.worker.pageCount) else { return }
            hosts[index].line.removeFirst()
            hosts[index].worker.receive(.command(.admit(head), LinkName()))
            hosts[index].worker.applyMail()
        }
    }

    private mutating func send(_ events: [SimulatedWorker.Said], from index: Int) {
        var heard = events.map(\.event)
        if balancer != nil {
            heard.removeAll { event in
                guard case .preempted = event else { return false }
                return true
            }
            // Back to the head of its own line, with what it has made.
            for case (_, .preempted(let sequence)) in events.reversed() {
                if let id = owners[sequence], let stream = streams[id] { hosts[index].line.prepend(stream.admitted) }
            }
        }
        if !heard.isEmpty {
            queue.schedule(.heard(worker: index, heard), at: after(PolicyOptions.delaySeconds))
        }
    }

    private mutating func finish() -> PolicyResult {
        figures.write(into: &result)
        slow.write(into: &result)
        let queried = hosts.reduce(0) { $0 + $1.worker.queriedTokenCount }
        result.hitRate =
            queried == 0 ? 0 : Double(hosts.reduce(0) { $0 + $1.worker.cachedTokenCount }) / Double(queried)
        result.preemptionCount = hosts.reduce(0) { $0 + $1.worker.preemptionCount }
        return result
    }
}
