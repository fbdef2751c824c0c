import Inference
import Scheduling

/// Drives the scheduler as Router/ does: an event, its actions at once, then what clients hear.
extension SimulatedCluster {
    mutating func expectWorker(at index: Int) {
        lastWorker += 1
        machines[index].workerID = WorkerID(lastWorker)
        machinesByWorker[WorkerID(lastWorker)] = index
        scheduler.workerDialled(WorkerID(lastWorker))
        machines[index].isServing = false
        machines[index].isSuspect = false
        machines[index].saysDraining = false
        queue.schedule(
            .dialled(machine: index, link: machines[index].link), at: after(machines[index].dialPauseSeconds))
    }

    mutating func tick(_ number: Int) {
        guard number == router, isRouterUp else { return }
        perform(scheduler.timePassed(now))
        queue.schedule(.ticked(router: router), at: after(plan.tickSeconds))
    }

    // MARK: - Workers' words

    mutating func hear(_ event: WorkerEvent, from index: Int, _ link: Int) {
        guard machines[index].link == link, machines[index].isConnected, isRouterUp else { return }
        let worker = machines[index].workerID
        if case .welcome(let description) = event {
            machines[index].isServing = true
            machines[index].servingSince = now
            machines[index].dialPauseSeconds = 0.05
            perform(scheduler.workerWelcomed(worker, description, now: now))
            return
        }
        guard machines[index].isServing else { return }
        switch event {
        case .welcome: break
        case .step(let report): hear(report, from: worker)
        case .credit(let slotCount, let pageCount, let load, let commandsSeen):
            perform(
                scheduler.workerCredit(
                    worker, slotCount: slotCount, pageCount: pageCount, load: load, commandsSeen: commandsSeen,
                    now: now))
        case .prefix(let added, let removed, let isSnapshot):
            scheduler.workerPrefixChanged(worker, added: added, removed: removed, isSnapshot: isSnapshot)
        case .preempted(let sequence): perform(scheduler.sequencePreempted(sequence, by: worker, now: now))
        case .refused(let sequence): perform(scheduler.sequenceRefused(sequence, by: worker, now: now))
        case .draining:
            machines[index].saysDraining = true
            perform(scheduler.workerDraining(worker, now: now))
        }
    }

    private mutating func hear(_ stepReport: StepReport, from worker: WorkerID) {
        let answer = scheduler.workerReported(worker, stepReport, now: now)
        guard answer.choices.count == stepReport.entries.count else {
            violate("\(stepReport.entries.count) entries got \(answer.choices.count) owners")
            return
        }
        // A failure ends the request among the actions, so it is looked at while the request is there.
        for (entry, choice) in zip(stepReport.entries, answer.choices) {
            if let choice { checkOwner(choice, of: entry, from: worker) }
        }
        perform(answer.actions)
        for (entry, choice) in zip(stepReport.entries, answer.choices) {
            if let choice { deliver(entry, to: choice) }
        }
    }

    private mutating func deliver(_ entry: StepEntry, to id: ChoiceID) {
        guard var journal = requests[id.request]?.choices[id.index] else { return }
        guard !journal.isFinished else {
            violate("\(id) got tokens after its end")
            return
        }
        for token in entry.tokens {
            guard token == journal.nextToken else {
                violate("\(id) got \(token) as output token \(journal.output.count), not \(journal.nextToken)")
                return
            }
            journal.output.append(token)
            journal.faultCount = 0
            report.tokenCount += 1
            if let stop = journal.stopAfter, journal.output.count >= stop {
                journal.isFinished = true
                break
            }
        }
        let isCut = journal.isFinished
        if let finish = entry.finish, !isCut {
            checkFinish(finish, of: journal, id)
            journal.isFinished = true
        }
        if journal.isFinished {
            journal.sequence = nil
            journal.worker = nil
        }
        requests[id.request]?.choices[id.index] = journal
        if isCut && entry.finish == nil { perform(scheduler.choiceCompleted(id, now: now)) }
        updateIdle(id.request)
        guard let request = requests[id.request], request.isFinished else { return }
        end(id.request, .completed)
    }

