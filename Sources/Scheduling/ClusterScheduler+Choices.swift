import Inference

/// A choice on its way between line, worker and end: the only places where the books are changed.
extension ClusterScheduler {
    func record(of id: ChoiceID) -> ChoiceRecord? {
        guard requests[id.request]?.choices.indices.contains(id.index) == true else { return nil }
        return requests[id.request]?.choices[id.index]
    }

    func state(of id: ChoiceID) -> ChoiceRecord.State { record(of: id)?.state ?? .ended }

    /// Brings the record of a running choice up to date.
    mutating func settle(_ sequence: SequenceID) {
        let taken = sequences.with(sequence.rawValue) { ($0.choice, $0.worker, $0.takeNews()) }
        guard let (id, worker, news) = taken, !news.isEmpty,
            let numericsID = workers[worker]?.description.numericsID,
            requests[id.request]?.choices.indices.contains(id.index) == true
        else { return }
        requests[id.request]?.choices[id.index].advance(by: news, numericsID: numericsID)
    }

    // MARK: - The queue

    /// Puts a choice that is `.waiting` into its line.
    mutating func enqueue(_ id: ChoiceID, now: Instant) {
        guard let model = requests[id.request]?.model,
            let choice = requests[id.request]?.nowWaits(id.index, since: now)
        else { return }
        if let numericsID = choice.numericsID {
            models[model]?.groups[numericsID, default: NumericsGroup()].line.set(id, choice.place)
        } else {
            models[model]?.line.insert(id, choice.place, of: choice.tenant)
        }
        models[model]?.waitingTokens += choice.load.tokens
        models[model]?.speed.begins(at: now)
        queue += choice.load
        tenants.waits(choice.tenant, choice.load)
    }

    /// Takes a choice that is `.waiting` out of its line.
    /// - Returns: what that takes off the queue.
    @discardableResult
    private mutating func dequeue(_ id: ChoiceID, now: Instant) -> QueueLoad {
        guard let model = requests[id.request]?.model,
            let choice = requests[id.request]?.waitsNoLonger(id.index)
        else { return QueueLoad() }
        if let numericsID = choice.numericsID {
            models[model]?.groups[numericsID]?.line.remove(id)
            forgetEmptyGroup(numericsID, of: model)
        } else {
            models[model]?.line.remove(id, choice.place, of: choice.tenant)
        }
        models[model]?.waitingTokens -= choice.load.tokens
        if models[model]?.waitingCount == 0 { models[model]?.speed.ends(at: now) }
        queue -= choice.load
        tenants.waitsNoLonger(choice.tenant, choice.load)
        return choice.load
    }

    /// A group is kept while it has workers, or choices that only it could continue.
    mutating func forgetEmptyGroup(_ numericsID: String, of model: ModelID) {
        guard let group = models[model]?.groups[numericsID], group.workers.isEmpty, group.line.isEmpty else { return }
        models[model]?.groups[numericsID] = nil
    }

    /// A request waits against the clock while none of its choices runs.
    mutating func updateQueueDeadline(of id: RequestID, now: Instant) {
        guard requests[id]?.runningCount == 0 else {
            queueDeadlines.remove(id)
            return
        }
        guard !queueDeadlines.contains(id) else { return }
        let timeout = requests[id]?.spec.queueTimeoutSeconds ?? limits.queueTimeoutSeconds
        queueDeadlines.set(id, now.advanced(bySeconds: timeout))
    }

    // MARK: - Into a worker

