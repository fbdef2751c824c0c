import Inference
import Scheduling

/// What must hold, looked at from outside the scheduler.
extension SimulatedCluster {
    /// O(open requests); after every event.
    mutating func checkEachEvent() {
        guard isRouterUp else { return }
        if scheduler.openRequests != requests.count {
            violate("The scheduler has \(scheduler.openRequests) open requests, clients wait for \(requests.count).")
        }
        if let calmEnd, now > calmEnd, !requests.isEmpty || probesLeft > 0 {
            let first = requests.keys.min().map { "\($0)" } ?? "a probe"
            violate("\(requests.count) requests are open long after all faults have ended, \(first) first.")
        }
    }

    /// O(all there is); every so many events.
    mutating func checkBooks() {
        guard isRouterUp else { return }
        if let wrong = scheduler.invariantViolation() { violate(wrong) }
        for index in machines.indices {
            if let wrong = machines[index].worker?.violation() { violate("Machine \(index): \(wrong).") }
        }
        for (id, request) in requests {
            // Two looks of the scheduler at the clock, and the rounding of times.
            let slack = 2 * plan.tickSeconds + 0.001
            let timeout = request.spec.requestTimeoutSeconds ?? plan.limits.requestTimeoutSeconds
            if now.seconds(since: request.submittedAt) > timeout + slack { violate("\(id) is open after its time.") }
            let patience = request.spec.queueTimeoutSeconds ?? plan.limits.queueTimeoutSeconds
            if let since = request.idleSince, now.seconds(since: since) > patience + slack {
                violate("\(id) has waited longer than it may.")
            }
        }
    }

    /// Nothing is left anywhere.
    mutating func checkEnd() {
        guard isRouterUp else { return violate("The router did not come back.") }
        checkBooks()
        for index in machines.indices {
            guard let worker = machines[index].worker, machines[index].isServing else {
                violate("Machine \(index) does not serve after all faults have ended.")
                continue
            }
            if worker.runningCount > 0 || worker.usedPages > 0 {
                violate("Machine \(index) still runs \(worker.runningCount) sequences on \(worker.usedPages) pages.")
            }
            if scheduler.workerState(machines[index].workerID) != .ready {
                violate("Machine \(index) is \(scheduler.workerState(machines[index].workerID)) after all faults.")
            }
        }
        let load = scheduler.load("m", now: now)
        if load.usedPageCount != 0 || load.waitingCount != 0 || load.runningCount != 0 {
            violate(
                "The scheduler counts \(load.usedPageCount) pages, \(load.waitingCount) waiting and "
                    + "\(load.runningCount) running when nothing is left.")
        }
        checkPoison()
    }

    /// A poison request kills two workers: the second alone, which proves it. More only where workers die of other
    /// things too; another poison is one where its client has left before the worker died of it.
    private mutating func checkPoison() {
        let limits = plan.limits
        let allowed =
            plan.faults.isEmpty
            ? limits.deathsMax + plan.poisonCount - 1 : limits.deathsInCompanyMax + 1 + limits.otherDeathsMax
        for (number, deaths) in poisonDeaths where deaths > allowed {
            violate("Poison \(number) killed \(deaths) workers; \(allowed) are allowed.")
        }
    }

    // MARK: - Decisions

    mutating func checkAdmission(_ id: ChoiceID, as sequence: SequenceID, on worker: WorkerID) {
        if !admitted.insert(sequence).inserted { violate("\(sequence) names two admissions.") }
        guard let journal = requests[id.request]?.choices[id.index] else { return }
        if journal.isFinished { violate("\(id) was admitted after it had ended.") }
        if let other = journal.sequence { violate("\(id) was admitted as \(sequence) while it ran as \(other).") }
        guard let index = machinesByWorker[worker], machines[index].isServing else {
            violate("\(id) was admitted to \(worker), which is not there.")
            return
        }
        if machines[index].saysDraining { violate("\(id) was admitted to \(worker), which drains.") }
        if machines[index].isSuspect { violate("\(id) was admitted to \(worker), which is suspect.") }
    }

