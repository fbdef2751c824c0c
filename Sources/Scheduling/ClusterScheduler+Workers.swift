package import Inference

/// What workers say, and what becomes of their sequences when they say nothing more.
extension ClusterScheduler {
    /// A link is being made. Counts for nothing but ``workerCount(_:)``.
    package mutating func workerDialled(_ id: WorkerID) {
        if workers[id] == nil { connecting.insert(id) }
    }

    /// The worker takes sequences from now on.
    package mutating func workerWelcomed(
        _ id: WorkerID, _ description: WorkerDescription, now: Instant
    ) -> [SchedulingAction] {
        var actions = workers[id] == nil ? [] : workerLost(id, now: now)
        connecting.remove(id)
        workers[id] = WorkerRecord(description)
        models[description.model, default: ModelQueue()].groups[description.numericsID, default: NumericsGroup()]
            .workers.insert(id)
        noteCapacity(of: id)
        refresh(id)
        admitWaiting(description.model, now: now, into: &actions)
        return actions
    }

    /// A step is done. The answer says whose each entry is; entries of what moved or ended are nobody's.
    package mutating func workerReported(_ id: WorkerID, _ report: StepReport, now: Instant) -> ReportAnswer {
        var answer = ReportAnswer(choices: [], actions: [])
        answer.choices.reserveCapacity(report.entries.count)
        guard let worker = workers[id] else {
            answer.choices = Array(repeating: nil, count: report.entries.count)
            return answer
        }
        let model = worker.description.model
        let host = Host(
            numericsID: worker.description.numericsID, pageTokenCount: worker.description.pageTokenCount,
            hasTrial: worker.trial != nil)
        signOfLife(id, now: now, into: &answer.actions)
        workers[id]?.stepTook(microseconds: report.durationMicroseconds)
        workers[id]?.apply(report.load, commandsSeen: report.commandsSeen)
        var hasTokens = false
        for entry in report.entries {
            guard let assignment = assignments[entry.sequence], assignment.worker == id else {
                answer.choices.append(nil)
                continue
            }
            answer.choices.append(assignment.choice)
            advance(assignment, entry.sequence, by: entry.tokens, at: host)
            hasTokens = hasTokens || !entry.tokens.isEmpty
            switch entry.finish {
            case nil: break
            case .stop, .length: end(assignment.choice, learns: true, now: now)
            case .failed(let why):
                end(assignment.choice, learns: false, now: now)
                drop(assignment.choice.request, now: now, into: &answer.actions)
                answer.actions.append(.fail(assignment.choice.request, .internalFailure(why)))
            }
        }
        if hasTokens { workers[id]?.refusalsInARow = 0 }
        refresh(id)
        rearm(id, now: now)
        admitWaiting(model, reporter: id, now: now, into: &answer.actions)
        return answer
    }

    /// The worker's share changed, or its load without a step.
    package mutating func workerCredit(
        _ id: WorkerID, slotCount: Int, pageCount: Int, load: WorkerLoad, commandsSeen: UInt64, now: Instant
    ) -> [SchedulingAction] {
        guard let model = workers[id]?.description.model else { return [] }
        var actions: [SchedulingAction] = []
        signOfLife(id, now: now, into: &actions)
        workers[id]?.changeShare(slotCount: slotCount, pageCount: pageCount)
        noteCapacity(of: id)
        workers[id]?.apply(load, commandsSeen: commandsSeen)
        refresh(id)
        admitWaiting(model, reporter: id, now: now, into: &actions)
        return actions
    }

    package mutating func workerPrefixChanged(
        _ id: WorkerID, added: [UInt64], removed: [UInt64], isSnapshot: Bool
    ) {
        guard let worker = workers[id]?.description else { return }
        models[worker.model]?.groups[worker.numericsID]?.prefixes.change(
            id, added: added, removed: removed, isSnapshot: isSnapshot, limit: limits.prefixHashesMax)
    }

    /// The worker gave a sequence back, asked or not.
    package mutating func sequencePreempted(
        _ sequence: SequenceID, by id: WorkerID, now: Instant
    ) -> [SchedulingAction] {
        guard let assignment = assignments[sequence], assignment.worker == id else { return [] }
        var actions: [SchedulingAction] = []
        let isDraining = workers[id]?.state == .draining
        requeue(sequence, isDraining ? .draining : .preempted, now: now, into: &actions)
        admitWaiting(ofWorker: id, now: now, into: &actions)
        return actions
    }

    /// The worker had no room after all. It is left alone for a moment, longer each time in a row.
    package mutating func sequenceRefused(
        _ sequence: SequenceID, by id: WorkerID, now: Instant
    ) -> [SchedulingAction] {
        guard let assignment = assignments[sequence], assignment.worker == id else { return [] }
        var actions: [SchedulingAction] = []
        let refusals = min(workers[id]?.refusalsInARow ?? 0, 16)
        let pause = min(limits.refusalPauseSecondsMax, limits.refusalPauseSeconds * Double(1 << refusals))
        workers[id]?.refusalsInARow = refusals + 1
        workers[id]?.pausedUntil = now.advanced(bySeconds: pause)
        requeue(sequence, .refused, now: now, into: &actions)
        admitWaiting(ofWorker: id, now: now, into: &actions)
        return actions
    }

    /// The worker takes nothing more. What it has is asked back as others have room; where there are none it may go on
    /// until its own deadline.
    package mutating func workerDraining(_ id: WorkerID, now: Instant) -> [SchedulingAction] {
        guard let state = workers[id]?.state, state != .draining else { return [] }
        var actions: [SchedulingAction] = []
        workers[id]?.state = .draining
        workers[id]?.suspectSince = nil
        leaving.insert(id)
        giveUpReservation(on: id)
        refresh(id)
        evacuate(id, now: now, into: &actions)
        return actions
    }

