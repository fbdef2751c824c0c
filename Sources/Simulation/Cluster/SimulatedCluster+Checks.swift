import Inference
import Scheduling

/// What must hold, looked at from outside the scheduler.
extension SimulatedCluster {
    /// O(routers); after every event.
    mutating func checkEachEvent() {
        for router in routers.indices where routers[router].isUp {
            let (known, open) = (routers[router].scheduler.openRequests, routers[router].openCount)
            if known != open { violate("A scheduler has \(known) open requests, clients wait for \(open).") }
        }
        if let calmEnd, now > calmEnd, !requests.isEmpty || probesLeft > 0 {
            let first = requests.keys.min().map { "\($0)" } ?? "a probe"
            violate("\(requests.count) requests are open long after all faults have ended, \(first) first.")
        }
    }

    /// O(all there is); every so many events.
    mutating func checkBooks() {
        for router in routers.indices where routers[router].isUp {
            if let wrong = routers[router].scheduler.invariantViolation() { violate(wrong) }
        }
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
        checkBooks()
        for index in machines.indices {
            guard let worker = machines[index].worker else {
                violate("Machine \(index) does not serve after all faults have ended.")
                continue
            }
            if worker.runningCount > 0 || worker.usedPages > 0 {
                violate("Machine \(index) still runs \(worker.runningCount) sequences on \(worker.usedPages) pages.")
            }
        }
        for router in routers.indices { checkEnd(of: router) }
        checkPoison()
    }

    private mutating func checkEnd(of router: Int) {
        guard routers[router].isUp else { return violate("Router \(router) did not come back.") }
        for place in links(from: router) {
            let state = routers[router].scheduler.workerState(self[place].workerID)
            if !self[place].isServing || state != .ready {
                violate("Machine \(place.machine) is \(state) to router \(router) after all faults have ended.")
            }
        }
        let load = routers[router].scheduler.load("m", now: now)
        if load.usedPageCount != 0 || load.waitingCount != 0 || load.runningCount != 0 {
            violate(
                "The scheduler counts \(load.usedPageCount) pages, \(load.waitingCount) waiting and "
                    + "\(load.runningCount) running when nothing is left.")
        }
    }

    /// A poison request kills two workers: the second alone, which proves it. More only where workers die of other
    /// things too: one more where that was in the same moment. Another poison is such a thing where its client has left
    /// before the worker died of it, or where it is another router's, which tells nobody.
    private mutating func checkPoison() {
        let limits = plan.limits
        let others = plan.poisonCount - 1
        let allowed =
            plan.faults.isEmpty
            ? limits.deathsMax + (routers.count > 1 ? 2 * limits.deathsMax : 1) * others
            : limits.deathsInCompanyMax + 2 + limits.otherDeathsMax
        for (number, deaths) in poisonDeaths where deaths > allowed {
            violate("Poison \(number) killed \(deaths) workers; \(allowed) are allowed.")
        }
    }

    // MARK: - Decisions

    mutating func checkAdmission(_ id: ChoiceID, as sequence: SequenceID, on worker: WorkerID) {
        guard let router = requests[id.request]?.router, let journal = requests[id.request]?.choices[id.index] else {
            return
        }
        if !routers[router].admitted.insert(sequence).inserted { violate("\(sequence) names two admissions.") }
        if journal.isFinished { violate("\(id) was admitted after it had ended.") }
        if let other = journal.sequence { violate("\(id) was admitted as \(sequence) while it ran as \(other).") }
        guard let place = linksByWorker[worker], place.router == router, self[place].isServing else {
            violate("\(id) was admitted to \(worker), which is not there.")
            return
        }
        if self[place].saysDraining { violate("\(id) was admitted to \(worker), which drains.") }
        if self[place].isSuspect { violate("\(id) was admitted to \(worker), which is suspect.") }
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
        let numericsID = linksByWorker[worker].map { machines[$0.machine].description.numericsID }
        let others = machines.filter { other in
            let link = other.links[request.router]
            guard let since = link.servingSince, let admittedAt = journal.admittedAt, since < admittedAt else {
                return false
            }
            let isBound = !journal.output.isEmpty && other.description.numericsID != numericsID
            return link.isServing && !link.isSuspect && !link.saysDraining && !isBound
        }
        let roomiest = others.map(\.tokenShareMin).max() ?? 0
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
        case .failed(let why), .unservable(let why): violate("\(id) failed and its request did not: \(why)")
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

    mutating func checkRefusal(of spec: RequestSpec, _ error: ServeError, by router: Int, waiting: Int) {
        switch error {
        case .queueFull:
            let tokens = routers[router].scheduler.waitingTokens("m")
            if waiting < plan.limits.queueRequestsMax && tokens == 0 {
                violate("\(spec.id) was refused by an empty queue.")
            }
        case .queueSlow(let expected, let limit, _):
            let slots = machines.filter(\.links[router].isServing).reduce(0) { $0 + $1.description.slotCount }
            if waiting == 0 || expected <= limit { violate("\(spec.id) was refused where \(slots) slots are free.") }
        case .contextExceeded:
            let longest = spec.prompts.map(\.count).max() ?? 0
            let most = machines.map(\.tokenShareMin).max() ?? 0
            if longest <= most && machines.allSatisfy(\.links[router].isServing) {
                violate("\(spec.id) with \(longest) tokens was refused where \(most) have room.")
            }
        case .modelNotFound: break
        case .invalidRequest, .timedOut, .unavailable, .shuttingDown, .internalFailure:
            violate("\(spec.id) was refused: \(error)")
        }
    }
}
