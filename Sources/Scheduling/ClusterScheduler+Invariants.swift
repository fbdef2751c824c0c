import Inference

extension ClusterScheduler {
    /// Counts everything again. For tests and the simulator: O(all there is).
    /// - Returns: the first thing that is wrong, in words; nil when every open choice is in exactly one place, and
    ///   every sum is that of its parts.
    package func invariantViolation() -> String? {
        lineViolation() ?? choiceViolation() ?? workerViolation() ?? deadlineViolation()
    }

    private func lineViolation() -> String? {
        for queue in models.all {
            let name = queue.name
            for id in queue.line.ids {
                guard let choice = record(of: id), choice.state == .waiting, choice.numericsID == nil else {
                    return "\(id) is in the line of \(name) and should not be"
                }
            }
            if let wrong = queue.line.violation() { return "the line of \(name): \(wrong)" }
            for numericsID in queue.groups.ids {
                guard let group = queue.groups[numericsID] else { return "\(name)/\(numericsID) is no group" }
                for id in group.line.ids {
                    guard let choice = record(of: id), choice.state == .waiting, choice.numericsID == numericsID else {
                        return "\(id) is in the line of \(name)/\(numericsID) and should not be"
                    }
                }
                if let wrong = group.prefixes.violation() { return "\(name)/\(numericsID): \(wrong)" }
                for id in group.available.ids where workers[id]?.state != .ready || !group.workers.contains(id) {
                    return "\(id) is offered and not ready"
                }
                if group.workers.isEmpty && group.line.isEmpty { return "\(name)/\(numericsID) is empty and kept" }
            }
            if queue.availableCount != queue.groups.values.reduce(0, { $0 + $1.available.count }) {
                return "\(name) offers another number of workers than it counts"
            }
            let slots = queue.groups.values.flatMap(\.workers).reduce(0) {
                $0 + (workers[$1]?.description.slotCount ?? 0)
            }
            if queue.slotCount != slots { return "\(name) has \(slots) slots and counts \(queue.slotCount)" }
            if queue.waiting.requests < 0 || queue.runningCount < 0 { return "\(name) counts below zero" }
        }
        return nil
    }

    private func choiceViolation() -> String? {
        var (load, waitingChoices, running) = (QueueLoad(), 0, 0)
        var (openOfTenant, loadOfTenant): ([TenantID: Int], [TenantID: QueueLoad]) = ([:], [:])
        var copies: Set<RequestID> = []
        for request in requests.all {
            let id = request.spec.id
            var (open, runs, waits) = (0, 0, 0)
            var own = QueueLoad()
            for (index, choice) in request.choices.enumerated() {
                switch choice.state {
                case .ended: continue
                case .waiting:
                    waits += 1
                    own.tokens += choice.queuedTokens
                case .running(let sequence):
                    runs += 1
                    guard sequences[sequence.rawValue]?.choice == ChoiceID(id, index) else {
                        return "\(ChoiceID(id, index)) runs as \(sequence), which is not its own"
                    }
                }
                open += 1
            }
            let counted = (request.openCount, request.runningCount, request.waitingCount)
            guard (open, runs, waits) == counted, open > 0 else {
                return "\(id) has \(open) open choices, \(runs) running, \(waits) waiting, and counts others"
            }
            if waits > 0 { own += QueueLoad(requests: 1, bytes: request.heldBytes) }
            load += own
            loadOfTenant[request.tenant, default: QueueLoad()] += own
            openOfTenant[request.tenant, default: 0] += 1
            if request.spec.isCopy { copies.insert(id) }
            waitingChoices += waits
            running += runs
            if queueDeadlines.contains(id) != (runs == 0) { return "\(id) waits without a deadline, or runs with one" }
        }
        let inLines = models.all.reduce(0) { $0 + $1.waitingCount }
        if inLines != waitingChoices { return "\(inLines) choices are in lines, \(waitingChoices) wait" }
        if running != sequences.count { return "\(running) choices run, \(sequences.count) are assigned" }
        if running != models.all.reduce(0, { $0 + $1.runningCount }) { return "models count another \(running)" }
        if load != queue { return "the queue holds \(load), and counts \(queue)" }
        if load != models.all.reduce(into: QueueLoad(), { $0 += $1.waiting }) { return "models count another load" }
        if copies != models.all.reduce(into: [], { $0.formUnion($1.copies) }) { return "models know other copies" }
        return tenants.violation(open: openOfTenant, waiting: loadOfTenant)
    }

    private func workerViolation() -> String? {
        var assigned = 0
        for id in workers.ids {
            guard let worker = workers[id] else { return "\(id) has no record" }
            var growth = 0
            for sequence in worker.assigned {
                guard let running = sequences[sequence.rawValue], running.worker == id else {
                    return "\(id) holds \(sequence), which is not there"
                }
                guard running.tokenCount < running.reviewTokenCount,
                    running.growth
                        == max(
                            0,
                            worker.pages(forTokens: running.targetTokens) - worker.pages(forTokens: running.tokenCount))
                else { return "\(sequence) has a reservation that does not fit its tokens" }
                growth += running.growth
            }
            assigned += worker.assigned.count
            if let wrong = worker.violation(growth: growth) { return "\(id): \(wrong)" }
            if watch.contains(id) == worker.assigned.isEmpty { return "\(id) is watched for nothing, or not at all" }
            if let choice = worker.reservation, reservations[choice] != id { return "\(id) is kept for \(choice)" }
            if leaving.contains(id) != (worker.state == .draining || worker.state == .slow) {
                return "\(id) is \(worker.state) and is asked for its sequences otherwise"
            }
            let group = models[worker.model]?.groups[worker.description.numericsID]
            guard let group, group.workers.contains(id) else { return "\(id) has no group" }
            if group.available.contains(id) != worker.isOffered {
                return "\(id) has \(worker.freeSlots) free slots and is offered otherwise"
            }
        }
        if assigned != sequences.count { return "workers hold \(assigned) of \(sequences.count) sequences" }
        for (choice, worker) in reservations where workers[worker]?.reservation != choice {
            return "\(choice) has a reservation that \(worker) does not know"
        }
        return nil
    }

    private func deadlineViolation() -> String? {
        if requestDeadlines.count != requests.count {
            return "\(requestDeadlines.count) deadlines, \(requests.count) requests"
        }
        for id in queueDeadlines.ids where requests[id] == nil { return "\(id) is gone and has a deadline" }
        for model in models.inOrder {
            let asked = sequences.elements.count { $0.isAskedBack && requests[$0.choice.request]?.model == model }
            let count = models[model]?.askedBackCount ?? 0
            if asked != count { return "\(asked) sequences of a model were asked back, \(count) are counted" }
        }
        return nil
    }
}
