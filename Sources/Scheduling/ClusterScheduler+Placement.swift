import Inference

/// Who goes where: the first in line that fits, on the worker where it costs least.
///
/// Cost of a worker for a choice, in tokens: what must be computed of its prompt there (less is cached), what waits to
/// be computed before it, and what running neighbours cost. So a warm worker is preferred for as much as its warmth saves,
/// and no longer: a prefix that all share does not send all to one place. Ties go by free pages, free slots, id.
/// What was just admitted counts at once, before the worker has seen it, so a burst spreads.
extension ClusterScheduler {
    private enum Line: Hashable {
        case unbound
        case group(String)
    }

    struct Place {
        var worker: WorkerID
        var cachedTokens: Int
    }

    /// Admits from the lines of a model as long as the heads, or a few behind them, fit somewhere.
    /// - Parameter reporter: the only worker that has changed since this was last asked; nil when others may have.
    mutating func admitWaiting(
        _ model: ModelID, reporter: WorkerID? = nil, now: Instant, into actions: inout [SchedulingAction]
    ) {
        if let reporter, workers[reporter]?.isOffered != true { return }
        guard hasRoom(model) else { return }
        giveUpUselessReservations(model, on: reporter)
        var hasAdmitted = false
        var blocked: Set<Line> = []
        while hasRoom(model), let (line, head) = firstHead(model, except: blocked) {
            // A head that was blocked before can only fit on the worker that changed.
            let isPointless =
                !hasAdmitted && reporter.flatMap { workers[$0] }.map { !mayTake($0, head, now: now) } ?? false
            if !isPointless, let place = place(head, including: reporter, now: now) {
                admit(head, to: place.worker, cachedTokens: place.cachedTokens, now: now, into: &actions)
                hasAdmitted = true
                continue
            }
            if let reporter { reserve(reporter, for: head, now: now) }
            var changed = reporter.flatMap { workers[$0] }
            for id in heads(line, of: model, limit: limits.lookahead + 1).dropFirst() {
                if let changed, !mayTake(changed, id, now: now) { continue }
                guard let place = place(id, including: reporter, now: now) else { continue }
                admit(id, to: place.worker, cachedTokens: place.cachedTokens, now: now, into: &actions)
                changed = reporter.flatMap { workers[$0] }
            }
            blocked.insert(line)
        }
        admitHolders(model, on: reporter, now: now, into: &actions)
    }

    /// Admits the only choice of a request that has just come where nobody waits, without a place in line: what going in
    /// and out again would change is changed.
    /// - Returns: false where nothing has changed, since nobody has room.
    mutating func admitAtOnce(
        _ id: ChoiceID, _ model: ModelID, now: Instant, into actions: inout [SchedulingAction]
    ) -> Bool {
        guard hasRoom(model), requests.with(id.request, { $0.spec.numericsID == nil }) == true,
            let place = place(id, including: nil, now: now)
        else { return false }
        admit(id, to: place.worker, cachedTokens: place.cachedTokens, isWaiting: false, now: now, into: &actions)
        return true
    }

    /// Admits choices that have just come, as far as they are in front: for the others nothing has changed.
    mutating func admitNew(_ new: [ChoiceID], _ model: ModelID, now: Instant, into actions: inout [SchedulingAction]) {
        for id in new {
            guard hasRoom(model), isAmongFirst(id, model) else { return }
            guard let place = place(id, including: nil, now: now) else { continue }
            admit(id, to: place.worker, cachedTokens: place.cachedTokens, now: now, into: &actions)
        }
    }

    private mutating func isAmongFirst(_ id: ChoiceID, _ model: ModelID) -> Bool {
        let limit = limits.lookahead + 1
        let place = requests.with(id.request) { request in
            request.choices.indices.contains(id.index)
                ? (bound: request.choices[id.index].numericsID, priority: request.spec.priority, tenant: request.tenant)
                : nil
        }
        guard let place = place ?? nil else { return false }
        return models.with(model) { queue in
            if let bound = place.bound { return queue.groups.with(bound) { $0.line.isAmongFirst(id, limit) } == true }
            return queue.line.isAmongFirst(id, priority: place.priority, of: place.tenant, limit)
        } == true
    }

    mutating func hasRoom(_ model: ModelID) -> Bool { models.with(model) { $0.availableCount > 0 } == true }

    private func heads(_ line: Line, of model: ModelID, limit: Int) -> [ChoiceID] {
        switch line {
        case .unbound: models[model]?.line.heads(limit) ?? []
        case .group(let id): models[model]?.groups[id]?.line.smallest(limit) ?? []
        }
    }