    mutating func checkOwner(_ id: ChoiceID, of entry: StepEntry, from worker: WorkerID) {
        guard let request = requests[id.request], request.choices.indices.contains(id.index) else {
            violate("\(entry.sequence) was given to \(id), which has ended.")
            return
        }
        let journal = request.choices[id.index]
        if journal.sequence != entry.sequence || journal.worker != worker {
            violate("\(entry.sequence) of \(worker) was given to \(id), which does not run there.")
        }
        guard case .failed(let why) = entry.finish else { return }
        ownFailures.insert(id.request)
        // No worker that was there when it was admitted, and could go on with it, has more room.
        let count = journal.prompt.count + journal.output.count
        let numericsID = machinesByWorker[worker].map { machines[$0].description.numericsID }
        let others = machines.filter { other in
            guard let since = other.servingSince, let admittedAt = journal.admittedAt, since < admittedAt else {
                return false
            }
            let isBound = !journal.output.isEmpty && other.description.numericsID != numericsID
            return other.isServing && !other.isSuspect && !other.saysDraining && !isBound
        }
        let roomiest = others.map { $0.description.pageCount * $0.description.pageTokenCount }.max() ?? 0
        if count < roomiest { violate("\(id) with \(count) tokens failed where \(roomiest) have room: \(why)") }
    }

    mutating func checkFinish(_ finish: SequenceFinish, of journal: SimulatedJournal, _ id: ChoiceID) {
        let count = journal.output.count
        switch finish {
        case .stop:
            if count != journal.sampling.minTokens + 1 || journal.output.last != SimulatedModel.endToken {
                violate("\(id) stopped after \(count) tokens instead of \(journal.sampling.minTokens + 1).")
            }
        case .length:
            let context = machines.map(\.description.contextLength).max() ?? 0
            if count != journal.sampling.maxTokens && journal.prompt.count + count < context {
                violate("\(id) ended after \(count) of \(journal.sampling.maxTokens) tokens.")
            }
        case .failed(let why): violate("\(id) failed and its request did not: \(why)")
        }
    }

    /// A request fails for a reason that it had.
    mutating func checkFailure(of id: RequestID, _ error: ServeError) {
        guard let request = requests[id] else { return }
        switch error {
        case .timedOut(let seconds):
            let age = now.seconds(since: request.submittedAt)
            let idle = request.idleSince.map { now.seconds(since: $0) } ?? 0
            if age < seconds - 0.001 && idle < seconds - 0.001 {
                violate("\(id) timed out after \(age) s, \(idle) s of them waiting; it had \(seconds) s.")
            }
        case .internalFailure:
            if ownFailures.contains(id) { return }
            let most = request.choices.map(\.faultCount).max() ?? 0
            if most < plan.limits.deathsMax {
                violate("\(id) failed after \(most) faults under it: \(error)")
            }
        case .unavailable: break
        case .invalidRequest, .modelNotFound, .contextExceeded, .queueFull, .queueSlow, .shuttingDown:
            violate("\(id) was accepted and then failed with \(error)")
        }
    }

    mutating func checkRefusal(of spec: RequestSpec, _ error: ServeError, waiting: Int) {
        switch error {
        case .queueFull:
            let tokens = scheduler.waitingTokens("m")
            if waiting < plan.limits.queueRequestsMax && tokens == 0 {
                violate("\(spec.id) was refused by an empty queue.")
            }
        case .queueSlow(let expected, let limit, _):
            let slots = machines.filter(\.isServing).reduce(0) { $0 + $1.description.slotCount }
            if waiting == 0 || expected <= limit { violate("\(spec.id) was refused where \(slots) slots are free.") }
        case .contextExceeded:
            let longest = spec.prompts.map(\.count).max() ?? 0
            let most = machines.map { $0.description.pageCount * $0.description.pageTokenCount }.max() ?? 0
            if longest <= most && machines.allSatisfy(\.isServing) {
                violate("\(spec.id) with \(longest) tokens was refused where \(most) have room.")
            }
        case .modelNotFound: break
        case .invalidRequest, .timedOut, .unavailable, .shuttingDown, .internalFailure:
            violate("\(spec.id) was refused: \(error)")
        }
    }
}
