import Inference

/// A choice on its way between line, worker and end: the only places where the books are changed.
extension ClusterScheduler {
    func record(of id: ChoiceID) -> ChoiceRecord? {
        guard let request = requests[id.request], request.choices.indices.contains(id.index) else { return nil }
        return request.choices[id.index]
    }

    func state(of id: ChoiceID) -> ChoiceRecord.State { record(of: id)?.state ?? .ended }

    mutating func nextSequence() -> SequenceID {
        lastSequence += 1
        return SequenceID(lastSequence)
    }

    /// Whether so many workers died under a choice that it is tried without others like it.
    func isOnTrial(_ choice: ChoiceRecord) -> Bool {
        choice.deaths >= limits.deathsMax && choice.faultPosition == choice.outputCount
    }

    // MARK: - The queue

    /// Puts a choice that is `.waiting` into its line.
    mutating func enqueue(_ id: ChoiceID, now: Instant) {
        guard let request = requests[id.request], var choice = record(of: id) else { return }
        let place = LinePlace(priority: request.spec.priority, hasRun: choice.hasRun, ticket: choice.ticket)
        choice.waitingSince = now
        choice.queuedTokens = choice.tokenCount
        requests[id.request]?.choices[id.index] = choice
        if let numericsID = choice.numericsID {
            models[request.spec.model]?.groups[numericsID, default: NumericsGroup()].line.set(id, place)
        } else {
            models[request.spec.model]?.line.set(id, place)
        }
        models[request.spec.model]?.waitingTokens += choice.queuedTokens
        waitingTokenCount += choice.queuedTokens
        requests[id.request]?.waitingCount += 1
        if request.waitingCount == 0 { waitingRequestCount += 1 }
    }

    /// Takes a choice that is `.waiting` out of its line.
    private mutating func dequeue(_ id: ChoiceID) {
        guard let request = requests[id.request], let choice = record(of: id) else { return }
        if let numericsID = choice.numericsID {
            models[request.spec.model]?.groups[numericsID]?.line.remove(id)
            forgetEmptyGroup(numericsID, of: request.spec.model)
        } else {
            models[request.spec.model]?.line.remove(id)
        }
        models[request.spec.model]?.waitingTokens -= choice.queuedTokens
        waitingTokenCount -= choice.queuedTokens
        requests[id.request]?.waitingCount -= 1
        if request.waitingCount == 1 { waitingRequestCount -= 1 }
    }

    /// A group is kept while it has workers, or choices that only it could continue.
    mutating func forgetEmptyGroup(_ numericsID: String, of model: String) {
        guard let group = models[model]?.groups[numericsID], group.workers.isEmpty, group.line.isEmpty else { return }
        models[model]?.groups[numericsID] = nil
    }

    /// A request waits against the clock while none of its choices runs.
    mutating func updateQueueDeadline(of id: RequestID, now: Instant) {
        guard let request = requests[id], request.runningCount == 0 else {
            queueDeadlines.remove(id)
            return
        }
        guard !queueDeadlines.contains(id) else { return }
        let timeout = request.spec.queueTimeoutSeconds ?? limits.queueTimeoutSeconds
        queueDeadlines.set(id, now.advanced(bySeconds: timeout))
    }

    // MARK: - Into a worker

