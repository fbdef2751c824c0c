package import Inference

/// What workers say, and what becomes of their sequences when they say nothing more.
extension ClusterScheduler {
    /// A link is being made. Counts for nothing but ``workerCount(_:)``.
    package mutating func workerDialled(_ id: WorkerID) {
        if !workers.contains(id) { connecting.insert(id) }
    }

    /// Requests of the model may wait although no worker of it has come yet.
    package mutating func modelExpected(_ model: String) {
        _ = models.seen(model)
    }

    /// The worker takes sequences from now on.
    package mutating func workerWelcomed(
        _ id: WorkerID, _ description: WorkerDescription, now: Instant
    ) -> [SchedulingAction] {
        var actions = workers.contains(id) ? workerLost(id, now: now) : []
        connecting.remove(id)
        let model = models.seen(description.model)
        workers.insert(id, WorkerRecord(description, model: model))
        models[model]?.groups.make(description.numericsID)
        models[model]?.groups[description.numericsID]?.workers.insert(id)
        noteCapacity(of: id)
        refresh(id)
        admitWaiting(model, now: now, into: &actions)
        return actions
    }

    /// A step is done. The answer says whose each entry is; entries of what moved or ended are nobody's.
    package mutating func workerReported(_ id: WorkerID, _ report: StepReport, now: Instant) -> ReportAnswer {
        var answer = ReportAnswer(choices: [], actions: [])
        answer.choices.reserveCapacity(report.entries.count)
        guard let (model, trial) = workers.with(id, { ($0.model, $0.trial) }) else {
            answer.choices = Array(repeating: nil, count: report.entries.count)
            return answer
        }
        signOfLife(id, now: now, into: &answer.actions)
        workers.with(id) { host in
            host.apply(report.load, commandsSeen: report.commandsSeen)
            host.stepTook(microseconds: report.durationMicroseconds, tokens: report.tokenCount, at: now)
        }
        var hasTokens = false
        // By place: a copy of an entry would count references to all its parts.
        for place in report.entries.indices {
            let sequence = report.entries[place].sequence
            let advanced = sequences.with(sequence.rawValue) { running in
                running.advance(by: report.entries[place].tokens, on: id)
            }
            guard let (choice, needsReview) = advanced ?? nil else {
                answer.choices.append(nil)
                continue
            }
            answer.choices.append(choice)
            if let cached = report.entries[place].cachedTokenCount { correctPrompt(sequence, cached: cached) }
            if needsReview { review(sequence) }
            if !report.entries[place].tokens.isEmpty {
                hasTokens = true
                if trial == sequence { workers[id]?.trial = nil }
            }
            switch report.entries[place].finish {
            case nil: break
            case .length where report.entries[place].tokens.isEmpty && hasRoomElsewhere(sequence, outgrown: id),
                .failed where report.entries[place].tokens.isEmpty && hasRoomElsewhere(sequence, outgrown: id):
                answer.choices[place] = nil
                requeue(sequence, .preempted, now: now, into: &answer.actions)
            case .stop, .length: end(choice, learns: true, now: now)
            case .failed(let why):
                end(choice, failing: .internalFailure(why), now: now, into: &answer.actions)
            case .unservable(let why):
                end(choice, failing: .invalidRequest(message: why, parameter: nil), now: now, into: &answer.actions)
            }
        }
        if hasTokens { workers.with(id) { $0.refusalsInARow = 0 } }
        refresh(id)
        rearm(id, now: now)
        admitWaiting(model, reporter: id, now: now, into: &answer.actions)
        return answer
    }

    /// Ends a choice that a worker could not run, and its request with it. Unlike `fail`, it has that worker cancel nothing.
    private mutating func end(
        _ choice: ChoiceID, failing error: ServeError, now: Instant, into actions: inout [SchedulingAction]
    ) {
        end(choice, learns: false, now: now)
        drop(choice.request, now: now, into: &actions)
        actions.append(.fail(choice.request, error))
    }

    /// The worker's share changed, or its load without a step.
    package mutating func workerCredit(
        _ id: WorkerID, slotCount: Int, pageCount: Int, load: WorkerLoad, commandsSeen: UInt64, now: Instant
    ) -> [SchedulingAction] {
        guard let model = workers[id]?.model else { return [] }
        var actions: [SchedulingAction] = []
        signOfLife(id, now: now, into: &actions)
        workers[id]?.changeShare(slotCount: slotCount, pageCount: pageCount)
        noteCapacity(of: id)
        workers[id]?.apply(load, commandsSeen: commandsSeen)
        refresh(id)
        admitWaiting(model, reporter: id, now: now, into: &actions)
        return actions
    }

    /// The worker's step takes long and moves.
    package mutating func workerWorks(_ id: WorkerID, now: Instant) -> [SchedulingAction] {
        guard let model = workers[id]?.model else { return [] }
        var actions: [SchedulingAction] = []
        let wasSuspect = workers[id]?.state == .suspect
        signOfLife(id, now: now, into: &actions)
        rearm(id, now: now)
        if wasSuspect { admitWaiting(model, reporter: id, now: now, into: &actions) }
        return actions
    }

    /// So many commands have come to the worker, as a process: no sign that its steps move.
    package mutating func workerTook(_ id: WorkerID, commands: UInt64) { workers[id]?.took(commands) }

    package mutating func workerPrefixChanged(
        _ id: WorkerID, added: [UInt64], removed: [UInt64], isSnapshot: Bool
    ) {
        guard let model = workers[id]?.model, let numericsID = workers[id]?.description.numericsID else { return }
        models[model]?.groups[numericsID]?.prefixes.change(
            id, added: added, removed: removed, isSnapshot: isSnapshot, limit: limits.prefixHashesMax)
    }

