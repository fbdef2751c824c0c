package import Grammar
package import Inference
package import Models

/// One worker's engine without its thread: commands in, one step at a time, events out.
///
///     apply(command)* ─▶ step ─▶ events
///
/// Belongs to one thread. Time comes in as an argument. Several routers may be connected; each owns its sequences,
/// gets an equal share of slots and pages, and hears of every step, with its own entries and load.
/// Sequences that a cancel or a lost router removes are freed at once, for ``apply`` runs between steps only.
package struct StepLoop: ~Copyable {
    private let runtime: any ModelRuntime
    private let model: ModelDescription
    private let options: EngineOptions
    private var composer: BatchComposer
    private var sampler: Sampler
    private var constraints: ConstraintTable
    private var shares: [RouterShare] = []
    private var outbox: [RoutedEvent] = []
    private var drainDeadline: Instant?
    private var stepNumber: UInt64 = 0
    private var preemptionCount = 0
    private var drafts = (count: 0, tokens: 0, accepted: 0)
    private var prefillPace: PrefillPace
    private var lastTokenCounts = (all: 0, prefill: 0)

    /// - Parameter vocabulary: what constrained output is made of; without it constrained sequences fail.
    package init(runtime: any ModelRuntime, options: EngineOptions, vocabulary: TokenVocabulary? = nil) {
        self.runtime = runtime
        model = runtime.description
        self.options = options.fitted(to: runtime.description)
        composer = BatchComposer(model: runtime.description, options: self.options)
        prefillPace = PrefillPace(target: self.options.stepSecondsTarget, share: self.options.prefillShare)
        sampler = Sampler(vocabularySize: runtime.description.vocabularySize)
        constraints = ConstraintTable(vocabulary, sequenceCountMax: options.slotCount)
    }

    package var runningCount: Int { composer.sequences.count }
    package var isDraining: Bool { drainDeadline != nil }
    /// Whether ``step(clock:)`` would compute or report entries. Without work it only tells what changed.
    package var hasWork: Bool { !composer.sequences.isEmpty || shares.contains { !$0.entries.isEmpty } }

    /// Every page counted once, and no page or slot without an owner.
    package func invariantViolation() -> String? { composer.invariantViolation() }

    package var statistics: EngineStatistics {
        EngineStatistics(
            stepCount: stepNumber, stepTokenCount: lastTokenCounts.all, prefillTokenCount: lastTokenCounts.prefill,
            cacheQueriedTokenCount: composer.queriedTokenCount, cacheHitTokenCount: composer.hitTokenCount,
            draftCount: drafts.count, draftTokenCount: drafts.tokens, acceptedDraftTokenCount: drafts.accepted,
            preemptionCount: preemptionCount, runningCount: composer.sequences.count,
            waitingPrefillTokenCount: composer.load { _ in true }.waitingPrefillCount,
            slotCount: options.slotCount, usedPageCount: composer.pool.usedCount, pageCount: composer.pool.pageCount)
    }

    // MARK: - Routers

    /// A router is there: it is welcomed with its share and the whole prefix index; the others hear of their new
    /// shares.
    package mutating func register(router: Int) {
        unregister(router: router)
        // Before it is there: its snapshot holds these changes already.
        tellPrefixChanges()
        shares.append(RouterShare(router: router))
        divide()
        let place = shares.count - 1
        outbox.append((router, .welcome(description(of: shares[place]))))
        outbox.append((router, .prefix(added: composer.pool.indexedHashes, removed: [], isSnapshot: true)))
        if isDraining { outbox.append((router, .draining)) }
        shares[place].told = tellable(shares[place])
    }

    /// A router is gone, its sequences with it.
    package mutating func unregister(router: Int) {
        guard let place = shares.firstIndex(where: { $0.router == router }) else { return }
        shares.remove(at: place)
        composer.removeAll { $0.router == router }
        outbox.removeAll { $0.router == router }
        divide()
    }

    private mutating func divide() {
        shares.divide(slotCount: options.slotCount, pageCount: model.pageCount)
    }

    private func description(of share: RouterShare) -> WorkerDescription {
        var description = WorkerDescription(of: model, options)
        description.slotCount = share.slotCount
        description.pageCount = share.pageCount
        return description
    }

    // MARK: - Commands

    /// Takes effect at once, between two steps. Commands of a router that is not registered are too late and ignored.
    package mutating func apply(_ command: WorkerCommand, from router: Int, now: Instant) {
        guard let place = shares.firstIndex(where: { $0.router == router }) else { return }
        shares[place].commandsSeen += 1
        func key(_ id: SequenceID) -> SequenceKey { SequenceKey(router: router, id: id) }
        switch command {
        case .admit(let sequence): admit(sequence, place)
        case .cancel(let id): composer.remove(key(id))
        case .preempt(let id):
            if composer.remove(key(id)) { tellPreempted(key(id)) }
        case .drain(let seconds): drain(until: now.advanced(bySeconds: seconds.isFinite ? max(0, seconds) : 0))
        }
    }

    /// Admits nothing more; what still runs at the deadline is given back. A second call can only hasten the end.
    package mutating func drain(until deadline: Instant) {
        guard let earlier = drainDeadline else {
            drainDeadline = deadline
            for share in shares { outbox.append((share.router, .draining)) }
            return
        }
        drainDeadline = min(earlier, deadline)
    }

    private mutating func admit(_ sequence: AdmittedSequence, _ place: Int) {
        let share = shares[place]
        let key = SequenceKey(router: share.router, id: sequence.id)
        guard !composer.sequences.contains(where: { $0.key == key }) else {
            composer.remove(key)
            end(key, .failed("Sequence \(sequence.id) was admitted while it was running."))
            return
        }
        let load = load(of: share)
        guard load.freeSlots > 0 else {
            outbox.append((share.router, .refused(sequence.id)))
            return
        }
        if let constraint = sequence.sampling.constraint, let objection = constraints.objection(to: constraint) {
            end(key, .failed(objection))
            return
        }
        // The only one that a router has here may have all there is: a journal can be longer than a share that shrank.
        let pageLimit = load.runningSequences == 0 ? composer.pool.availableCount : load.freePages
        switch composer.admit(sequence, router: share.router, pageLimit: pageLimit) {
        case .admitted: break
        case .refused: outbox.append((share.router, .refused(sequence.id)))
        case .finished(let finish): end(key, finish)
        }
    }

    private mutating func end(_ key: SequenceKey, _ finish: SequenceFinish) {
        report(StepEntry(sequence: key.id, finish: finish), of: key)
    }

    private mutating func report(_ entry: consuming StepEntry, of key: SequenceKey) {
        guard let place = shares.firstIndex(where: { $0.router == key.router }) else { return }
        shares[place].entries.append(entry)
    }

    private mutating func tellPreempted(_ key: SequenceKey) {
        preemptionCount += 1
        outbox.append((key.router, .preempted(key.id)))
    }

    // MARK: - A step

    /// Computes one step, where there is something to compute, and tells what there is to tell.
    /// - Returns: events in order; a router's share of a step comes after what led to it.
    package mutating func step(clock: () -> Instant) -> [RoutedEvent] {
        let start = clock()
        if let drainDeadline, drainDeadline <= start {
            for sequence in composer.sequences { tellPreempted(sequence.key) }
            composer.removeAll { _ in true }
        }
        if hasWork {
            var plan = composer.plan(prefillMax: prefillPace.tokenMax(besideDecodeRows:resumes:))
            cutDrafts(of: &plan)
            for key in plan.preempted { tellPreempted(key) }
            for key in plan.outgrown {
                let room = model.pageCount * model.pageTokenCount
                end(key, .failed("The sequence outgrew this worker, whose KV pages hold \(room) tokens in all."))
            }
            compute(plan)
            stepNumber += 1
            tellPrefixChanges()
            let end = clock()
            prefillPace.record(
                end.seconds(since: start), tokenCount: plan.tokenCount, promptTokenCount: lastTokenCounts.prefill)
            report(plan.tokenCount, since: start, until: end)
        } else {
            lastTokenCounts = (0, 0)
            tellPrefixChanges()
        }
        tellCredits()
        defer { outbox.removeAll() }
        return outbox
    }

    private mutating func compute(_ plan: StepPlan) {
        lastTokenCounts = (plan.tokenCount, 0)
        guard !plan.slices.isEmpty else { return }
        let rowCount = plan.slices.reduce(0) { $0 + $1.rowCount }
        let logits = StepRows(runtime.execute(plan.slices), rowCount: rowCount, width: model.rowWidth)
        guard model.pooledOutput == nil else { return endTexts(plan, logits) }
        var firstRow = 0
        var ended: [SequenceKey] = []
        for index in plan.slices.indices {
            let key = composer.sequences[plan.places[index]].key
            let entry = finish(plan, index, logits, firstRow)
            firstRow += plan.slices[index].rowCount
            if entry.finish != nil { ended.append(key) }
            report(entry, of: key)
        }
        for key in ended { composer.remove(key) }
    }

    /// Takes down what a step brought the sequence of one slice. Slices and sequences are named by their places and
    /// read where they are: their copies would cost more than all else here.
    private mutating func finish(_ plan: StepPlan, _ index: Int, _ logits: StepRows, _ firstRow: Int) -> StepEntry {
        let place = plan.places[index]
        if composer.sequences[place].waitingPrefillCount > 0 {
            lastTokenCounts.prefill += plan.slices[index].tokens.count
        }
        var entry = StepEntry(sequence: composer.sequences[place].key.id)
        entry.cachedTokenCount = composer.takeCachedCount(place)
        do throws(SamplingError) {
            try readPromptLogprobs(plan, index, logits, firstRow, into: &entry)
            let computed = try chooseTokens(plan, index, logits, firstRow, into: &entry)
            composer.advance(place, by: computed)
            composer.publish(place)
            entry.finish = composer.sequences[place].finish(contextLength: model.contextLength)
        } catch {
            let position = composer.sequences[place].tokens.count
            entry.finish = .failed(error.sentence(position: position))
        }
        return entry
    }

    /// Texts that were read as a whole end with what was made of them.
    private mutating func endTexts(_ plan: StepPlan, _ rows: StepRows) {
        let keys = plan.places.map { composer.sequences[$0].key }
        for (index, key) in keys.enumerated() {
            lastTokenCounts.prefill += plan.slices[index].tokens.count
            composer.remove(key)
            var entry = StepEntry(sequence: key.id, pooled: Array(rows[index]), finish: .stop)
            if !entry.pooled.allSatisfy(\.isFinite) {
                entry.pooled = []
                entry.finish = .failed("What the model makes of the text are not finite numbers.")
            }
            report(entry, of: key)
        }
    }

    private mutating func readPromptLogprobs(
        _ plan: StepPlan, _ index: Int, _ logits: StepRows, _ firstRow: Int, into entry: inout StepEntry
    ) throws(SamplingError) {
        let place = plan.places[index]
        guard case .all = plan.slices[index].logits,
            let topCount = composer.sequences[place].sampling.promptLogprobs
        else { return }
        for offset in plan.slices[index].tokens.indices {
            let next = plan.slices[index].startPosition + offset + 1
            guard next < composer.sequences[place].promptTokenCount else { break }
            let token = composer.sequences[place].tokens[next]
            let row = logits[firstRow + offset].span
            entry.promptLogprobs.append(try sampler.logprobs(row, of: token, topCount: topCount))
        }
    }

    /// Chooses the tokens behind a slice that reaches the sequence's end: one, and one more for each token of a draft
    /// that proves to be what plain decoding chooses. A draft's row is computed as any other, so the bits are the same.
    /// - Returns: rows of the slice whose K and V are right.
    private mutating func chooseTokens(
        _ plan: StepPlan, _ index: Int, _ logits: StepRows, _ firstRow: Int, into entry: inout StepEntry
    ) throws(SamplingError) -> Int {
        let place = plan.places[index]
        let tokenCount = plan.slices[index].tokens.count
        let known = composer.sequences[place].tokens.count - plan.slices[index].startPosition
        guard known <= tokenCount, composer.sequences[place].wantsToken else { return tokenCount }
        let drafted = tokenCount - known
        var accepted = 0
        while true {
            // A draft's slice has a row of logits for each token, another only for its last.
            let row = logits[firstRow + plan.slices[index].rowCount - 1 - drafted + accepted].span
            let mask = try mask(for: place)
            let token = try sampler.choose(
                row, composer.sequences[place].sampling, counts: composer.sequences[place].counts,
                outputCount: composer.sequences[place].outputCount, position: composer.sequences[place].tokens.count,
                mask: mask)
            if let topCount = composer.sequences[place].sampling.logprobs {
                entry.logprobs.append(try sampler.logprobs(row, of: token, topCount: topCount))
            }
            entry.tokens.append(token)
            composer.append(token, to: place)
            guard accepted < drafted, token == plan.slices[index].tokens[known + accepted],
                composer.sequences[place].finish(contextLength: model.contextLength) == nil
            else { break }
            accepted += 1
        }
        if drafted > 0 {
            composer.recordDraft(place, drafted: drafted, accepted: accepted)
            drafts.count += 1
            drafts.tokens += drafted
            drafts.accepted += accepted
        }
        return known + accepted
    }

    // MARK: - Constrained output

    private mutating func mask(for place: Int) throws(SamplingError) -> TokenMask? {
        guard let constraint = composer.sequences[place].sampling.constraint else { return nil }
        let constraintPlace = try constraints.place(of: composer.sequences[place], constraint)
        composer.remember(constraintPlace, of: place)
        return try constraints.mask(at: constraintPlace, constraint)
    }

    /// Takes from drafts what the sequences' grammars do not allow, and would not be chosen.
    private mutating func cutDrafts(of plan: inout StepPlan) {
        for (index, place) in plan.places.enumerated() {
            guard let constraint = composer.sequences[place].sampling.constraint else { continue }
            let sequence = composer.sequences[place]
            let known = sequence.tokens.count - plan.slices[index].startPosition
            guard plan.slices[index].tokens.count > known else { continue }
            let draft = Array(plan.slices[index].tokens[known...])
            // Where the grammar cannot be followed no token will be chosen either, and the sequence fails then.
            let allowed =
                (try? constraints.allowedCount(
                    of: draft, at: constraints.place(of: sequence, constraint), constraint)) ?? 0
            plan.slices[index].tokens.removeLast(draft.count - allowed)
            if allowed == 0 { plan.slices[index].logits = .last }
        }
    }

    // MARK: - What routers hear

    private mutating func report(_ tokenCount: Int, since start: Instant, until end: Instant) {
        let microseconds = max(0, end.nanoseconds &- start.nanoseconds) / 1000
        for place in shares.indices {
            let entries = shares[place].entries
            shares[place].entries = []
            let told = tellable(shares[place])
            // A report says nothing of the share itself: a change of it is still to be told.
            shares[place].told?.load = told.load
            shares[place].told?.commandsSeen = told.commandsSeen
            let report = StepReport(
                number: stepNumber, durationMicroseconds: UInt32(clamping: microseconds), tokenCount: tokenCount,
                entries: entries, load: told.load, commandsSeen: told.commandsSeen)
            outbox.append((shares[place].router, .step(report)))
        }
    }

    private mutating func tellCredits() {
        for place in shares.indices {
            let told = tellable(shares[place])
            guard shares[place].told != told else { continue }
            shares[place].told = told
            outbox.append(
                (
                    shares[place].router,
                    .credit(
                        slotCount: told.slotCount, pageCount: told.pageCount, load: told.load,
                        commandsSeen: told.commandsSeen)
                ))
        }
    }

    private mutating func tellPrefixChanges() {
        let (added, removed) = composer.takePrefixChanges()
        guard !added.isEmpty || !removed.isEmpty else { return }
        for share in shares {
            outbox.append((share.router, .prefix(added: added, removed: removed, isSnapshot: false)))
        }
    }

    private func tellable(_ share: RouterShare) -> RouterShare.Told {
        RouterShare.Told(
            slotCount: share.slotCount, pageCount: share.pageCount, load: load(of: share),
            commandsSeen: share.commandsSeen)
    }

    /// What is left for a router: of its share, and of what there is.
    private func load(of share: RouterShare) -> WorkerLoad {
        let (running, waitingPrefill) = composer.load { $0.router == share.router }
        var freePages = composer.pool.availableCount
        if shares.count > 1 { freePages = min(freePages, max(0, share.pageCount - pagesHeld(by: share.router))) }
        let freeSlots = min(share.slotCount - running, options.slotCount - composer.sequences.count)
        return WorkerLoad(
            freeSlots: isDraining ? 0 : max(0, freeSlots), freePages: freePages, runningSequences: running,
            waitingPrefillTokens: waitingPrefill)
    }

    /// Pages in tables of a router's sequences, each once.
    private func pagesHeld(by router: Int) -> Int {
        var held: Set<Int32> = []
        for sequence in composer.sequences where sequence.key.router == router { held.formUnion(sequence.pages.pages) }
        return held.count
    }
}
