import Inference

/// A worker that died a moment ago.
struct WorkerDeath: Sendable {
    let at: Instant
    let requests: Set<RequestID>
    /// Those of its choices that no other death speaks for so far.
    var alone: [ChoiceID]
}

/// A choice that as many workers died under as prove it, if no others died in the same moment of something else.
struct Accusation: Sendable {
    let choice: ChoiceID
    let deathsMax: Int
    let judgedAt: Instant
}

/// Whom workers' deaths are held against: a request that kills whatever runs it is taken out, one that was there by chance
/// goes on.
extension ClusterScheduler {
    /// Puts what a dead worker had back into its lines, and accuses whom it may have died of.
    mutating func holdDeath(of worker: WorkerRecord, now: Instant, into actions: inout [SchedulingAction]) {
        let suspects = worker.assigned.count { sequences[$0.rawValue]?.isUnproven == true }
        deathTimes.removeAll { now.seconds(since: $0) > limits.deathMemorySeconds }
        recentDeaths.removeAll { now.seconds(since: $0.at) > limits.trialPauseSeconds }
        // One that drains was to end.
        let isExpected = worker.state == .draining
        let isExplained = suspects > 0 || isExpected
        if !isExplained { deathTimes.append(now) }
        let had = inOrder(worker.assigned)
        var death = WorkerDeath(
            at: now, requests: Set(had.compactMap { sequences[$0.rawValue]?.choice.request }), alone: [])
        if !isExpected { speakForOthers(death) }
        for sequence in had {
            settle(sequence)
            guard let running = sequences[sequence.rawValue] else { continue }
            let isHeld = countDeath(running, of: worker, isExplained: isExplained, now: now)
            if recentDeaths.contains(where: { !$0.requests.contains(running.choice.request) }) {
                diedInCompany(running.choice)
            } else {
                death.alone.append(running.choice)
            }
            let (deaths, own) = record(of: running.choice).map { ($0.deaths, $0.unexplainedDeaths) } ?? (0, 0)
            let others = min(max(0, deathTimes.count - own), limits.otherDeathsMax)
            let deathsMax = (suspects > 1 ? limits.deathsInCompanyMax : limits.deathsMax) + others
            requeue(sequence, .workerLost, now: now, into: &actions)
            if isHeld, deaths >= deathsMax { accuse(running.choice, deathsMax: deathsMax, now: now) }
        }
        if !isExpected { recentDeaths.append(death) }
    }

    /// What another worker had that died in the same moment did not kill this one, and is spoken for.
    private mutating func speakForOthers(_ death: WorkerDeath) {
        for place in recentDeaths.indices {
            let spokenFor = recentDeaths[place].alone.filter { !death.requests.contains($0.request) }
            guard !spokenFor.isEmpty else { continue }
            recentDeaths[place].alone.removeAll { !death.requests.contains($0.request) }
            for choice in spokenFor { diedInCompany(choice) }
        }
    }

    private mutating func diedInCompany(_ id: ChoiceID) {
        guard requests[id.request]?.choices.indices.contains(id.index) == true else { return }
        requests[id.request]?.choices[id.index].diedInCompany()
    }

    /// Counts a worker's death against a choice that was there.
    /// - Returns: false where it is none of its doing.
    private mutating func countDeath(
        _ running: RunningSequence, of worker: WorkerRecord, isExplained: Bool, now: Instant
    ) -> Bool {
        let id = running.choice
        guard var choice = record(of: id) else { return false }
        choice.noteFault()
        let isForgiven =
            choice.deaths > 0 && choice.forgivenDeaths < limits.innocentDeathsMax && !worker.hasTaken(running.command)
        if isForgiven { choice.forgivenDeaths += 1 } else { choice.deaths += 1 }
        if !isExplained { choice.unexplainedDeaths += 1 }
        if running.isUnproven, !isForgiven {
            choice.becomesSuspect(triableFrom: now.advanced(bySeconds: limits.trialPauseSeconds))
        }
        if choice.deaths > 1, running.isUnproven, running.stepCount >= limits.survivedStepsMin {
            choice.isDoubtful = true
        }
        requests[id.request]?.choices[id.index] = choice
        return !isForgiven
    }

    private mutating func accuse(_ id: ChoiceID, deathsMax: Int, now: Instant) {
        requests[id.request]?.choices[id.index].isAccused = true
        let judgedAt = now.advanced(bySeconds: limits.trialPauseSeconds)
        accusations.append(Accusation(choice: id, deathsMax: deathsMax, judgedAt: judgedAt))
    }

    /// Fails accused requests that nothing speaks for; others are tried once more.
    mutating func judgeAccused(_ now: Instant, into actions: inout [SchedulingAction]) {
        let due = accusations.filter { $0.judgedAt <= now }
        guard !due.isEmpty else { return }
        accusations.removeAll { $0.judgedAt <= now }
        for accusation in due {
            let id = accusation.choice
            guard let choice = record(of: id), choice.isAccused else { continue }
            requests[id.request]?.choices[id.index].isAccused = false
            guard choice.deaths >= accusation.deathsMax + (choice.isDoubtful ? 1 : 0) else { continue }
            let message = "The request was running on \(choice.deaths) workers when they died, and made no progress."
            fail(id.request, .internalFailure(message), now: now, into: &actions)
        }
    }
}
