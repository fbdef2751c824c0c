import Inference

/// What a step computes, what it yields, and what the router hears of it.
extension SimulatedWorker {
    mutating func compose() {
        plan = Plan()
        var place = 0
        while place < sequences.count {
            if sequences[place].pendingCount == 1 { schedule(place, tokenCount: 1) }
            place += 1
        }
        let (isAlone, rows) = (plan.slices.isEmpty, plan.decodeRows)
        let room = max(1, description.stepTokenBudget - plan.slices.count)
        var arriving: Set<UInt64> = []
        var used = 0
        for resumes in [true, false] {
            let prompts = sequences.count { $0.isPrefill(thatResumes: resumes) }
            let paced = cost.promptTokenMax(
                besideDecodeRows: rows, prompts: prompts, target: Self.stepSecondsTarget,
                share: Self.prefillShare, resumes: resumes)
            let allowed = isAlone ? room : min(room, max(1, paced))
            used += prefill(thatResumes: resumes, budget: allowed - used, arriving: &arriving)
        }
    }

    /// - Returns: tokens put into the step.
    private mutating func prefill(thatResumes resumes: Bool, budget: Int, arriving: inout Set<UInt64>) -> Int {
        var (place, budget, used) = (0, budget, 0)
        while place < sequences.count && budget > 0 {
            if sequences[place].isPrefill(thatResumes: resumes) {
                var sequence = sequences[place]
                reusePrefix(of: &sequence)
                sequences[place] = sequence
                let next = nextReusableHash(place)
                // Equal prompts that come together are computed once.
                if let next, arriving.contains(next) {
                    place += 1
                    continue
                }
                let count = schedule(place, tokenCount: min(budget, sequences[place].pendingCount))
                budget -= count
                used += count
                if let next, count >= pool.pageTokenCount { arriving.insert(next) }
            }
            place += 1
        }
        return used
    }

    private func nextReusableHash(_ place: Int) -> UInt64? {
        let sequence = sequences[place]
        guard sequence.computedCount == sequence.pages.hashes.count * pool.pageTokenCount,
            sequence.computedCount + pool.pageTokenCount < sequence.tokens.count
        else { return nil }
        return pool.nextHash(sequence.tokens, after: sequence.pages)
    }

    /// Puts up to `tokenCount` tokens of a sequence into the step, as many as there are pages for; the last in rank
    /// gives its own back for it.
    @discardableResult
    private mutating func schedule(_ place: Int, tokenCount: Int) -> Int {
        let start = sequences[place].computedCount
        while !pool.extend(&sequences[place].pages, toCover: start + tokenCount) {
            if sequences[place].pages.count * pool.pageTokenCount > start { break }
            let last = sequences.count - 1
            if last > place {
                preempt(last)
            } else if last == 0 {
                let end = StepEntry(
                    sequence: sequences[place].id, finish: .failed("The sequence outgrew this worker."))
                tell(sequences[place].router, end)
                remove(at: place)
                return 0
            } else {
                let canWait = tokenCount > 1 && !plan.slices.isEmpty
                if !canWait { preempt(place) }
                return 0
            }
        }
        let end = min(start + tokenCount, sequences[place].pages.count * pool.pageTokenCount)
        plan.slices.append((place, end - start))
        if sequences[place].waitingPrefillCount > 1 {
            plan.promptTokens += end - start
        } else {
            plan.decodeRows += 1
        }
        plan.attendedPairs += (start + end + 1) * (end - start) / 2
        return end - start
    }

    private mutating func preempt(_ place: Int) {
        plan.slices.removeAll { $0.place == place }
        giveBack(place)
    }

    /// The step is done.
    /// - Returns: what the router hears, in order.
    package mutating func finish() -> [Said] {
        guard isInStep else { return takeEvents() }
        isInStep = false
        var tokenCount = 0
        var ended: [Int] = []
        for (place, count) in plan.slices {
            tokenCount += count
            var entry = StepEntry(sequence: sequences[place].id)
            entry.cachedTokenCount = sequences[place].unreportedCachedCount
            sequences[place].unreportedCachedCount = nil
            if count == sequences[place].pendingCount {
                entry.tokens = sequences[place].produce(
                    draftRate: count == 1 ? draftRate : 0, contextLength: description.contextLength)
            }
            sequences[place].computedCount += count + max(0, entry.tokens.count - 1)
            coverDrafts(place)
            pool.publish(
                sequences[place].tokens, computedCount: sequences[place].computedCount, of: &sequences[place].pages)
            entry.finish = sequences[place].finish(contextLength: description.contextLength)
            if entry.finish != nil { ended.append(place) }
            tell(sequences[place].router, entry)
        }
        for place in ended.sorted().reversed() { remove(at: place) }
        stepNumber += 1
        tellPrefixChanges()
        for place in shares.indices { tellStep(place, tokenCount: tokenCount) }
        tellCredits()
        return takeEvents()
    }

    private mutating func tell(_ router: Int, _ entry: StepEntry) {
        guard let place = shares.firstIndex(where: { $0.link.router == router }) else { return }
        shares[place].entries.append(entry)
    }

    private mutating func tellStep(_ place: Int, tokenCount: Int) {
        let now = tellable(shares[place])
        // A report says nothing of the share itself: a change of it is still to be told.
        shares[place].told?.load = now.load
        shares[place].told?.commandsSeen = now.commandsSeen
        let report = StepReport(
            number: stepNumber, durationMicroseconds: UInt32(clamping: Int(stepSeconds * 1e6)),
            tokenCount: tokenCount, entries: shares[place].entries, load: now.load, commandsSeen: now.commandsSeen)
        shares[place].entries.removeAll()
        outbox.append((shares[place].link.router, .step(report)))
    }

    /// Drafts take no pages of their own: what does not fit is computed again in the next step.
    private mutating func coverDrafts(_ place: Int) {
        let covered = sequences[place].pages.count * pool.pageTokenCount
        sequences[place].computedCount = min(sequences[place].computedCount, covered)
    }

    // MARK: - What the router hears

    mutating func tellPrefixChanges() {
        let (added, removed) = pool.takeChanges()
        guard !added.isEmpty || !removed.isEmpty else { return }
        for share in shares {
            outbox.append((share.link.router, .prefix(added: added, removed: removed, isSnapshot: false)))
        }
    }

    mutating func tellCredits() {
        for place in shares.indices {
            let now = tellable(shares[place])
            guard shares[place].told != now else { continue }
            shares[place].told = now
            outbox.append(
                (
                    shares[place].link.router,
                    .credit(
                        slotCount: now.slotCount, pageCount: now.pageCount, load: now.load,
                        commandsSeen: now.commandsSeen)
                ))
        }
    }
}
