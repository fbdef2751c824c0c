import Inference

/// Who goes where: the first in line that fits, on the worker where it costs least.
///
/// Cost of a worker for a choice, in tokens: what must be computed of its prompt there (less is cached), what waits to be
/// computed before it, and what running neighbours cost. So a warm worker is preferred for as much as its warmth saves,
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
        guard hasRoom(model) else { return }
        var blocked: Set<Line> = []
        while let (line, head) = firstHead(model, except: blocked) {
            // A head that was blocked before can only fit on the worker that changed.
            let isPointless = reporter.map { !mayTake($0, head, now: now) && actions.isEmpty } ?? false
            if !isPointless, let place = place(head, including: reporter, now: now) {
                admit(head, to: place.worker, cachedTokens: place.cachedTokens, now: now, into: &actions)
                continue
            }
            if let reporter { reserve(reporter, for: head, now: now) }
            for id in heads(line, of: model, limit: limits.lookahead + 1).dropFirst() {
                if let reporter, !mayTake(reporter, id, now: now) { continue }
                guard let place = place(id, including: reporter, now: now) else { continue }
                admit(id, to: place.worker, cachedTokens: place.cachedTokens, now: now, into: &actions)
            }
            blocked.insert(line)
        }
    }

    private func hasRoom(_ model: String) -> Bool {
        models[model]?.groups.values.contains { !$0.available.isEmpty } ?? false
    }

    private func heads(_ line: Line, of model: String, limit: Int) -> [ChoiceID] {
        switch line {
        case .unbound: models[model]?.line.smallest(limit) ?? []
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

    /// The worker where a choice costs least; nil when none has room.
    private mutating func place(_ id: ChoiceID, including reporter: WorkerID?, now: Instant) -> Place? {
        guard let spec = requests[id.request]?.spec, let choice = record(of: id) else { return nil }
        var best: (rank: WorkerRank, place: Place)?
        for numericsID in numericsIDs(for: choice, spec.model) {
            let idle = models[spec.model]?.groups[numericsID]?.available.smallest(limits.idleCandidatesMax) ?? []
            guard let some = idle.first, let size = workers[some]?.description.pageTokenCount else { continue }
            buildChain(of: id, pageTokenCount: size)
            let hosts = siblingHosts(of: id)
            let chain = prefixes(of: id)
            let warm =
                models[spec.model]?.groups[numericsID]?.prefixes.warmest(
                    for: chain, limit: limits.warmCandidatesMax, turn: choice.ticket) ?? []
            let reporting = reporter.map { [$0] } ?? []
            for worker in reporting + warm + hosts + idle where mayTake(worker, id, now: now) {
                guard let host = workers[worker], host.description.numericsID == numericsID else { continue }
                let held = cachedTokens(chain, of: choice, on: host, worker)
                let shared = hosts.contains(worker) ? sharedTokens(chain, of: choice, on: host) : 0
                let uncached = choice.tokenCount - max(held, shared)
                // What a sibling is having computed is work that is done anyway.
                let underway = min(host.waitingPrefillTokens, max(0, shared - held))
                guard hasPrefillRoom(host, for: uncached, underway: underway) else { continue }
                var rank = host.rank(worker, runningCost: limits.runningSequenceCost, uncachedTokens: uncached)
                rank.cost -= underway
                if best.map({ rank < $0.rank }) ?? true {
                    best = (rank, Place(worker: worker, cachedTokens: max(held, shared)))
                }
            }
        }
        return best?.place
    }

    private func numericsIDs(for choice: ChoiceRecord, _ model: String) -> [String] {
        choice.numericsID.map { [$0] } ?? models[model]?.groups.keys.sorted() ?? []
    }

    /// Whether a worker has a slot and pages for a choice, and may take it at all.
    private func mayTake(_ id: WorkerID, _ choiceID: ChoiceID, now: Instant) -> Bool {
        guard let worker = workers[id], worker.state == .ready, worker.freeSlots > 0,
            let spec = requests[choiceID.request]?.spec, let choice = record(of: choiceID),
            worker.description.model == spec.model,
            choice.numericsID == nil || choice.numericsID == worker.description.numericsID,
            choice.tokenCount <= worker.description.contextLength,
            worker.reservation == nil || worker.reservation == choiceID,
            worker.pausedUntil.map({ $0 <= now }) ?? true,
            worker.trial == nil || !isOnTrial(choice)
        else { return false }
        if worker.isEmpty { return true }
        let target = targetTokens(of: choice, spec, pageTokenCount: worker.description.pageTokenCount)
        return worker.pages(forTokens: target) <= worker.freePages
    }

    /// A worker that has enough to compute gets no further long prompt: it waits here, where it can still go elsewhere.
    private func hasPrefillRoom(_ worker: WorkerRecord, for uncachedTokens: Int, underway: Int) -> Bool {
        let waiting = worker.waitingPrefillTokens - underway
        return waiting == 0 || waiting + uncachedTokens <= limits.prefillStepsMax * worker.description.stepTokenBudget
    }

    // MARK: - Prefixes

    private mutating func buildChain(of id: ChoiceID, pageTokenCount: Int) {
        guard let request = requests[id.request], let choice = record(of: id), choice.outputCount == 0,
            choice.chain?.pageTokenCount != pageTokenCount
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
        guard let request = requests[id.request], let choice = record(of: id), let chain = choice.chain,
            request.spec.usesPrefixCache || choice.outputCount > 0
        else { return [] }
        // The last token is always computed: its logits are wanted.
        let usable = max(0, choice.tokenCount - 1) / chain.pageTokenCount
        return Array(chain.hashes.prefix(usable))
    }

    private func cachedTokens(
        _ chain: [UInt64], of choice: ChoiceRecord, on host: WorkerRecord, _ worker: WorkerID
    ) -> Int {
        let (model, numericsID) = (host.description.model, host.description.numericsID)
        let depth = models[model]?.groups[numericsID]?.prefixes.depth(of: chain, on: worker) ?? 0
        return min(choice.tokenCount, depth * host.description.pageTokenCount)
    }

    /// Tokens of full prompt pages that a sibling there has or will have.
    private func sharedTokens(_ chain: [UInt64], of choice: ChoiceRecord, on host: WorkerRecord) -> Int {
        let size = host.description.pageTokenCount
        return min(chain.count, choice.promptCount / size) * size
    }

    /// Workers that run another choice of the same prompt, and so will have it soon.
    private func siblingHosts(of id: ChoiceID) -> [WorkerID] {
        guard let request = requests[id.request], request.runningCount > 0, let choice = record(of: id) else { return [] }
        var hosts: [WorkerID] = []
        for sibling in request.choices where sibling.prompt == choice.prompt {
            guard case .running(let sequence) = sibling.state, let worker = assignments[sequence]?.worker,
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
            worker.state == .ready, worker.reservation == nil, requests[head.request]?.spec.model == worker.description.model,
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
        if worker.state == .ready, worker.freeSlots > 0 {
            let rank = worker.rank(id, runningCost: limits.runningSequenceCost, uncachedTokens: 0)
            models[model]?.groups[numericsID]?.available.set(id, rank)
        } else {
            models[model]?.groups[numericsID]?.available.remove(id)
        }
    }

    /// Asks a draining worker for sequences, as many as others in line for their place leave room for.
    mutating func evacuate(_ id: WorkerID, now: Instant, into actions: inout [SchedulingAction]) {
        guard let worker = workers[id] else { return }
        for sequence in inOrder(worker.assigned) where assignments[sequence]?.isAskedBack == false {
            guard let assignment = assignments[sequence], let spec = requests[assignment.choice.request]?.spec,
                spareSlots(for: assignment.choice, spec.model) > 0,
                place(assignment.choice, including: nil, now: now) != nil
            else { return }
            assignments[sequence]?.isAskedBack = true
            askedBackCount[spec.model, default: 0] += 1
            workers[id]?.countCommand()
            actions.append(.preempt(sequence, on: id))
        }
    }

    /// Free slots of the emptiest workers that nobody waits for and that were not promised to a sequence asked back.
    private func spareSlots(for id: ChoiceID, _ model: String) -> Int {
        guard let choice = record(of: id), let queue = models[model] else { return 0 }
        var spare = -queue.waitingCount - (askedBackCount[model] ?? 0)
        for numericsID in numericsIDs(for: choice, model) {
            for worker in queue.groups[numericsID]?.available.smallest(limits.idleCandidatesMax) ?? [] {
                spare += workers[worker]?.freeSlots ?? 0
            }
        }
        return spare
    }
}