    mutating func admit(
        _ id: ChoiceID, to worker: WorkerID, cachedTokens: Int, now: Instant, into actions: inout [SchedulingAction]
    ) {
        guard let request = requests[id.request], let choice = record(of: id), let host = workers[worker] else {
            return
        }
        let isFirst = !request.choices.contains { $0.hasRun }
        let output = OutputDemand(
            expected: models[request.spec.model]?.outputs.expected ?? 0, made: choice.outputCount,
            max: request.spec.maxTokens)
        let target = choice.promptCount + output.target(margin: host.description.pageTokenCount)
        let growth = host.pages(forTokens: target) - host.pages(forTokens: choice.tokenCount)
        if host.assigned.isEmpty { watch.set(worker, now.advanced(bySeconds: host.patience(limits))) }
        dequeue(id)
        clearReservation(of: id)
        let sequence = nextSequence()
        workers[worker]?.admitted(
            sequence, tokenCount: choice.tokenCount, prefillTokens: max(0, choice.tokenCount - cachedTokens),
            reserving: growth)
        assignments[sequence] = Assignment(
            choice: id, worker: worker, command: host.commandsSent + 1, admittedAt: now,
            admittedOutputCount: choice.outputCount, targetTokens: target, growth: growth)
        if isOnTrial(choice) { workers[worker]?.trial = sequence }
        requests[id.request]?.choices[id.index].state = .running(sequence)
        requests[id.request]?.choices[id.index].hasRun = true
        requests[id.request]?.runningCount += 1
        models[request.spec.model]?.runningCount += 1
        queueDeadlines.remove(id.request)
        if isFirst { drainRate.count(at: now) }
        refresh(worker)
        actions.append(.admit(id, as: sequence, on: worker))
    }

    // MARK: - Out of a worker

    /// Undoes what running means in the books; the caller says what the choice becomes.
    private mutating func unassign(_ sequence: SequenceID) -> Assignment? {
        guard let assignment = assignments.removeValue(forKey: sequence) else { return nil }
        workers[assignment.worker]?.released(sequence, reserved: assignment.growth)
        if workers[assignment.worker]?.assigned.isEmpty == true { watch.remove(assignment.worker) }
        let request = assignment.choice.request
        requests[request]?.runningCount -= 1
        if let model = requests[request]?.spec.model {
            models[model]?.runningCount -= 1
            if assignment.isAskedBack { askedBackCount[model, default: 0] -= 1 }
        }
        refresh(assignment.worker)
        return assignment
    }

    /// Tells the worker to stop; what the choice becomes is decided elsewhere.
    mutating func cancel(_ sequence: SequenceID, into actions: inout [SchedulingAction]) {
        guard let worker = assignments[sequence]?.worker else { return }
        workers[worker]?.countCommand()
        actions.append(.cancel(sequence, on: worker))
    }

    /// Puts a running choice back into its line.
    mutating func requeue(
        _ sequence: SequenceID, _ cause: MoveCause, now: Instant, into actions: inout [SchedulingAction]
    ) {
        guard let assignment = unassign(sequence) else { return }
        let id = assignment.choice
        requests[id.request]?.choices[id.index].state = .waiting
        enqueue(id, now: now)
        updateQueueDeadline(of: id.request, now: now)
        actions.append(.moved(id, cause))
    }

    /// Ends a choice, and its request with the last one.
    mutating func end(_ id: ChoiceID, learns: Bool, now: Instant) {
        guard let choice = record(of: id) else { return }
        switch choice.state {
        case .ended: return
        case .waiting: dequeue(id)
        case .running(let sequence): _ = unassign(sequence)
        }
        clearReservation(of: id)
        requests[id.request]?.choices[id.index].state = .ended
        requests[id.request]?.openCount -= 1
        guard let request = requests[id.request] else { return }
        if learns { models[request.spec.model]?.outputs.add(choice.outputCount) }
        if request.openCount == 0 { forget(id.request) } else { updateQueueDeadline(of: id.request, now: now) }
    }

    /// Ends a request whatever it does, with commands for what it had running.
    mutating func drop(_ id: RequestID, now: Instant, into actions: inout [SchedulingAction]) {
        guard let request = requests[id] else { return }
        for (index, choice) in request.choices.enumerated() where choice.state != .ended {
            if case .running(let sequence) = choice.state { cancel(sequence, into: &actions) }
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

    private mutating func forget(_ id: RequestID) {
        requests[id] = nil
        queueDeadlines.remove(id)
        requestDeadlines.remove(id)
    }
}
