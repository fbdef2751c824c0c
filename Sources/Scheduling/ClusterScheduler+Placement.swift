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

    private struct Place {
        var worker: WorkerID
        var cachedTokens: Int
    }

    /// Admits from the lines of a model as long as the heads, or a few behind them, fit somewhere.
    /// - Parameter reporter: the only worker that has changed since this was last asked; nil when others may have.
    mutating func admitWaiting(
        _ model: String, reporter: WorkerID? = nil, now: Instant, into actions: inout [SchedulingAction]
    ) {
        if let reporter, workers[reporter]?.isOffered != true { return }
        guard hasRoom(model) else { return }
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
    }

    /// Admits choices that have just come, as far as they are in front: for the others nothing has changed.
    mutating func admitNew(_ new: [ChoiceID], _ model: String, now: Instant, into actions: inout [SchedulingAction]) {
        for id in new {
            guard hasRoom(model), isAmongFirst(id, model) else { return }
            guard let place = place(id, including: nil, now: now) else { continue }
            admit(id, to: place.worker, cachedTokens: place.cachedTokens, now: now, into: &actions)
        }
    }

    private func isAmongFirst(_ id: ChoiceID, _ model: String) -> Bool {
        guard let request = requests[id.request], let queue = models[model] else { return false }
        if let bound = record(of: id)?.numericsID {
            return queue.groups[bound]?.line.isAmongFirst(id, limits.lookahead + 1) == true
        }
        return queue.line.isAmongFirst(
            id, priority: request.spec.priority, of: request.tenant, limits.lookahead + 1)
    }

    private func hasRoom(_ model: String) -> Bool {
        models[model]?.groups.values.contains { !$0.available.isEmpty } ?? false
    }

    private func heads(_ line: Line, of model: String, limit: Int) -> [ChoiceID] {
        switch line {
        case .unbound: models[model]?.line.heads(limit) ?? []
        case .group(let id): models[model]?.groups[id]?.line.smallest(limit) ?? []
        }
    }

    private func firstHead(_ model: String, except blocked: Set<Line>) -> (Line, ChoiceID)? {
        var best: (line: Line, id: ChoiceID, place: LinePlace)?
        if let head = models[model]?.line.first, !blocked.contains(.unbound) { best = (.unbound, head.id, head.key) }
        for (id, group) in models[model]?.groups ?? [:] where !group.available.isEmpty {
            guard let head = group.line.first, !blocked.contains(.group(id)) else { continue }
            if let found = best, found.place < head.key { continue }
            best = (.group(id), head.id, head.key)
        }
        return best.map { ($0.line, $0.id) }
    }

    // MARK: - One choice

    private func demand(of id: ChoiceID) -> Demand? {
        guard var demand = requests[id.request]?.demand(of: id, limits) else { return nil }
        demand.output.expected = models[demand.model]?.outputs.expected ?? 0
        return demand
    }

    /// The worker where a choice costs least; nil when none has room.
    private mutating func place(_ id: ChoiceID, including reporter: WorkerID?, now: Instant) -> Place? {
        guard let demand = demand(of: id) else { return nil }
        var best: (rank: WorkerRank, place: Place)?
        for numericsID in numericsIDs(for: demand) {
            guard let group = models[demand.model]?.groups[numericsID], let some = group.available.first?.id,
                let size = workers[some]?.description.pageTokenCount
            else { continue }
            let idle = group.available.smallest(limits.idleCandidatesMax)
            buildChain(of: id, pageTokenCount: size)
            let hosts = siblingHosts(of: id)
            let chain = prefixes(of: id)
            let warm = group.prefixes.warmest(for: chain, limit: limits.warmCandidatesMax, turn: demand.ticket)
            for candidates in [reporter.map { [$0] } ?? [], warm, hosts, idle] {
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
                    var rank = host.rank(worker, runningCost: limits.runningSequenceCost, uncachedTokens: uncached)
                    rank.cost -= underway
                    if let found = best, !(rank < found.rank) { continue }
                    best = (rank, Place(worker: worker, cachedTokens: max(held, shared)))
                }
            }
        }
        return best?.place
    }

    private func numericsIDs(for demand: Demand) -> [String] {
        demand.numericsID.map { [$0] } ?? models[demand.model]?.groups.keys.sorted() ?? []
    }

    private func mayTake(_ worker: WorkerRecord, _ choice: ChoiceID, now: Instant) -> Bool {
        demand(of: choice).map { mayTake(worker, $0, now: now) } ?? false
    }

    /// Whether a worker has a slot and pages for a choice, and may take it at all.
    private func mayTake(_ worker: WorkerRecord, _ demand: Demand, now: Instant) -> Bool {
        guard worker.isOffered, worker.description.model == demand.model,
            demand.numericsID == nil || demand.numericsID == worker.description.numericsID,
            demand.tokenCount <= worker.description.contextLength,
            worker.reservation == nil || worker.reservation == demand.id,
            worker.pausedUntil.map({ $0 <= now }) ?? true,
            worker.trial == nil || !demand.isOnTrial, couldEnd(demand, on: worker)
        else { return false }
        if worker.isEmpty { return true }
        let target = demand.promptCount + demand.output.target(margin: worker.description.pageTokenCount)
        return worker.pages(forTokens: target) <= worker.freePages
    }

    /// Whether a choice with all the output it may ask for fits the worker's pages. Where it does not, it goes to the
    /// roomiest worker that could have it, which says so if even that is too small.
    private func couldEnd(_ demand: Demand, on worker: WorkerRecord) -> Bool {
        let output = min(demand.output.max, worker.description.contextLength)
        if demand.promptCount + output <= worker.capacity { return true }
        guard let queue = models[demand.model], let largest = queue.capacities.first, -largest.key > worker.capacity
        else { return true }
        let roomier = numericsIDs(for: demand).flatMap { queue.groups[$0]?.workers ?? [] }
            .compactMap { workers[$0] }.filter { $0.capacity > worker.capacity }
        if roomier.contains(where: { $0.state != .draining }) { return false }
        return roomier.isEmpty || demand.tokenCount <= worker.capacity
    }

    /// A worker that has enough to compute gets no further long prompt: it waits here, where it can still go elsewhere.
    private func hasPrefillRoom(_ worker: WorkerRecord, for uncachedTokens: Int, underway: Int) -> Bool {
        let waiting = worker.waitingPrefillTokens - underway
        return waiting == 0 || waiting + uncachedTokens <= limits.prefillStepsMax * worker.description.stepTokenBudget
    }

    // MARK: - Prefixes

    private mutating func buildChain(of id: ChoiceID, pageTokenCount: Int) {
        guard let choice = record(of: id), choice.outputCount == 0, choice.chain?.pageTokenCount != pageTokenCount,
            let request = requests[id.request]
        else { return }
        let sibling = request.choices.first {
            $0.prompt == choice.prompt && $0.outputCount == 0 && $0.chain?.pageTokenCount == pageTokenCount
        }
        let chain =
            sibling?.chain
            ?? PrefixChain(
                request.tokens(ofPrompt: choice.prompt), pageTokenCount: pageTokenCount, salt: request.spec.salt)
        requests[id.request]?.choices[id.index].chain = chain
    }

    /// Hashes that may be looked up for a choice; none while its whole prompt must be computed.
    private func prefixes(of id: ChoiceID) -> [UInt64] {
        guard let choice = record(of: id), let chain = choice.chain,
            choice.outputCount > 0 || requests[id.request]?.spec.usesPrefixCache == true
        else { return [] }
        // The last token is always computed: its logits are wanted.
        let usable = max(0, choice.tokenCount - 1) / chain.pageTokenCount
        return Array(chain.hashes.prefix(usable))
    }

    /// Tokens of full prompt pages that a sibling there has or will have.
    private func sharedTokens(_ chain: [UInt64], of demand: Demand, on host: WorkerRecord) -> Int {
        let size = host.description.pageTokenCount
        return min(chain.count, demand.promptCount / size) * size
    }

    /// Workers that run another choice of the same prompt, and so will have it soon.
    private func siblingHosts(of id: ChoiceID) -> [WorkerID] {
        guard let running = requests[id.request]?.runningCount, running > 0, let request = requests[id.request],
            let choice = record(of: id)
        else { return [] }
        var hosts: [WorkerID] = []
        for sibling in request.choices where sibling.prompt == choice.prompt {
            guard case .running(let sequence) = sibling.state, let worker = sequences[sequence.rawValue]?.worker,
                !hosts.contains(worker)
            else { continue }
            hosts.append(worker)
        }
        return hosts
    }

    // MARK: - Reservations, ranks

    /// Keeps a worker for a head that has waited long enough. Others pass it everywhere else.
    private mutating func reserve(_ id: WorkerID, for head: ChoiceID, now: Instant) {
        guard reservations[head] == nil, let choice = record(of: head), let worker = workers[id],
            now.seconds(since: choice.waitingSince) >= limits.headPatienceSeconds,
            worker.state == .ready, worker.reservation == nil,
            requests[head.request]?.spec.model == worker.description.model,
            choice.numericsID == nil || choice.numericsID == worker.description.numericsID,
            choice.tokenCount <= worker.description.contextLength
        else { return }
        workers[id]?.reservation = head
        reservations[head] = id
    }

    mutating func clearReservation(of id: ChoiceID) {
        guard let worker = reservations.removeValue(forKey: id) else { return }
        workers[worker]?.reservation = nil
    }

    mutating func giveUpReservation(on id: WorkerID) {
        if let choice = workers[id]?.reservation { clearReservation(of: choice) }
    }

    /// Brings a worker's place among those with room up to date.
    mutating func refresh(_ id: WorkerID) {
        guard let worker = workers[id] else { return }
        let (model, numericsID) = (worker.description.model, worker.description.numericsID)
        if worker.isOffered {
            let rank = worker.rank(id, runningCost: limits.runningSequenceCost, uncachedTokens: 0)
            models[model]?.groups[numericsID]?.available.set(id, rank)
        } else {
            models[model]?.groups[numericsID]?.available.remove(id)
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
            askedBackCount[demand.model, default: 0] += 1
            workers[id]?.countCommand()
            actions.append(.preempt(sequence, on: id))
        }
    }

    /// Free slots of the emptiest workers that nobody waits for and that were not promised to a sequence asked back.
    private func spareSlots(for demand: Demand) -> Int {
        guard let queue = models[demand.model] else { return 0 }
        var spare = -queue.waitingCount - (askedBackCount[demand.model] ?? 0)
        for numericsID in numericsIDs(for: demand) {
            for worker in queue.groups[numericsID]?.available.smallest(limits.idleCandidatesMax) ?? [] {
                spare += workers[worker]?.freeSlots ?? 0
            }
        }
        return spare
    }
}

/// What a choice asks of a worker.
private struct Demand {
    var id: ChoiceID
    var model: String
    var numericsID: String?
    var promptCount: Int
    var tokenCount: Int
    var ticket: UInt64
    var isOnTrial: Bool
    var output: OutputDemand
}

extension RequestRecord {
    /// All but what is expected of the output.
    fileprivate func demand(of id: ChoiceID, _ limits: SchedulingLimits) -> Demand? {
        guard choices.indices.contains(id.index) else { return nil }
        return Demand(
            id: id, model: spec.model, numericsID: choices[id.index].numericsID,
            promptCount: choices[id.index].promptCount, tokenCount: choices[id.index].tokenCount,
            ticket: choices[id.index].ticket, isOnTrial: choices[id.index].isOnTrial(limits),
            output: OutputDemand(expected: 0, made: choices[id.index].outputCount, max: spec.maxTokens))
    }
}
