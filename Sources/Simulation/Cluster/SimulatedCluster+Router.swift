import Inference
import Scheduling

/// Drives each router's scheduler as Router/ does: an event, its actions at once, then what clients hear.
extension SimulatedCluster {
    mutating func expectWorker(at place: LinkPlace) {
        lastWorker += 1
        let worker = WorkerID(lastWorker)
        linksByWorker[worker] = place
        routers[place.router].scheduler.workerDialled(worker)
        self[place].workerID = worker
        self[place].isServing = false
        self[place].isSuspect = false
        self[place].saysDraining = false
        queue.schedule(.dialled(place, link: self[place].number), at: after(self[place].dialPauseSeconds))
    }

    mutating func tick(_ router: Int, _ life: Int) {
        guard routers[router].isUp, routers[router].life == life else { return }
        perform(routers[router].scheduler.timePassed(now))
        checkHung(by: router)
        checkIdle(by: router)
        queue.schedule(.ticked(router: router, life: life), at: after(plan.tickSeconds))
    }

    // MARK: - Workers' words

    mutating func hear(_ event: WorkerEvent, from place: LinkPlace, _ link: Int) {
        guard self[place].number == link, self[place].isConnected, routers[place.router].isUp else { return }
        let worker = self[place].workerID
        if case .welcome(let description) = event {
            self[place].isServing = true
            self[place].servingSince = now
            self[place].dialPauseSeconds = 0.05
            perform(routers[place.router].scheduler.workerWelcomed(worker, description, now: now))
            return
        }
        guard self[place].isServing else { return }
        switch event {
        case .welcome: break
        case .step(let report): hear(report, from: worker, place.router)
        case .credit(let slotCount, let pageCount, let load, let commandsSeen):
            perform(
                routers[place.router].scheduler.workerCredit(
                    worker, slotCount: slotCount, pageCount: pageCount, load: load, commandsSeen: commandsSeen,
                    now: now))
        case .prefix(let added, let removed, let isSnapshot):
            routers[place.router].scheduler.workerPrefixChanged(
                worker, added: added, removed: removed, isSnapshot: isSnapshot)
        case .preempted(let sequence):
            perform(routers[place.router].scheduler.sequencePreempted(sequence, by: worker, now: now))
        case .refused(let sequence):
            perform(routers[place.router].scheduler.sequenceRefused(sequence, by: worker, now: now))
        case .draining:
            self[place].saysDraining = true
            perform(routers[place.router].scheduler.workerDraining(worker, now: now))
        case .working: perform(routers[place.router].scheduler.workerWorks(worker, now: now))
        case .taken(let commands): routers[place.router].scheduler.workerTook(worker, commands: commands)
        }
    }

    private mutating func hear(_ stepReport: StepReport, from worker: WorkerID, _ router: Int) {
        let answer = routers[router].scheduler.workerReported(worker, stepReport, now: now)
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
            if let choice { deliver(entry, to: choice, router) }
        }
    }

    private mutating func deliver(_ entry: StepEntry, to id: ChoiceID, _ router: Int) {
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
        if isCut && entry.finish == nil { perform(routers[router].scheduler.choiceCompleted(id, now: now)) }
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
                if let place = linksByWorker[worker] {
                    self[place].isSuspect = true
                    checkSuspicion(at: place)
                }
            case .recovered(let worker):
                if let place = linksByWorker[worker] { markReady(place) }
            }
        }
    }

    private mutating func markReady(_ place: LinkPlace) {
        self[place].isSuspect = false
        self[place].servingSince = now
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
    mutating func stopRouter(_ router: Int) {
        routers[router].isUp = false
        routers[router].life += 1
        for place in links(from: router) where self[place].isConnected { breakLink(place) }
        for place in links(from: router) {
            self[place].number += 1
            self[place].isServing = false
            linksByWorker[self[place].workerID] = nil
        }
        for id in requests.keys.sorted() where requests[id]?.router == router { end(id, .routerDied) }
    }

    mutating func startRouter(_ router: Int) {
        guard !routers[router].isUp else { return }
        let life = routers[router].life
        routers[router] = SimulatedRouter(limits: plan.limits)
        routers[router].life = life
        for place in links(from: router) {
            self[place].dialPauseSeconds = 0.05
            expectWorker(at: place)
        }
        queue.schedule(.ticked(router: router, life: life), at: after(plan.tickSeconds))
    }
}
