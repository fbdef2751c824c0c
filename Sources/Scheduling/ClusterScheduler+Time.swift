package import Inference

/// What happens because nothing happened.
extension ClusterScheduler {
    /// Ends what waited too long, suspects the silent, moves what a suspect holds. To be called about every 50 ms:
    /// deadlines are kept to that, and a longer gap is taken for a pause of the router itself.
    package mutating func timePassed(_ now: Instant) -> [SchedulingAction] {
        var actions: [SchedulingAction] = []
        if let lastLook, now.seconds(since: lastLook) > limits.ownPauseSeconds {
            noSuspicionBefore = now.advanced(bySeconds: limits.ownPauseSeconds)
        }
        lastLook = now
        expire(now, into: &actions)
        judgeAccused(now, into: &actions)
        if noSuspicionBefore.map({ $0 <= now }) ?? true {
            suspect(now, into: &actions)
            judgePaces(now, into: &actions)
        }
        for id in leaving.sorted() { evacuate(id, now: now, into: &actions) }
        for model in models.inOrder where models[model]?.waitingCount != 0 {
            admitWaiting(model, now: now, into: &actions)
            giveWay(model, now: now, into: &actions)
        }
        return actions
    }

    private mutating func expire(_ now: Instant, into actions: inout [SchedulingAction]) {
        while let (id, deadline) = requestDeadlines.first, deadline <= now {
            let seconds = requests[id]?.spec.requestTimeoutSeconds ?? limits.requestTimeoutSeconds
            requestDeadlines.remove(id)
            fail(id, .timedOut(afterSeconds: seconds), now: now, into: &actions)
        }
        while let (id, deadline) = queueDeadlines.first, deadline <= now {
            let seconds = requests[id]?.spec.queueTimeoutSeconds ?? limits.queueTimeoutSeconds
            queueDeadlines.remove(id)
            fail(id, queueTimeout(of: id, seconds), now: now, into: &actions)
        }
    }

    private func queueTimeout(of id: RequestID, _ seconds: Double) -> ServeError {
        guard let model = requests[id].flatMap({ models[$0.model] }),
            !model.groups.values.contains(where: { $0.workers.contains { workers[$0]?.state == .ready } })
        else { return .timedOut(afterSeconds: seconds) }
        return .unavailable("No worker served the model \"\(model.name)\" for \(seconds) s.")
    }

    private mutating func suspect(_ now: Instant, into actions: inout [SchedulingAction]) {
        while let (id, deadline) = watch.first, deadline <= now {
            watch.set(id, now.advanced(bySeconds: max(0.001, limits.suspicionSeconds)))
            guard workers[id]?.state != .suspect, workers[id]?.state != .draining else {
                moveAll(from: id, now: now, into: &actions)
                continue
            }
            workers[id]?.state = .suspect
            leaving.remove(id)
            workers[id]?.suspectSince = now
            giveUpReservation(on: id)
            refresh(id)
            actions.append(.suspected(id))
        }
    }

    /// Takes the sequences off a worker that stays silent, where another one could continue them.
    private mutating func moveAll(from id: WorkerID, now: Instant, into actions: inout [SchedulingAction]) {
        guard let worker = workers[id] else { return }
        for sequence in inOrder(worker.assigned) {
            settle(sequence)
            guard let choiceID = sequences[sequence.rawValue]?.choice else { continue }
            guard let choice = record(of: choiceID), hasReadyWorker(for: choice, worker.model),
                countStall(choiceID, now: now, into: &actions)
            else { continue }
            cancel(sequence, into: &actions)
            requeue(sequence, .workerStalled, now: now, into: &actions)
        }
    }

    /// A worker stalled under a choice.
    /// - Returns: whether the choice may go on elsewhere; its request fails otherwise.
    mutating func countStall(_ id: ChoiceID, now: Instant, into actions: inout [SchedulingAction]) -> Bool {
        guard var choice = record(of: id) else { return false }
        choice.noteFault()
        choice.stalls += 1
        requests[id.request]?.choices[id.index] = choice
        guard choice.stalls >= limits.stallsMax else { return true }
        let message = "The request was moved off \(limits.stallsMax) workers that stalled under it."
        fail(id.request, .internalFailure(message), now: now, into: &actions)
        return false
    }

    private func hasReadyWorker(for choice: ChoiceRecord, _ model: ModelID) -> Bool {
        guard let groups = models[model]?.groups else { return false }
        return groups.ids.contains { numericsID in
            (choice.numericsID == nil || choice.numericsID == numericsID)
                && groups[numericsID]?.workers.contains { workers[$0]?.state == .ready } == true
        }
    }
}