    private mutating func firstHead(_ model: ModelID, except blocked: Set<Line>) -> (Line, ChoiceID)? {
        models.with(model) { queue in
            var best: (line: Line, id: ChoiceID, place: LinePlace)?
            if let head = queue.line.first, !blocked.contains(.unbound) { best = (.unbound, head.id, head.key) }
            for id in queue.groups.ids {
                let first = queue.groups.with(id) { $0.available.isEmpty ? nil : $0.line.first }
                guard let head = first ?? nil, !blocked.contains(.group(id)) else { continue }
                if let found = best, found.place < head.key { continue }
                best = (.group(id), head.id, head.key)
            }
            return best.map { ($0.line, $0.id) }
        } ?? nil
    }

    // MARK: - One choice

    mutating func demand(of id: ChoiceID) -> Demand? {
        guard var demand = requests.with(id.request, { $0.demand(of: id) }) ?? nil else { return nil }
        demand.output.expected = models.with(demand.model) { $0.outputs.expected } ?? 0
        return demand
    }

    /// The worker where a choice costs least; nil when none has room.
    mutating func place(_ id: ChoiceID, including reporter: WorkerID?, now: Instant) -> Place? {
        guard let demand = demand(of: id) else { return nil }
        var best: (rank: WorkerRank, place: Place)?
        for numericsID in numericsIDs(for: demand) {
            guard let group = models.with(demand.model, { $0.groups[numericsID] }) ?? nil,
                let some = group.available.first?.id,
                let size = workers.with(some, { $0.description.pageTokenCount })
            else { continue }
            let idle = group.available.smallest(limits.idleCandidatesMax)
            let hosts = siblingHosts(of: id)
            let chain: [UInt64] =
                requests.with(id.request) { request in
                    request.buildChain(of: id.index, pageTokenCount: size)
                    return request.prefixes(of: id.index)
                } ?? []
            var candidates = idle
            // Where few have room, those are all.
            if group.available.count > idle.count {
                if let reporter { candidates.append(reporter) }
                candidates += group.prefixes.warmest(
                    for: chain, limit: limits.warmCandidatesMax, turn: demand.place.ticket)
                candidates += hosts
            }
            for worker in candidates {
                guard group.available.contains(worker), let host = workers[worker],
                    host.description.numericsID == numericsID,
                    mayTake(host, demand, now: now)
                else { continue }
                let depth = group.prefixes.depth(of: chain, on: worker)
                let held = min(demand.tokenCount, depth * host.description.pageTokenCount)
                let shared = hosts.contains(worker) ? sharedTokens(chain, of: demand, on: host) : 0
                let uncached = demand.tokenCount - max(held, shared)
                // What a sibling is having computed is work that is done anyway.
                let underway = min(host.waitingPrefillTokens, max(0, shared - held))
                guard hasPrefillRoom(host, for: uncached, underway: underway) else { continue }
                let rank = host.rank(worker, limits, uncachedTokens: uncached - underway)
                if let found = best, !(rank < found.rank) { continue }
                best = (rank, Place(worker: worker, cachedTokens: max(held, shared)))
            }
        }
        return best?.place
    }

    private func numericsIDs(for demand: Demand) -> [String] {
        if let id = demand.numericsID { return [id] }
        return models[demand.model]?.groups.ids ?? []
    }

    private mutating func mayTake(_ worker: WorkerRecord, _ choice: ChoiceID, now: Instant) -> Bool {
        guard let demand = demand(of: choice) else { return false }
        return mayTake(worker, demand, now: now)
    }

    /// Whether a worker has a slot and pages for a choice, and may take it at all.
    private func mayTake(_ worker: WorkerRecord, _ demand: Demand, now: Instant) -> Bool {
        guard worker.isOffered, worker.trial == nil, demand.triableFrom.map({ $0 <= now }) ?? true,
            !demand.isOnTrial || canTry(demand, on: worker),
            worker.model == demand.model,
            demand.numericsID == nil || demand.numericsID == worker.description.numericsID,
            demand.tokenCount <= worker.description.contextLength,
            !isKept(worker, from: demand),
            worker.pausedUntil.map({ $0 <= now }) ?? true,
            couldEnd(demand, on: worker)
        else { return false }
        if worker.isEmpty { return true }
        let target = demand.promptCount + demand.output.target(margin: worker.description.pageTokenCount)
        return worker.pages(forTokens: target) <= worker.freePages
    }

