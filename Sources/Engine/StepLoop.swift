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
    private let reader: TokenReader
    private let constraints: ConstraintTable
    /// Of this step's slices.
    private var readings: [SliceReading] = []
    private var plan = StepPlan()
    private var spareTokens = SpareTokens()
    private var pageMarks: PageMarks
    /// Prefix hashes that became and ceased to be reusable.
    private var prefixChanges: (added: [UInt64], removed: [UInt64]) = ([], [])
    private var shares: [RouterShare] = []
    private var outbox = Outbox()
    private var drainDeadline: Instant?
    private var stepNumber: UInt64 = 0
    private var preemptionCount = 0
    private var drafts = (count: 0, tokens: 0, accepted: 0)
    private var prefillPace: PrefillPace
    private var lastTokenCounts = (all: 0, prefill: 0)
    /// Of these, what ``PrefillPace`` has a say in: a prompt's last token is computed as the rows of decode are.
    private var pacedTokenCount = 0

    /// - Parameter vocabulary: what constrained output is made of; without it constrained sequences fail.
    package init(runtime: any ModelRuntime, options: EngineOptions, vocabulary: TokenVocabulary? = nil) {
        self.runtime = runtime
        model = runtime.description
        self.options = options.fitted(to: runtime.description)
        composer = BatchComposer(model: runtime.description, options: self.options)
        prefillPace = PrefillPace(target: self.options.stepSecondsTarget, share: self.options.prefillShare)
        pageMarks = PageMarks(pageCount: runtime.description.pageCount)
        reader = TokenReader(
            vocabularySize: model.vocabularySize, contextLength: model.contextLength, threadCount: runtime.threadCount)
        constraints = ConstraintTable(vocabulary, sequenceCountMax: self.options.slotCount)
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
        outbox.append(.welcome(description(of: shares[place])), to: router)
        outbox.append(.prefix(added: composer.pool.indexedHashes, removed: [], isSnapshot: true), to: router)
        if isDraining { outbox.append(.draining, to: router) }
        shares[place].told = tellable(shares[place])
    }

    /// A router is gone, its sequences with it.
    package mutating func unregister(router: Int) {
        guard let place = shares.firstIndex(where: { $0.router == router }) else { return }
        shares.remove(at: place)
        composer.removeAll { $0.router == router }
        outbox.removeAll(of: router)
        divide()
    }

    private mutating func divide() {
        shares.divide(slotCount: options.slotCount, pageCount: model.pageCount)
    }

    private func description(of share: RouterShare) -> WorkerDescription {
        var description = WorkerDescription(of: model, options, signSeconds: StepSigns.seconds(of: runtime))
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
            for share in shares { outbox.append(.draining, to: share.router) }
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
            outbox.append(.refused(sequence.id), to: share.router)
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
        case .refused: outbox.append(.refused(sequence.id), to: share.router)
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
        outbox.append(.preempted(key.id), to: key.router)
    }

    // MARK: - A step

    /// Computes one step, where there is something to compute, and tells what there is to tell.
    /// - Returns: events in order; a router's share of a step comes after what led to it. Who lets go of them before the
    ///   next step lets it use their memory: then no step of decode allocates, but for log-probabilities and for tables
    ///   that grow now and then.
    package mutating func step(clock: () -> Instant) -> [RoutedEvent] {
        let start = clock()
        outbox.reclaim()
        for place in shares.indices { shares[place].reclaim(&spareTokens) }
        if let drainDeadline, drainDeadline <= start {
            for sequence in composer.sequences { tellPreempted(sequence.key) }
            composer.removeAll { _ in true }
        }
        if hasWork {
            composer.plan(into: &plan, prefillMax: prefillPace.tokenMax(besideDecodeRows:prompts:resumes:))
            cutDrafts()
            for key in plan.preempted { tellPreempted(key) }
            for key in plan.outgrown {
                let room = model.pageCount * model.pageTokenCount
                end(key, .failed("The sequence outgrew this worker, whose KV pages hold \(room) tokens in all."))
            }
            for key in plan.full { end(key, .length) }
            compute()
            stepNumber += 1
            tellPrefixChanges()
            let end = clock()
            prefillPace.record(
                end.seconds(since: start), tokenCount: plan.tokenCount, promptTokenCount: pacedTokenCount)
            report(plan.tokenCount, since: start, until: end)
        } else {
            lastTokenCounts = (0, 0)
            tellPrefixChanges()
        }
        tellCredits()
        return outbox.take()
    }

    private mutating func compute() {
        (lastTokenCounts, pacedTokenCount) = ((plan.tokenCount, 0), 0)
        guard !plan.slices.isEmpty else { return }
        guard model.pooledOutput == nil else { return endTexts() }
        var rowCount = 0
        readings.removeAll(keepingCapacity: true)
        for index in plan.slices.indices {
            readings.append(prepare(index, firstRow: rowCount))
            rowCount += plan.slices[index].rowCount
        }
        let rows = withReadings { [reader, runtime, plan] readings, sequences in
            reader.read(&readings, plan, of: sequences, on: runtime)
        }
        var ended: [SequenceKey] = []
        for index in plan.slices.indices {
            if readings[index].isHeld { readHeld(index, rows) }
            if finish(index) { ended.append(composer.sequences[plan.places[index]].key) }
        }
        for key in ended { composer.remove(key) }
    }

    /// What reading a slice takes.
    private mutating func prepare(_ index: Int, firstRow: Int) -> SliceReading {
        let place = plan.places[index]
        var reading = SliceReading(of: composer.sequences[place].key.id, firstRow: firstRow)
        guard SliceReading.choosesTokens(plan.slices[index], composer.sequences[place]) else { return reading }
        reading.expectTokens(in: spareTokens.take())
        guard composer.sequences[place].sampling.constraint != nil else { return reading }
        // Behind the first token of a draft another mask holds.
        reading.isHeld = plan.slices[index].tokens.count > composer.sequences[place].pendingCount
        guard !reading.isHeld else { return reading }
        let constraints = constraints
        composer.withSequences { sequences in
            do throws(SamplingError) {
                reading.mask = try constraints.mask(for: &sequences[place])
            } catch {
                reading.failure = error
            }
        }
        runtime.pulse?.beat()
        return reading
    }

    private mutating func readHeld(_ index: Int, _ rows: StepRows) {
        let (slice, place) = (plan.slices[index], plan.places[index])
        withReadings { [reader, constraints] readings, sequences in
            reader.read(held: &readings[index], slice, of: rows, &sequences[place]) { sequence throws(SamplingError) in
                try constraints.mask(for: &sequence)
            }
        }
    }

    private mutating func withReadings<Result>(
        _ body: (inout [SliceReading], UnsafeMutableBufferPointer<RunningSequence>) -> Result
    ) -> Result {
        var own: [SliceReading] = []
        swap(&own, &readings)
        defer { swap(&own, &readings) }
        return composer.withSequences { body(&own, $0) }
    }

    /// Takes down what a step brought the sequence of one slice. Slices and sequences are named by their places and
    /// read where they are: their copies would cost more than all else here.
    /// - Returns: whether the sequence has ended.
    private mutating func finish(_ index: Int) -> Bool {
        let place = plan.places[index]
        let (waiting, count) = (composer.sequences[place].waitingPrefillCount, plan.slices[index].tokens.count)
        if waiting > 0 { lastTokenCounts.prefill += count }
        if waiting > 1 { pacedTokenCount += count }
        var entry = readings[index].takeEntry()
        entry.cachedTokenCount = composer.takeCachedCount(place)
        if let failure = readings[index].failure {
            entry.finish = failure.finish(position: composer.sequences[place].tokens.count)
        } else {
            note(readings[index].draftedCount, readings[index].acceptedCount, place)
            composer.advance(place, by: readings[index].computedCount)
            composer.publish(place)
            entry.finish = composer.sequences[place].finish
        }
        let hasEnded = entry.finish != nil
        report(entry, of: composer.sequences[place].key)
        return hasEnded
    }

    /// Takes down how a draft went.
    private mutating func note(_ drafted: Int, _ accepted: Int, _ place: Int) {
        guard drafted > 0 else { return }
        composer.recordDraft(place, drafted: drafted, accepted: accepted)
        drafts.count += 1
        drafts.tokens += drafted
        drafts.accepted += accepted
    }

    /// Texts that were read as a whole end with what was made of them.
    private mutating func endTexts() {
        let rows = StepRows(runtime.execute(plan.slices), rowCount: plan.slices.count, width: model.rowWidth)
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

    /// Takes from drafts what the sequences' grammars do not allow, and would not be chosen.
    private mutating func cutDrafts() {
        for index in plan.slices.indices {
            let place = plan.places[index]
            guard let constraint = composer.sequences[place].sampling.constraint else { continue }
            let (known, count) = (composer.sequences[place].pendingCount, plan.slices[index].tokens.count)
            guard count > known else { continue }
            // Where the grammar cannot be followed no token will be chosen either, and the sequence fails then.
            let (constraints, draft) = (constraints, plan.slices[index].tokens[known...])
            let allowed = composer.withSequences { sequences in
                (try? constraints.allowedCount(of: draft, for: &sequences[place], constraint)) ?? 0
            }
            plan.slices[index].tokens.removeLast(count - known - allowed)
            if allowed == 0 { plan.slices[index].logits = .last }
        }
    }

    // MARK: - What routers hear

    private mutating func report(_ tokenCount: Int, since start: Instant, until end: Instant) {
        let microseconds = max(0, end.nanoseconds &- start.nanoseconds) / 1000
        for place in shares.indices {
            let entries = shares[place].takeEntries()
            let told = tellable(shares[place])
            // A report says nothing of the share itself: a change of it is still to be told.
            shares[place].told?.load = told.load
            shares[place].told?.commandsSeen = told.commandsSeen
            let report = StepReport(
                number: stepNumber, durationMicroseconds: UInt32(clamping: microseconds), tokenCount: tokenCount,
                entries: entries, load: told.load, commandsSeen: told.commandsSeen)
            outbox.append(.step(report), to: shares[place].router)
        }
    }

    private mutating func tellCredits() {
        for place in shares.indices {
            let told = tellable(shares[place])
            guard shares[place].told != told else { continue }
            shares[place].told = told
            outbox.append(
                .credit(
                    slotCount: told.slotCount, pageCount: told.pageCount, load: told.load,
                    commandsSeen: told.commandsSeen), to: shares[place].router)
        }
    }

    private mutating func tellPrefixChanges() {
        composer.takePrefixChanges(added: &prefixChanges.added, removed: &prefixChanges.removed)
        guard !prefixChanges.added.isEmpty || !prefixChanges.removed.isEmpty else { return }
        for share in shares {
            outbox.append(
                .prefix(added: prefixChanges.added, removed: prefixChanges.removed, isSnapshot: false), to: share.router
            )
        }
    }

    private mutating func tellable(_ share: RouterShare) -> RouterShare.Told {
        RouterShare.Told(
            slotCount: share.slotCount, pageCount: share.pageCount, load: load(of: share),
            commandsSeen: share.commandsSeen)
    }

    /// What is left for a router: of its share, and of what there is.
    private mutating func load(of share: RouterShare) -> WorkerLoad {
        let (running, waitingPrefill) = composer.load { $0.router == share.router }
        var freePages = composer.pool.availableCount
        if shares.count > 1 {
            let held = pageMarks.count(composer.sequences) { $0.router == share.router }
            freePages = min(freePages, max(0, share.pageCount - held))
        }
        let freeSlots = min(share.slotCount - running, options.slotCount - composer.sequences.count)
        return WorkerLoad(
            freeSlots: isDraining ? 0 : max(0, freeSlots), freePages: freePages, runningSequences: running,
            waitingPrefillTokens: waitingPrefill)
    }
}