    // MARK: - The scheduler's decisions

    mutating func perform(_ actions: [SchedulingAction]) {
        for action in actions {
            if options.traceLength > 0 { note("  \(action)") }
            switch action {
            case .admit(let choice, let sequence, let worker): admit(choice, as: sequence, on: worker)
            case .cancel(let sequence, let worker): send(.cancel(sequence), to: worker)
            case .preempt(let sequence, let worker): send(.preempt(sequence), to: worker)
            case .fail(let id, let error):
                checkFailure(of: id, error)
                end(id, .failed(error))
            case .moved(let choice, let cause): moved(choice, cause)
            case .suspected(let worker):
                forgivePassing()
                if let index = machinesByWorker[worker] { machines[index].isSuspect = true }
            case .recovered(let worker):
                if let index = machinesByWorker[worker] { markReady(index) }
            }
        }
    }

    private mutating func markReady(_ index: Int) {
        machines[index].isSuspect = false
        machines[index].servingSince = now
    }

    private mutating func admit(_ id: ChoiceID, as sequence: SequenceID, on worker: WorkerID) {
        guard let request = requests[id.request], request.choices.indices.contains(id.index) else {
            violate("\(id) was admitted as \(sequence) after it had ended")
            return
        }
        checkAdmission(id, as: sequence, on: worker)
        notePassing(by: id, on: worker)
        let journal = request.choices[id.index]
        requests[id.request]?.choices[id.index].sequence = sequence
        requests[id.request]?.choices[id.index].worker = worker
        requests[id.request]?.choices[id.index].admittedAt = now
        requests[id.request]?.choices[id.index].hasRun = true
        requests[id.request]?.choices[id.index].passedSince = nil
        updateIdle(id.request)
        send(
            .admit(journal.admission(as: sequence, priority: request.spec.priority, salt: request.spec.salt)),
            to: worker)
    }

    private mutating func moved(_ id: ChoiceID, _ cause: MoveCause) {
        report.moves[cause.rawValue, default: 0] += 1
        guard requests[id.request]?.choices[id.index].sequence != nil else {
            // A request that fails for it has left the scheduler's books and ours in one step.
            if requests[id.request] != nil { violate("\(id) was moved and did not run") }
            return
        }
        requests[id.request]?.choices[id.index].sequence = nil
        requests[id.request]?.choices[id.index].worker = nil
        if cause == .workerLost || cause == .workerStalled {
            requests[id.request]?.choices[id.index].faultCount += 1
        }
        updateIdle(id.request)
    }

    private mutating func updateIdle(_ id: RequestID) {
        guard let request = requests[id] else { return }
        let isIdle = !request.choices.contains { $0.sequence != nil }
        if !isIdle { requests[id]?.idleSince = nil } else if request.idleSince == nil { requests[id]?.idleSince = now }
    }

    // MARK: - Router restart

    /// The process dies: links break, streams end, all it knew is gone.
    mutating func stopRouter() {
        isRouterUp = false
        router += 1
        for index in machines.indices where machines[index].isConnected { breakLink(index) }
        for index in machines.indices {
            machines[index].link += 1
            machines[index].isServing = false
        }
        for id in requests.keys.sorted() { end(id, .routerDied) }
    }

    mutating func startRouter() {
        guard !isRouterUp else { return }
        isRouterUp = true
        scheduler = ClusterScheduler(limits: plan.limits)
        machinesByWorker.removeAll()
        admitted = []
        for index in machines.indices {
            machines[index].dialPauseSeconds = 0.05
            expectWorker(at: index)
        }
        queue.schedule(.ticked(router: router), at: after(plan.tickSeconds))
    }
}