    /// Whether a suspect can run where, if the worker dies, only it can have been the cause: all others there have made
    /// tokens, and no other suspect of its request is tried meanwhile.
    private func canTry(_ demand: Demand, on worker: WorkerRecord) -> Bool {
        guard let request = requests[demand.id.request], request.choices.indices.contains(demand.id.index),
            !request.choices[demand.id.index].isAccused
        else { return false }
        let isTriedElsewhere = request.choices.indices.contains { index in
            guard index != demand.id.index, case .running(let sequence) = request.choices[index].state else {
                return false
            }
            // Its record does not have its tokens yet.
            return request.choices[index].isOnTrial && sequences[sequence.rawValue]?.isUnproven == true
        }
        return !isTriedElsewhere && !worker.assigned.contains { sequences[$0.rawValue]?.isUnproven == true }
    }

    /// Whether a choice with the output that is expected of it fits the worker's pages, all of which it gets when it is
    /// alone. Where it does not, it goes to a roomier worker, or to the roomiest, which says so if even that is too small.
    func couldEnd(_ demand: Demand, on worker: WorkerRecord) -> Bool {
        let own = worker.wholeCapacity
        let target = demand.promptCount + demand.output.target(margin: worker.description.pageTokenCount)
        if target <= own { return true }
        let roomier = roomier(than: own, for: demand)
        if roomier.contains(where: { $0.state != .draining }) { return false }
        return roomier.isEmpty || demand.tokenCount <= own
    }

    /// Workers that may go on with a choice, and hold more tokens of one sequence than `capacity`.
    private func roomier(than capacity: Int, for demand: Demand) -> [WorkerRecord] {
        numericsIDs(for: demand).flatMap { models[demand.model]?.groups[$0]?.workers ?? [] }
            .compactMap { workers[$0] }.filter { $0.wholeCapacity > capacity }
    }

    /// Whether a sequence that wants more is too long for the worker that it is in, and only for that.
    mutating func hasRoomElsewhere(_ sequence: SequenceID, outgrown id: WorkerID) -> Bool {
        guard let capacity = workers[id]?.wholeCapacity,
            let (choice, tokenCount) = sequences.with(sequence.rawValue, { ($0.choice, $0.tokenCount) }),
            tokenCount >= capacity
        else { return false }
        settle(sequence)
        guard let demand = demand(of: choice), demand.output.made < demand.output.max else { return false }
        return roomier(than: capacity, for: demand).contains { $0.state != .draining }
    }

    /// A worker that has enough to compute gets no further long prompt: it waits here, where it can still go elsewhere.
    private func hasPrefillRoom(_ worker: WorkerRecord, for uncachedTokens: Int, underway: Int) -> Bool {
        let waiting = worker.waitingPrefillTokens - underway
        return waiting == 0 || waiting + uncachedTokens <= limits.prefillStepsMax * worker.description.stepTokenBudget
    }

    // MARK: - Ranks

    /// Brings a worker's place among those with room up to date.
    mutating func refresh(_ id: WorkerID) {
        let limits = limits
        let place = workers.with(id) { worker in
            let rank = worker.isOffered ? worker.rank(id, limits, uncachedTokens: 0) : nil
            return (model: worker.model, numericsID: worker.description.numericsID, rank: rank)
        }
        guard let (model, numericsID, rank) = place else { return }
        models.with(model) { queue in
            if let rank {
                let isNew = queue.groups.with(numericsID) { $0.available.set(id, rank) }
                if isNew == true { queue.availableCount += 1 }
            } else if queue.groups.with(numericsID, { $0.available.remove(id) }) == true {
                queue.availableCount -= 1
            }
        }
    }

    /// Asks a draining worker for sequences, as many as others in line for their place leave room for.
    mutating func evacuate(_ id: WorkerID, now: Instant, into actions: inout [SchedulingAction]) {
        guard let worker = workers[id] else { return }
        for sequence in inOrder(worker.assigned) where sequences[sequence.rawValue]?.isAskedBack == false {
            settle(sequence)
            guard let choice = sequences[sequence.rawValue]?.choice, let demand = demand(of: choice),
                spareSlots(for: demand) > 0, place(choice, including: nil, now: now) != nil
            else { return }
            sequences[sequence.rawValue]?.isAskedBack = true
            models[demand.model]?.askedBackCount += 1
            workers[id]?.countCommand()
            actions.append(.preempt(sequence, on: id))
        }
    }

    /// Free slots of the emptiest workers that nobody waits for and that were not promised to a sequence asked back.
    private func spareSlots(for demand: Demand) -> Int {
        guard let queue = models[demand.model] else { return 0 }
        var spare = -queue.waitingCount - queue.askedBackCount
        for numericsID in numericsIDs(for: demand) {
            for worker in queue.groups[numericsID]?.available.smallest(limits.idleCandidatesMax) ?? [] {
                spare += workers[worker]?.freeSlots ?? 0
            }
        }
        return spare
    }
}