    /// The worker gave a sequence back, asked or not.
    package mutating func sequencePreempted(
        _ sequence: SequenceID, by id: WorkerID, now: Instant
    ) -> [SchedulingAction] {
        guard let running = sequences[sequence.rawValue], running.worker == id else { return [] }
        var actions: [SchedulingAction] = []
        let cause: MoveCause =
            workers[id]?.state == .draining ? .draining : running.isAskedBack ? .workerSlow : .preempted
        requeue(sequence, cause, now: now, into: &actions)
        admitWaiting(ofWorker: id, now: now, into: &actions)
        return actions
    }

    /// The worker had no room after all. It is left alone for a moment, longer each time in a row.
    package mutating func sequenceRefused(
        _ sequence: SequenceID, by id: WorkerID, now: Instant
    ) -> [SchedulingAction] {
        guard sequences[sequence.rawValue]?.worker == id else { return [] }
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
    /// - Parameter isSilent: it broke because nothing came from it for long. Machines and networks do that, and processes
    ///   that are stopped; what a request can be blamed for ends a process, and its link at once.
    package mutating func workerLost(_ id: WorkerID, isSilent: Bool = false, now: Instant) -> [SchedulingAction] {
        connecting.remove(id)
        guard let worker = workers[id] else { return [] }
        var actions: [SchedulingAction] = []
        workers[id]?.state = .gone
        refresh(id)
        giveUpReservation(on: id)
        if isSilent {
            for sequence in inOrder(worker.assigned) {
                guard let choice = sequences[sequence.rawValue]?.choice else { continue }
                requeue(sequence, .workerStalled, now: now, into: &actions)
                _ = countStall(choice, now: now, into: &actions)
            }
        } else {
            holdDeath(of: worker, now: now, into: &actions)
        }
        let (model, numericsID) = (worker.model, worker.description.numericsID)
        workers.remove(id)
        watch.remove(id)
        leaving.remove(id)
        models[model]?.capacities.remove(id)
        models[model]?.slotCount -= worker.countedSlots
        models[model]?.groups[numericsID]?.workers.remove(id)
        models[model]?.groups[numericsID]?.prefixes.remove(id)
        forgetEmptyGroup(numericsID, of: model)
        admitWaiting(model, now: now, into: &actions)
        return actions
    }

    // MARK: - Parts

    private mutating func noteCapacity(of id: WorkerID) {
        guard let worker = workers[id] else { return }
        models[worker.model]?.capacities.set(id, -worker.capacity)
        models[worker.model]?.slotCount += worker.description.slotCount - worker.countedSlots
        workers[id]?.countedSlots = worker.description.slotCount
    }

    /// Looks again at what is reserved for a sequence that has reached its `reviewTokenCount`, and charges for its tokens.
    private mutating func review(_ sequence: SequenceID) {
        chargeOutput(sequence)
        guard let running = sequences.with(sequence.rawValue, { $0.reservation }),
            let pageTokenCount = workers.with(running.worker, { $0.description.pageTokenCount })
        else { return }
        let (id, count) = (running.choice, running.tokenCount)
        var target = running.targetTokens
        if count >= target,
            case (let promptCount?, let maxTokens)? = requests.with(
                id.request, { ($0.promptCount(of: id.index), $0.spec.maxTokens) })
        {
            let output = OutputDemand(
                expected: models.with(running.model) { $0.outputs.expected } ?? 0, made: count - promptCount,
                max: maxTokens)
            target = promptCount + output.target(margin: pageTokenCount)
        }
        let difference = workers.with(running.worker) { host in
            host.reserve(from: running.growth, forTokens: count, until: target)
        }
        guard let (growth, reviewTokenCount) = difference else { return }
        sequences.with(sequence.rawValue) { $0.reserves(growth, until: target, reviewAt: reviewTokenCount) }
    }

    /// Sequences in the order in which their requests came.
    func inOrder(_ some: Set<SequenceID>) -> [SequenceID] {
        some.map { sequence in
            (sequence, sequences[sequence.rawValue].flatMap { record(of: $0.choice)?.ticket } ?? 0)
        }.sorted { ($0.1, $0.0) < ($1.1, $1.0) }.map(\.0)
    }

    mutating func admitWaiting(ofWorker id: WorkerID, now: Instant, into actions: inout [SchedulingAction]) {
        guard let model = workers[id]?.model else { return }
        refresh(id)
        admitWaiting(model, now: now, into: &actions)
    }

    private mutating func signOfLife(_ id: WorkerID, now: Instant, into actions: inout [SchedulingAction]) {
        guard let worker = workers[id], worker.state == .suspect else { return }
        workers[id]?.suspectSince = nil
        // One that was set aside before it fell silent has not become quicker by it.
        if worker.slowUntil.map({ $0 > now }) ?? false {
            workers[id]?.state = .slow
            leaving.insert(id)
        } else {
            // Where its pause ended in silence it has to show its pace, as if it had been taken back then.
            if worker.slowUntil != nil {
                workers[id]?.startProbe()
                workers[id]?.takenBack()
            }
            workers[id]?.state = .ready
            actions.append(.recovered(id))
        }
        refresh(id)
        rearm(id, now: now)
    }

    private mutating func rearm(_ id: WorkerID, now: Instant) {
        let limits = limits
        guard let patience = workers.with(id, { $0.assigned.isEmpty ? nil : $0.patience(limits) }) ?? nil else {
            watch.remove(id)
            return
        }
        watch.set(id, now.advanced(bySeconds: patience))
    }
}
