import Inference

/// Workers that are kept for choices which have waited long at the head of their line: as others would always find room
/// where they do not, they would wait for ever.
extension ClusterScheduler {
    /// Whether a worker is kept for another choice, which goes before this one or came before it.
    func isKept(_ worker: WorkerRecord, from demand: Demand) -> Bool {
        guard let holder = worker.reservation, holder != demand.id, let request = requests[holder.request] else {
            return false
        }
        return !demand.place.outranks(request.place(of: request.choices[holder.index]))
    }

    /// Choices of a model that workers are kept for, where these may have changed.
    private func holders(_ model: ModelID, on reporter: WorkerID?) -> [ChoiceID] {
        if reservations.isEmpty { return [] }
        if let reporter { return workers[reporter]?.reservation.map { [$0] } ?? [] }
        return reservations.keys.filter { requests[$0.request]?.model == model }.sorted()
    }

    /// Keeps no worker any longer for a choice that is not to run there: what is expected of answers changes, and roomier
    /// workers come.
    mutating func giveUpUselessReservations(_ model: ModelID, on reporter: WorkerID?) {
        for id in holders(model, on: reporter) {
            guard let host = reservations[id].flatMap({ workers[$0] }), let demand = demand(of: id),
                !couldEnd(demand, on: host)
            else { continue }
            clearReservation(of: id)
        }
    }

    /// Admits choices that workers are kept for, though others have come before them meanwhile: nobody else gets in there.
    mutating func admitHolders(
        _ model: ModelID, on reporter: WorkerID?, now: Instant, into actions: inout [SchedulingAction]
    ) {
        for id in holders(model, on: reporter) {
            guard hasRoom(model) else { return }
            guard let place = place(id, including: reporter, now: now) else { continue }
            admit(id, to: place.worker, cachedTokens: place.cachedTokens, now: now, into: &actions)
        }
    }

    /// Keeps a worker for a head that has waited long enough. Others pass it everywhere else. A suspect cannot be tried
    /// where others come without end, and they can wait for as long as its first token takes.
    mutating func reserve(_ id: WorkerID, for head: ChoiceID, now: Instant) {
        guard reservations[head] == nil, let choice = record(of: head), let demand = demand(of: head),
            let worker = workers[id],
            now.seconds(since: max(choice.waitingSince, choice.passedAt ?? choice.waitingSince))
                >= (choice.isOnTrial ? limits.trialPauseSeconds : limits.headPatienceSeconds),
            worker.state == .ready, worker.reservation == nil,
            requests[head.request]?.model == worker.model,
            choice.numericsID == nil || choice.numericsID == worker.description.numericsID,
            choice.tokenCount <= worker.description.contextLength, couldEnd(demand, on: worker)
        else { return }
        workers[id]?.reservation = head
        reservations[head] = id
    }

    /// A worker takes a choice. Where it is kept for another, that one begins to wait anew: as long as those come that go
    /// before it, its reservation would keep away others, and be of no use to it.
    mutating func giveUpReservation(on id: WorkerID, passedBy choice: ChoiceID, now: Instant) {
        guard !reservations.isEmpty, let holder = workers[id]?.reservation, holder != choice else { return }
        clearReservation(of: holder)
        requests[holder.request]?.choices[holder.index].passedAt = now
    }

    mutating func clearReservation(of id: ChoiceID) {
        guard let worker = reservations.removeValue(forKey: id) else { return }
        workers[worker]?.reservation = nil
    }

    mutating func giveUpReservation(on id: WorkerID) {
        if let choice = workers[id]?.reservation { clearReservation(of: choice) }
    }
}
