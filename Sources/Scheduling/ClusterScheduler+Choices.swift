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
        let change = requests.with(id.request) { ($0.model, $0.nowWaits(id.index, since: now)) }
        guard case (let model, let choice?)? = change else { return }
        models.with(model) { queue in
            if let numericsID = choice.numericsID {
                queue.groups.make(numericsID)
                queue.groups[numericsID]?.line.set(id, choice.place)
            } else {
                queue.line.insert(id, choice.place, of: choice.tenant)
            }
            queue.waiting += choice.load
            queue.speed.begins(at: now)
        }
        queue += choice.load
        tenants.waits(choice.tenant, choice.load)
    }

    /// Takes a choice that is `.waiting` out of its line.
    /// - Returns: what that takes off the queue.
    @discardableResult
    private mutating func dequeue(_ id: ChoiceID, now: Instant) -> QueueLoad {
        let change = requests.with(id.request) { ($0.model, $0.waitsNoLonger(id.index)) }
        guard case (let model, let choice?)? = change else { return QueueLoad() }
        models.with(model) { queue in
            if let numericsID = choice.numericsID {
                queue.groups[numericsID]?.line.remove(id)
            } else {
                queue.line.remove(id, choice.place, of: choice.tenant)
            }
            queue.waiting -= choice.load
            if queue.waitingCount == 0 { queue.speed.ends(at: now) }
        }
        if let numericsID = choice.numericsID { forgetEmptyGroup(numericsID, of: model) }
        queue -= choice.load
        tenants.waitsNoLonger(choice.tenant, choice.load)
        return choice.load
    }

    /// What ``enqueue(_:now:)`` and ``dequeue(_:now:)`` do together, where nobody waits and the choice may run anywhere.
    /// - Returns: what was on the queue for no time.
    private mutating func passThrough(_ id: ChoiceID, _ model: ModelID, now: Instant) -> QueueLoad {
        guard let (tenant, load) = requests.with(id.request, { ($0.tenant, $0.passesThrough(id.index)) }) else {
            return QueueLoad()
        }
        models.with(model) { queue in
            queue.line.passes(tenant)
            queue.speed.passes(at: now)
        }
        return load
    }

    /// A group is kept while it has workers, or choices that only it could continue.
    mutating func forgetEmptyGroup(_ numericsID: String, of model: ModelID) {
        guard let group = models[model]?.groups[numericsID], group.workers.isEmpty, group.line.isEmpty else { return }
        models[model]?.groups[numericsID] = nil
    }

    /// A request waits against the clock while none of its choices runs.
    mutating func updateQueueDeadline(of id: RequestID, now: Instant) {
        let waiting = requests.with(id) { request in
            (runsNothing: request.runningCount == 0, timeout: request.spec.queueTimeoutSeconds)
        }
        guard let waiting, waiting.runsNothing else {
            queueDeadlines.remove(id)
            return
        }
        guard !queueDeadlines.contains(id) else { return }
        queueDeadlines.set(id, now.advanced(bySeconds: waiting.timeout ?? limits.queueTimeoutSeconds))
    }

    // MARK: - Into a worker

    /// - Parameter isWaiting: false for one that never was in line.
    mutating func admit(
        _ id: ChoiceID, to worker: WorkerID, cachedTokens: Int, isWaiting: Bool = true, now: Instant,
        into actions: inout [SchedulingAction]
    ) {
        guard let choice = requests.with(id.request, { $0.admission(of: id.index) }) ?? nil,
            let place = seat(for: choice, on: worker)
        else { return }
        let model = choice.model
        if place.isFirst { watch.set(worker, now.advanced(bySeconds: place.patience)) }
        let load: QueueLoad
        if isWaiting {
            models.with(model) { $0.speed.left(at: now) }
            load = dequeue(id, now: now)
            queueDeadlines.remove(id.request)
        } else {
            load = passThrough(id, model, now: now)
        }
        if !choice.isCopy { drainRate.count(load, at: now) }
        clearReservation(of: id)
        giveUpReservation(on: worker, passedBy: id, now: now)
        if !choice.hasRun, !choice.isCopy {
            chargePrompt(choice.promptCount, cached: cachedTokens, to: choice.tenant, model)
        }
        let sequence = SequenceID(
            sequences.insert(
                RunningSequence(
                    choice: id, worker: worker, model: model, tenant: choice.isCopy ? nil : choice.tenant,
                    command: place.command, tokenCount: choice.tokenCount,
                    cachedTokenCount: choice.hasRun ? 0 : cachedTokens, targetTokens: place.target,
                    growth: place.growth, reviewTokenCount: place.reviewTokenCount)))
        workers.with(worker) { host in
            host.admitted(
                sequence, tokenCount: choice.tokenCount, prefillTokens: max(0, choice.tokenCount - cachedTokens),
                reserving: place.growth, at: now)
            if choice.isOnTrial { host.trial = sequence }
        }
        requests.with(id.request) { $0.nowRuns(id.index, as: sequence) }
        models.with(model) { $0.runningCount += 1 }
        refresh(worker)
        actions.append(.admit(id, as: sequence, on: worker))
    }

    /// What a worker will hold of a choice, and how it stands before it has it.
    private struct Seat {
        /// Tokens that pages are reserved for, and the pages of those that are not there yet.
        var target: Int
        var growth: Int
        var reviewTokenCount: Int
        /// The number of the command that admits it.
        var command: UInt64
        /// Nothing else runs there.
        var isFirst: Bool
        /// Seconds that the worker may be silent.
        var patience: Double
    }

    private mutating func seat(for choice: RequestRecord.Admission, on worker: WorkerID) -> Seat? {
        let output = OutputDemand(
            expected: models.with(choice.model) { $0.outputs.expected } ?? 0, made: choice.outputCount,
            max: choice.maxTokens)
        let limits = limits
        return workers.with(worker) { host in
            let target = choice.promptCount + output.target(margin: host.description.pageTokenCount)
            return Seat(
                target: target, growth: host.pages(forTokens: target) - host.pages(forTokens: choice.tokenCount),
                reviewTokenCount: host.reviewTokenCount(after: choice.tokenCount, target: target),
                command: host.commandsSent + 1, isFirst: host.assigned.isEmpty, patience: host.patience(limits))
        }
    }

    // MARK: - Out of a worker

    /// Undoes what running means in the books; the caller says what the choice becomes.
    private mutating func unassign(_ sequence: SequenceID) -> RunningSequence? {
        chargeOutput(sequence)
        guard let running = sequences.remove(sequence.rawValue) else { return nil }
        let isIdle = workers.with(running.worker) { host in
            host.released(sequence, reserved: running.growth)
            return host.assigned.isEmpty
        }
        if isIdle == true { watch.remove(running.worker) }
        let model = requests.with(running.choice.request) { request in
            request.runningCount -= 1
            return request.model
        }
        if let model {
            models.with(model) { queue in
                queue.runningCount -= 1
                if running.isAskedBack { queue.askedBackCount -= 1 }
            }
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
        let found = requests.with(id.request) { request in
            request.choices.indices.contains(id.index)
                ? (request.choices[id.index].state, request.choices[id.index].outputCount) : nil
        }
        guard let (state, settledCount) = found ?? nil else { return }
        var madeCount: Int?
        switch state {
        case .ended: return
        case .waiting: dequeue(id, now: now)
        case .running(let sequence): madeCount = unassign(sequence)?.tokenCount
        }
        clearReservation(of: id)
        let left = requests.with(id.request) { request in
            request.choices[id.index].state = .ended
            request.openCount -= 1
            let outputCount = madeCount.map { $0 - request.choices[id.index].promptCount } ?? settledCount
            return (model: request.model, openCount: request.openCount, outputCount: outputCount)
        }
        guard let left else { return }
        if learns { models.with(left.model) { $0.outputs.add(left.outputCount) } }
        if left.openCount == 0 {
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

    /// Of a request that has nothing in a line or in a worker.
    mutating func forget(_ id: RequestID, now: Instant) {
        if let (tenant, isCopy, model) = requests.with(id, { ($0.tenant, $0.spec.isCopy, $0.model) }) {
            tenants.closed(tenant, now: now)
            if isCopy { models[model]?.copies.remove(id) }
        }
        requests.remove(id)
        queueDeadlines.remove(id)
        requestDeadlines.remove(id)
    }
}