    /// The link is broken; nothing that the worker had will be heard of again.
    package mutating func workerLost(_ id: WorkerID, now: Instant) -> [SchedulingAction] {
        connecting.remove(id)
        guard let worker = workers[id] else { return [] }
        var actions: [SchedulingAction] = []
        workers[id]?.state = .gone
        refresh(id)
        giveUpReservation(on: id)
        let suspects = worker.assigned.count { isUnproven($0) }
        deathTimes.removeAll { now.seconds(since: $0) > limits.deathMemorySeconds }
        if worker.state != .draining { deathTimes.append(now) }
        for sequence in inOrder(worker.assigned) {
            guard let assignment = assignments[sequence] else { continue }
            let deaths = countDeath(assignment, of: worker, now: now)
            let others = min(max(0, deathTimes.count - deaths), limits.otherDeathsMax)
            let limit = (suspects > 1 ? limits.deathsInCompanyMax : limits.deathsMax) + others
            requeue(sequence, .workerLost, now: now, into: &actions)
            guard deaths >= limit else { continue }
            let message = "The request was running on \(deaths) workers when they died, and made no progress."
            fail(assignment.choice.request, .internalFailure(message), now: now, into: &actions)
        }
        let (model, numericsID) = (worker.description.model, worker.description.numericsID)
        workers[id] = nil
        watch.remove(id)
        leaving.remove(id)
        models[model]?.capacities.remove(id)
        models[model]?.groups[numericsID]?.workers.remove(id)
        models[model]?.groups[numericsID]?.prefixes.remove(id)
        forgetEmptyGroup(numericsID, of: model)
        admitWaiting(model, now: now, into: &actions)
        return actions
    }

    // MARK: - Parts

    private mutating func noteCapacity(of id: WorkerID) {
        guard let worker = workers[id] else { return }
        models[worker.description.model]?.capacities.set(id, -worker.capacity)
    }

    /// New tokens of a running sequence: its journal, its prefix chain and its reservation follow.
    private mutating func advance(_ assignment: Assignment, _ sequence: SequenceID, by tokens: [TokenID], at host: Host)
    {
        let id = assignment.choice
        // By place and not by key: a record changed by key is moved out of the dictionary and back.
        guard !tokens.isEmpty, let place = requests.index(forKey: id.request),
            let count = requests.values[place].advance(id.index, by: tokens, numericsID: host.numericsID)
        else { return }
        if host.hasTrial, workers[assignment.worker]?.trial == sequence { workers[assignment.worker]?.trial = nil }
        let size = host.pageTokenCount
        var target = assignment.targetTokens
        if count >= target, let request = requests[id.request] {
            let promptCount = request.choices[id.index].promptCount
            let output = OutputDemand(
                expected: models[request.spec.model]?.outputs.expected ?? 0, made: count - promptCount,
                max: request.spec.maxTokens)
            target = promptCount + output.target(margin: size)
        }
        let growth = max(0, (target + size - 1) / size - (count + size - 1) / size)
        guard growth != assignment.growth || target != assignment.targetTokens else { return }
        workers[assignment.worker]?.reserve(growth - assignment.growth)
        assignments[sequence]?.growth = growth
        assignments[sequence]?.targetTokens = target
    }

    /// What one report's entries have in common.
    private struct Host {
        var numericsID: String
        var pageTokenCount: Int
        var hasTrial: Bool
    }

    /// Counts a worker's death against a choice that was there.
    /// - Returns: how many died under it with no token in between.
    private mutating func countDeath(_ assignment: Assignment, of worker: WorkerRecord, now: Instant) -> Int {
        let id = assignment.choice
        guard var choice = record(of: id) else { return 0 }
        choice.noteFault()
        let isTooSoon =
            choice.deaths > 0 && !choice.isForgiven && !worker.hasSeen(assignment.command)
            && now.seconds(since: assignment.admittedAt) < limits.innocentSeconds
        if isTooSoon { choice.isForgiven = true } else { choice.deaths += 1 }
        requests[id.request]?.choices[id.index] = choice
        return choice.deaths
    }

    /// Whether a sequence has made no token where it runs now: it may be what a worker dies of.
    private func isUnproven(_ sequence: SequenceID) -> Bool {
        guard let assignment = assignments[sequence] else { return false }
        return record(of: assignment.choice)?.outputCount == assignment.admittedOutputCount
    }

    /// Sequences in the order in which their requests came.
    func inOrder(_ sequences: Set<SequenceID>) -> [SequenceID] {
        sequences.map { sequence in
            (sequence, assignments[sequence].flatMap { record(of: $0.choice)?.ticket } ?? 0)
        }.sorted { ($0.1, $0.0) < ($1.1, $1.0) }.map(\.0)
    }

    private mutating func admitWaiting(ofWorker id: WorkerID, now: Instant, into actions: inout [SchedulingAction]) {
        guard let model = workers[id]?.description.model else { return }
        refresh(id)
        admitWaiting(model, now: now, into: &actions)
    }

    private mutating func signOfLife(_ id: WorkerID, now: Instant, into actions: inout [SchedulingAction]) {
        guard workers[id]?.state == .suspect else { return }
        workers[id]?.state = .ready
        workers[id]?.suspectSince = nil
        actions.append(.recovered(id))
        refresh(id)
        rearm(id, now: now)
    }

    private mutating func rearm(_ id: WorkerID, now: Instant) {
        guard let worker = workers[id], !worker.assigned.isEmpty else {
            watch.remove(id)
            return
        }
        watch.set(id, now.advanced(bySeconds: worker.patience(limits)))
    }
}
