package import Inference

/// Decides which request runs on which worker, who waits, and who moves.
///
/// Knows: the queue, workers' slots and pages as numbers, prefix hashes, deadlines.
/// Does not know: sockets, text, clocks.
/// Each event is one function that answers with the actions to take. Equal events give equal answers.
///
///     requestSubmitted ─▶ waiting ──admit──▶ running ──finish──▶ ended
///                            ▲                  │
///                            └── moved (lost, stalled, preempted, refused, draining)
///
/// Every open choice is in exactly one line or in exactly one worker. A choice keeps its place in the order of arrival
/// for life, and goes before those that have never run.
/// Cost: O(log n) of waiting choices and workers for each decision; nothing looks at all of either, except where a
/// worker is lost (its own sequences) and where a test asks for ``invariantViolation()``.
package struct ClusterScheduler: Sendable {
    package let limits: SchedulingLimits
    var models = ModelTable()
    var requests = RecordTable<RequestID, RequestRecord>()
    /// Choices in workers; a sequence's name is its place here.
    var sequences = SlotMap<RunningSequence>()
    var workers = RecordTable<WorkerID, WorkerRecord>()
    var connecting: Set<WorkerID> = []
    /// When a request that has nothing running ends.
    var queueDeadlines = IndexedHeap<RequestID, Instant>()
    var requestDeadlines = IndexedHeap<RequestID, Instant>()
    /// When a silent worker that has sequences becomes suspect, or a suspect one loses them.
    var watch = IndexedHeap<WorkerID, Instant>()
    /// Workers that get nothing new and still have sequences to hand over.
    var leaving: Set<WorkerID> = []
    /// Workers kept for the heads of lines.
    var reservations: [ChoiceID: WorkerID] = [:]
    var queue = QueueLoad()
    var tenants = TenantBook()
    var drainRate = DrainRate()
    var lastTicket: UInt64 = 0
    /// When workers died of which nobody there can have been the cause, as far back as `deathMemorySeconds`.
    var deathTimes: [Instant] = []
    /// Workers that died in the last `trialPauseSeconds`.
    var recentDeaths: [WorkerDeath] = []
    /// In order of their time.
    var accusations: [Accusation] = []
    var lastLook: Instant?
    var noSuspicionBefore: Instant?
    /// When paces are compared next.
    var nextJudgement: Instant?

    package init(limits: SchedulingLimits = SchedulingLimits()) {
        self.limits = limits
    }

    // MARK: - Requests

    /// Puts a request into the queue, and into workers as far as there is room.
    /// - Throws: `.modelNotFound`, `.queueFull`, `.contextExceeded` where no worker known has pages for a prompt,
    ///   `.unavailable` for a copy where there is no room.
    ///   Nothing has changed then.
    package mutating func requestSubmitted(
        _ spec: RequestSpec, now: Instant
    ) throws(ServeError) -> [SchedulingAction] {
        guard let model = models.id(spec.model) else { throw .modelNotFound(spec.model) }
        guard !requests.contains(spec.id), !spec.prompts.isEmpty, spec.choiceCount > 0 else {
            throw .invalidRequest(message: "A request needs a prompt, a choice and a name of its own.", parameter: nil)
        }
        let roomiest = models.with(model) { $0.capacities.first } ?? nil
        let longest = spec.prompts.reduce(0) { max($0, $1.count) }
        if let share = roomiest.map({ -$0.key }), longest > share,
            case let capacity = wholeCapacity(of: model), longest > capacity
        {
            throw .contextExceeded(promptTokens: longest, maxTokens: nil, contextLength: capacity)
        }
        let tenant = tenant(of: spec, now: now)
        let load = spec.queueLoad
        let refusal =
            queueRefusal(of: load, from: tenant, model, now: now)
            ?? (spec.isCopy ? copyRefusal(model) : waitRefusal(from: tenant, model, now: now))
        // One that finds nobody waiting may run at once, and then asks nothing of the queue.
        let mayPass = spec.prompts.count == 1 && spec.choiceCount == 1 && models.with(model) { $0.waitingCount } == 0
        let neverFits = spec.isCopy || QueueLoad().overfull(with: load, limit: queueLimit) != nil
        if let refusal, !mayPass || neverFits { throw refusal }

        var choices: [ChoiceRecord] = []
        for prompt in spec.prompts.indices {
            for _ in 0..<spec.choiceCount {
                lastTicket += 1
                choices.append(
                    ChoiceRecord(
                        prompt: prompt, ticket: lastTicket, promptCount: spec.prompts[prompt].count,
                        numericsID: spec.numericsID, waitingSince: now))
            }
        }
        let new = choices.indices.map { ChoiceID(spec.id, $0) }
        requests.insert(
            spec.id,
            RequestRecord(
                spec: spec, model: model, tenant: tenant, heldBytes: load.bytes, submittedAt: now, choices: choices))
        if spec.isCopy { models[model]?.copies.insert(spec.id) }
        tenants.opened(tenant)
        let timeout = spec.requestTimeoutSeconds ?? limits.requestTimeoutSeconds
        requestDeadlines.set(spec.id, now.advanced(bySeconds: timeout))
        // Now the prompt is at hand; when there is room for it, it may have waited among thousands.
        if let some = roomiest?.id, let size = workers.with(some, { $0.description.pageTokenCount }) {
            requests.with(spec.id) { request in
                for id in new { request.buildChain(of: id.index, pageTokenCount: size) }
            }
        }
        var actions: [SchedulingAction] = []
        if mayPass, admitAtOnce(new[0], model, now: now, into: &actions) { return actions }
        if let refusal {
            forget(spec.id, now: now)
            throw refusal
        }
        for id in new { enqueue(id, now: now) }
        updateQueueDeadline(of: spec.id, now: now)
        admitNew(new, model, now: now, into: &actions)
        giveWay(model, now: now, into: &actions)
        return actions
    }

    /// Tokens that fit the roomiest worker of a model, if a sequence has it for itself.
    private func wholeCapacity(of model: ModelID) -> Int {
        guard let workersOfModel = models[model]?.capacities.ids else { return 0 }
        return workersOfModel.reduce(0) { max($0, workers[$1]?.wholeCapacity ?? 0) }
    }

    /// The client wants no more. Unknown and finished requests are ignored.
    package mutating func requestCancelled(_ id: RequestID, now: Instant) -> [SchedulingAction] {
        guard let model = requests[id]?.model else { return [] }
        var actions: [SchedulingAction] = []
        drop(id, now: now, into: &actions)
        admitWaiting(model, now: now, into: &actions)
        return actions
    }

    /// The driver ended a choice, at a stop string. Its sequence is cancelled if the worker has not ended it already.
    package mutating func choiceCompleted(_ id: ChoiceID, now: Instant) -> [SchedulingAction] {
        guard let model = requests[id.request]?.model else { return [] }
        var actions: [SchedulingAction] = []
        if case .running(let sequence) = state(of: id) { cancel(sequence, into: &actions) }
        end(id, learns: true, now: now)
        admitWaiting(model, now: now, into: &actions)
        return actions
    }

    // MARK: - What a driver asks

    package var waitingRequests: Int { queue.requests }
    /// Tenants with open requests, and those that had some a short while ago.
    package var tenantCount: Int { tenants.count }
    package var openRequests: Int { requests.count }
    package var modelNames: [String] { models.names }

    package func waitingCount(_ model: String) -> Int { models[model]?.waitingCount ?? 0 }
    package func runningCount(_ model: String) -> Int { models[model]?.runningCount ?? 0 }

    /// Prompt and expected output tokens of what waits.
    package func waitingTokens(_ model: String) -> Int {
        guard let queue = models[model] else { return 0 }
        return queue.waiting.tokens + queue.waitingCount * queue.outputs.expected
    }

    /// How long the first in line has waited. With several priorities, the first of the highest.
    package func longestWait(_ model: String, now: Instant) -> Double {
        guard let queue = models[model] else { return 0 }
        let heads = [queue.line.first] + queue.groups.values.map(\.line.first)
        return heads.compactMap { head in
            head.flatMap { record(of: $0.id)?.waitingSince }.map { now.seconds(since: $0) }
        }.max() ?? 0
    }

    /// What a model's requests ask of its workers now.
    package func load(_ model: String, now: Instant) -> ModelLoad {
        var load = ModelLoad()
        load.runningCount = runningCount(model)
        load.waitingCount = waitingCount(model)
        load.waitingTokens = waitingTokens(model)
        load.oldestSeconds = longestWait(model, now: now)
        for group in (models[model]?.groups ?? GroupTable()).values {
            for worker in group.workers {
                guard let record = workers[worker] else { continue }
                load.usedPageCount += record.usedPages
                load.pageCount += record.description.pageCount
                load.pageTokenCount = max(load.pageTokenCount, record.description.pageTokenCount)
                guard record.state == .ready else { continue }
                load.workerCount += 1
                load.slotCount += record.description.slotCount
            }
        }
        return load
    }

    package func workerState(_ id: WorkerID) -> WorkerState {
        if connecting.contains(id) { return .connecting }
        return workers[id]?.state ?? .gone
    }

    package func workerCount(_ state: WorkerState) -> Int {
        state == .connecting ? connecting.count : workers.all.count { $0.state == state }
    }

    package func hasWorkers(of model: String) -> Bool {
        models[model]?.groups.values.contains { !$0.workers.isEmpty } ?? false
    }

    package func hasWorkers(of model: String, numericsID: String) -> Bool {
        models[model]?.groups[numericsID]?.workers.isEmpty == false
    }

    package func numericsID(of worker: WorkerID) -> String? { workers[worker]?.description.numericsID }

    /// True when a worker of any model takes sequences.
    package var hasReadyWorker: Bool { workers.all.contains { $0.state == .ready } }
    package func hasReadyWorker(of model: String) -> Bool {
        workers.all.contains { $0.state == .ready && $0.description.model == model }
    }

    /// Where a choice runs now, and as which sequence.
    package func placement(of id: ChoiceID) -> (worker: WorkerID, sequence: SequenceID)? {
        guard case .running(let sequence) = state(of: id), let running = sequences[sequence.rawValue] else {
            return nil
        }
        return (running.worker, sequence)
    }
}
