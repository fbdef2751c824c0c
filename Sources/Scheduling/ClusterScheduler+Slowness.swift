import Inference

/// Workers that take far longer for their steps than others of their model do.
///
/// Compared are steps by their rows and the context they read; the yardstick is the median of what the others would
/// take at most. Where all have become slow nobody is: it is the machine, or the network. Of the workers that give equal bits
/// half at most are set aside, so that whoever is bound to them goes on.
///
///     ready ──far slower for a while──▶ slow ──after a pause──▶ ready, with one sequence to show itself
///       ▲                                │                        │
///       └────── as fast as others ───────┴────────────────────────┘
extension ClusterScheduler {
    mutating func judgePaces(_ now: Instant, into actions: inout [SchedulingAction]) {
        guard nextJudgement.map({ $0 <= now }) ?? true else { return }
        nextJudgement = now.advanced(bySeconds: limits.paceCheckSeconds)
        for model in models.inOrder {
            let groups = models[model]?.groups.values.map { $0.workers.sorted() } ?? []
            let all = groups.flatMap { $0 }.sorted()
            let paces = all.compactMap { freshPace(of: $0, now) }
            let peers = PacePeers(paces, max: limits.pacePeersMax)
            for group in groups {
                let usable = group.filter { isUsable($0) }
                var slowCount = usable.count { workers[$0]?.state == .slow }
                for id in usable {
                    let wasSlow = workers[id]?.state == .slow
                    judge(id, among: peers, maySetAside: slowCount < usable.count / 2, now, &actions)
                    let isSlow = workers[id]?.state == .slow
                    if isSlow != wasSlow { slowCount += isSlow ? 1 : -1 }
                }
                // Others may have gone since.
                for id in usable where slowCount > usable.count / 2 && workers[id]?.state == .slow {
                    takeBack(id, now: now, into: &actions)
                    slowCount -= 1
                }
            }
        }
    }

    private mutating func judge(
        _ id: WorkerID, among peers: PacePeers, maySetAside: Bool, _ now: Instant,
        _ actions: inout [SchedulingAction]
    ) {
        guard let worker = workers[id] else { return }
        let (known, awaited) = (worker.knownPace, worker.awaitedStep(now))
        // A step that is not over says how slow it is at least: only one that is can show that its worker is quick.
        let slowness = known.flatMap { self.slowness(of: $0, among: peers) }
        let least = awaited.flatMap { self.slowness(of: $0, among: peers) }
        let isQuick = max(slowness ?? .infinity, least ?? 0) <= limits.paceRecoveredFactor
        switch worker.state {
        case .slow:
            if isQuick {
                takeBack(id, now: now, into: &actions)
            } else if worker.assigned.isEmpty, worker.slowUntil.map({ $0 <= now }) ?? true {
                workers[id]?.startProbe()
                takeBack(id, now: now, into: &actions)
            }
        case .ready:
            guard slowness != nil || least != nil else { return }
            // What goes on does not clear a worker whose last steps were slow, unless it may be that large.
            let wasSlow = (slowness ?? 0) > limits.paceSlowFactor && least ?? .infinity > limits.paceRecoveredFactor
            guard wasSlow || (least ?? 0) > limits.paceSlowFactor else {
                workers[id]?.keepsPace(isQuick: isQuick, provenAfter: limits.paceProbeSteps)
                refresh(id)
                return
            }
            let look = limits.paceCheckSeconds
            // A step that goes on counts from its beginning, but one look is not enough.
            let first = awaited.map { min($0.seconds, limits.paceSlowSeconds - look) } ?? look
            workers[id]?.looksSlow(after: look, first: first)
            guard maySetAside, let seconds = workers[id]?.slowSeconds, seconds >= limits.paceSlowSeconds else { return }
            setAside(id, now: now, into: &actions)
        case .connecting, .suspect, .draining, .gone: return
        }
    }

    private func isUsable(_ id: WorkerID) -> Bool { [.ready, .slow].contains(workers[id]?.state) }

    private mutating func setAside(_ id: WorkerID, now: Instant, into actions: inout [SchedulingAction]) {
        let times = min(workers[id]?.slowCount ?? 0, 16)
        let pause = min(limits.slowPauseSecondsMax, limits.slowPauseSeconds * Double(1 << times))
        workers[id]?.state = .slow
        workers[id]?.setAside(until: now.advanced(bySeconds: pause))
        leaving.insert(id)
        giveUpReservation(on: id)
        refresh(id)
        actions.append(.suspected(id))
        evacuate(id, now: now, into: &actions)
    }

    private mutating func takeBack(_ id: WorkerID, now: Instant, into actions: inout [SchedulingAction]) {
        workers[id]?.state = .ready
        workers[id]?.takenBack()
        leaving.remove(id)
        refresh(id)
        actions.append(.recovered(id))
        admitWaiting(ofWorker: id, now: now, into: &actions)
    }

    private func freshPace(of id: WorkerID, _ now: Instant) -> StepPace? {
        guard let pace = workers[id]?.pace, let last = pace.lastStep,
            now.seconds(since: last) <= limits.paceMemorySeconds
        else { return nil }
        return pace
    }

    /// How much longer than others would take, itself among them.
    /// - Returns: nil where there are too few to tell; 1 where the difference is too short to matter.
    private func slowness(of step: StepPace.Size, among peers: PacePeers) -> Double? {
        guard let usual = peers.usualSeconds(for: step), usual > 0 else { return nil }
        return step.seconds - usual > limits.paceSecondsMin ? step.seconds / usual : 1
    }
}