    mutating func admit(
        _ id: ChoiceID, to worker: WorkerID, cachedTokens: Int, now: Instant, into actions: inout [SchedulingAction]
    ) {
        guard let model = requests[id.request]?.model, let maxTokens = requests[id.request]?.spec.maxTokens,
            let tenant = requests[id.request]?.tenant, let isCopy = requests[id.request]?.spec.isCopy,
            let choice = record(of: id), let host = workers[worker]
        else { return }
        let output = OutputDemand(
            expected: models[model]?.outputs.expected ?? 0, made: choice.outputCount, max: maxTokens)
        let target = choice.promptCount + output.target(margin: host.description.pageTokenCount)
        let growth = host.pages(forTokens: target) - host.pages(forTokens: choice.tokenCount)
        if host.assigned.isEmpty { watch.set(worker, now.advanced(bySeconds: host.patience(limits))) }
        models[model]?.speed.left(at: now)
        let load = dequeue(id, now: now)
        if !isCopy { drainRate.count(load, at: now) }
        clearReservation(of: id)
        if !choice.hasRun, !isCopy { chargePrompt(choice.promptCount, cached: cachedTokens, to: tenant, model) }
        let sequence = SequenceID(
            sequences.insert(
                RunningSequence(
                    choice: id, worker: worker, model: model, tenant: isCopy ? nil : tenant,
                    command: host.commandsSent + 1,
                    admittedAt: now, tokenCount: choice.tokenCount, cachedTokenCount: choice.hasRun ? 0 : cachedTokens,
                    targetTokens: target, growth: growth,
                    reviewTokenCount: host.reviewTokenCount(after: choice.tokenCount, target: target))))
        workers[worker]?.admitted(
            sequence, tokenCount: choice.tokenCount, prefillTokens: max(0, choice.tokenCount - cachedTokens),
            reserving: growth, at: now)
        if choice.isOnTrial { workers[worker]?.trial = sequence }
        requests[id.request]?.nowRuns(id.index, as: sequence)
        models[model]?.runningCount += 1
        queueDeadlines.remove(id.request)
        refresh(worker)
        actions.append(.admit(id, as: sequence, on: worker))
    }

    // MARK: - Out of a worker

    /// Undoes what running means in the books; the caller says what the choice becomes.
    private mutating func unassign(_ sequence: SequenceID) -> RunningSequence? {
        chargeOutput(sequence)
        guard let running = sequences.remove(sequence.rawValue) else { return nil }
        workers[running.worker]?.released(sequence, reserved: running.growth)
        if workers[running.worker]?.assigned.isEmpty == true { watch.remove(running.worker) }
        let request = running.choice.request
        requests[request]?.runningCount -= 1
        if let model = requests[request]?.model {
            models[model]?.runningCount -= 1
            if running.isAskedBack { models[model]?.askedBackCount -= 1 }
        }
        refresh(running.worker)
        return running
    }

    /// Tells the worker to stop; what the choice becomes is decided elsewhere.
    mutating func cancel(_ sequence: SequenceID, into actions: inout [SchedulingAction]) {
        guard let worker = sequences[sequence.rawValue]?.worker else { return }
        workers[worker]?.countCommand()
        actions.append(.cancel(sequence, on: worker))
    }

    /// Puts a running choice back into its line.
    mutating func requeue(
        _ sequence: SequenceID, _ cause: MoveCause, now: Instant, into actions: inout [SchedulingAction]
    ) {
        settle(sequence)
        guard let id = unassign(sequence)?.choice else { return }
        requests[id.request]?.choices[id.index].state = .waiting
        enqueue(id, now: now)
        updateQueueDeadline(of: id.request, now: now)
        actions.append(.moved(id, cause))
    }

    /// Ends a choice, and its request with the last one.
    mutating func end(_ id: ChoiceID, learns: Bool, now: Instant) {
        guard let choice = record(of: id) else { return }
        var outputCount = choice.outputCount
        switch choice.state {
        case .ended: return
        case .waiting: dequeue(id, now: now)
        case .running(let sequence):
            if let running = unassign(sequence) { outputCount = running.tokenCount - choice.promptCount }
        }
        clearReservation(of: id)
        requests[id.request]?.choices[id.index].state = .ended
        requests[id.request]?.openCount -= 1
        if learns, let model = requests[id.request]?.model { models[model]?.outputs.add(outputCount) }
        if requests[id.request]?.openCount == 0 {
            forget(id.request, now: now)
        } else {
            updateQueueDeadline(of: id.request, now: now)
        }
    }

    /// Ends a request whatever it does, with commands for what it had running.
    mutating func drop(_ id: RequestID, now: Instant, into actions: inout [SchedulingAction]) {
        for (index, state) in (requests[id]?.choices.map(\.state) ?? []).enumerated() where state != .ended {
            if case .running(let sequence) = state { cancel(sequence, into: &actions) }
            end(ChoiceID(id, index), learns: false, now: now)
        }
    }

    mutating func fail(
        _ id: RequestID, _ error: ServeError, now: Instant, into actions: inout [SchedulingAction]
    ) {
        guard requests[id] != nil else { return }
        drop(id, now: now, into: &actions)
        actions.append(.fail(id, error))
    }

    private mutating func forget(_ id: RequestID, now: Instant) {
        if let tenant = requests[id]?.tenant { tenants.closed(tenant, now: now) }
        if requests[id]?.spec.isCopy == true, let model = requests[id]?.model { models[model]?.copies.remove(id) }
        requests.remove(id)
        queueDeadlines.remove(id)
        requestDeadlines.remove(id)
    }
}
