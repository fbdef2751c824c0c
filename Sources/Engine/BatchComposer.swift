package import Inference
package import Models

/// Decides which tokens the next step computes, and which page holds what.
///
/// Knows: sequences, slots, the step's token budget, KV pages as numbers.
/// Does not know: time, threads, logits, routers' shares.
///
///     admit ─▶ plan ─▶ (runtime executes, sampler chooses) ─▶ advance ─▶ remove
///               ▲                                                │
///               └────────────────────────────────────────────────┘
///
/// Rank decides every conflict: higher priority first, then who came first. Every sequence in decode gets its token in
/// every step; what is left of the budget goes to prefill in order of rank, as much as the caller allows. When pages
/// run out, the last in rank gives its own back, so the first in rank always advances and a step is never empty
/// while sequences run.
package struct BatchComposer: Sendable {
    package enum Admission: Equatable, Sendable {
        case admitted
        /// No slot, or not enough pages for the first chunk: nothing has changed.
        case refused
        /// Nothing to run: it cannot run here, or a journal that is complete already.
        case finished(SequenceFinish)
    }

    /// In order of rank.
    package private(set) var sequences: [RunningSequence] = []
    package private(set) var pool: KVPagePool
    /// Prompt tokens looked up in the prefix cache at admission, and found.
    package private(set) var queriedTokenCount = 0
    package private(set) var hitTokenCount = 0

    private let model: ModelDescription
    private let options: EngineOptions

    /// - Parameter options: already fitted to `model`.
    package init(model: ModelDescription, options: EngineOptions) {
        self.model = model
        self.options = options
        pool = KVPagePool(
            pageCount: model.pageCount, pageTokenCount: model.pageTokenCount, isCaching: options.prefixCacheEnabled)
    }

    // MARK: - Coming and going

    /// Takes a sequence in with pages for its first chunk, as much of its prefix as there is from the cache.
    /// - Parameter pageLimit: pages it may take now, idle ones that it reuses included.
    package mutating func admit(_ admitted: AdmittedSequence, router: Int, pageLimit: Int) -> Admission {
        if let objection = AdmissionCheck.objection(to: admitted, model: model, pageCount: pool.pageCount) {
            return .finished(.failed(objection))
        }
        var sequence = RunningSequence(admitted, router: router)
        let tokenMax = sequence.tokenMax(contextLength: model.contextLength)
        sequence.reserve(tokenCount: tokenMax, pageCount: pool.pagesNeeded(forTokens: tokenMax))
        if model.pooledOutput == nil {
            if let finish = sequence.finish { return .finished(finish) }
            if sequence.isFull(contextLength: model.contextLength) { return .finished(.length) }
        }
        guard sequences.count < options.slotCount else { return .refused }
        guard model.pooledOutput == nil else {
            insert(sequence)
            return .admitted
        }

        let pageFloor = pool.availableCount - pageLimit
        Self.reusePrefix(of: &sequence, from: &pool)
        let firstChunkEnd = sequence.computedCount + min(sequence.pendingCount, options.stepTokenBudget)
        let pagesLeft = pool.availableCount - pool.pagesNeeded(forTokens: firstChunkEnd) + sequence.pages.pages.count
        guard pagesLeft >= max(0, pageFloor), pool.extend(&sequence.pages, toCover: firstChunkEnd) else {
            pool.release(&sequence.pages)
            return .refused
        }
        if options.prefixCacheEnabled {
            queriedTokenCount += sequence.tokens.count
            hitTokenCount += sequence.computedCount
        }
        sequence.unreportedCachedCount = min(sequence.computedCount, sequence.promptTokenCount)
        insert(sequence)
        return .admitted
    }

    private mutating func insert(_ sequence: RunningSequence) {
        let place = sequences.firstIndex { $0.priority < sequence.priority } ?? sequences.endIndex
        sequences.insert(sequence, at: place)
    }

    /// Frees the slot and the pages of a sequence; what it computed stays in the prefix cache until evicted.
    /// - Returns: false when there is no such sequence.
    @discardableResult
    package mutating func remove(_ key: SequenceKey) -> Bool {
        guard let place = sequences.firstIndex(where: { $0.key == key }) else { return false }
        remove(at: place)
        return true
    }

    package mutating func removeAll(where isLeaving: (SequenceKey) -> Bool) {
        for place in sequences.indices.reversed() where isLeaving(sequences[place].key) { remove(at: place) }
    }

    private mutating func remove(at place: Int) {
        pool.release(&sequences[place].pages)
        sequences.remove(at: place)
    }

    // MARK: - A step

    /// - Parameters:
    ///   - plan: of the step before; overwritten.
    ///   - prefillMax: prompt tokens that may be computed beside so many sequences in decode, of so many prompts: those of
    ///     sequences that a worker had before, and of others. Without rows, and so without the need to
    ///     share, nobody is asked.
    package mutating func plan(
        into plan: inout StepPlan,
        prefillMax: (_ decodeRows: Int, _ prompts: Int, _ resumes: Bool) -> Int = { _, _, _ in .max }
    ) {
        plan.clear()
        guard model.pooledOutput == nil else { return planTexts(into: &plan) }
        removeFull(in: &plan)
        var place = 0
        while place < sequences.count {
            if sequences[place].pendingCount == 1 { schedule(place, tokenCount: 1, in: &plan) }
            place += 1
        }
        // Slots are fewer than the tokens of a step, so there is always room for one of prefill.
        let (rows, room) = (plan.slices.count, max(1, options.stepTokenBudget - plan.slices.count))
        var arriving: Set<UInt64> = []
        var used = 0
        for resumes in [true, false] {
            let prompts = promptCount(thatResume: resumes)
            guard prompts > 0 else { continue }
            let allowed = rows == 0 ? room : min(room, prefillMax(rows, prompts, resumes))
            used += prefill(thatResumes: resumes, budget: allowed - used, arriving: &arriving, in: &plan)
        }
        if options.speculationEnabled { addDrafts(to: &plan) }
    }

    private mutating func removeFull(in plan: inout StepPlan) {
        for place in sequences.indices.reversed() where sequences[place].isFull(contextLength: model.contextLength) {
            plan.full.append(sequences[place].key)
            remove(at: place)
        }
    }

    private func promptCount(thatResume resume: Bool) -> Int {
        var count = 0
        // By place: a sequence is not copied so.
        for place in sequences.indices where sequences[place].isPrefill(thatResumes: resume) { count += 1 }
        return count
    }

    /// - Returns: tokens put into the step.
    private mutating func prefill(
        thatResumes resumes: Bool, budget: Int, arriving: inout Set<UInt64>, in plan: inout StepPlan
    ) -> Int {
        var (place, budget, used) = (0, budget, 0)
        while place < sequences.count && budget > 0 {
            if sequences[place].isPrefill(thatResumes: resumes) {
                reusePrefix(place)
                // Equal prompts that come together, as the choices of one request do, are computed once: the second
                // finds the pages in the next step.
                if let hash = nextReusableHash(sequences[place]), arriving.contains(hash) {
                    place += 1
                    continue
                }
                let count = schedule(place, tokenCount: min(budget, sequences[place].pendingCount), in: &plan)
                budget -= count
                used += count
                if count > 0 { arriving.formUnion(pool.hashes(arrivingWith: count, of: sequences[place])) }
            }
            place += 1
        }
        return used
    }

    /// Texts that are read as a whole, in order of rank: as many as the budget holds, one at least.
    private func planTexts(into plan: inout StepPlan) {
        var budget = options.stepTokenBudget
        for (place, sequence) in sequences.enumerated() {
            guard sequence.tokens.count <= budget || plan.slices.isEmpty else { continue }
            plan.add(sequence.tokens[...], pages: [], logits: .last, pooling: sequence.pooling, place: place)
            budget -= sequence.tokens.count
        }
    }

    /// The tokens of a slice have K and V now that stay: drafts that proved wrong do not count.
    package mutating func advance(_ place: Int, by tokenCount: Int) {
        sequences[place].computedCount += tokenCount
    }

    /// The sequences, for those who choose tokens for several of them at once.
    package mutating func withSequences<Result>(_ body: (UnsafeMutableBufferPointer<RunningSequence>) -> Result)
        -> Result
    {
        sequences.withUnsafeMutableBufferPointer { body($0) }
    }

    /// Lets others use the pages that became full. Not before the step's logits are known to be sound.
    package mutating func publish(_ place: Int) {
        let (tokens, computedCount) = (sequences[place].tokens, sequences[place].computedCount)
        pool.publish(tokens, computedCount: computedCount, of: &sequences[place].pages)
    }

    /// Prompt tokens from the cache, told once.
    package mutating func takeCachedCount(_ place: Int) -> Int? {
        defer { sequences[place].unreportedCachedCount = nil }
        return sequences[place].unreportedCachedCount
    }

    /// See ``KVPagePool/takeChanges(added:removed:)``.
    mutating func takePrefixChanges(added: inout [UInt64], removed: inout [UInt64]) {
        pool.takeChanges(added: &added, removed: &removed)
    }

    /// How many of the sequences run, and prompt tokens that they wait for.
    func load(of isCounted: (SequenceKey) -> Bool) -> (runningCount: Int, waitingPrefillCount: Int) {
        var load = (runningCount: 0, waitingPrefillCount: 0)
        // By place: a sequence is not copied so.
        for place in sequences.indices where isCounted(sequences[place].key) {
            load.runningCount += 1
            load.waitingPrefillCount += sequences[place].waitingPrefillCount
        }
        return load
    }

    /// Every page counted once; see ``KVPagePool/invariantViolation(tables:)``.
    package func invariantViolation() -> String? {
        if let stray = sequences.first(where: { $0.pages.pages.count < pool.pagesNeeded(forTokens: $0.computedCount) })
        {
            return "\(stray.key) has \(stray.pages.pages.count) pages for \(stray.computedCount) tokens"
        }
        return pool.invariantViolation(tables: sequences.map(\.pages))
    }

    // MARK: - Parts of a plan

    /// Puts up to `tokenCount` tokens of a sequence into the plan, as many as there are pages for.
    /// Sequences leave from the end only, so places before `place` stay what they were.
    @discardableResult
    private mutating func schedule(_ place: Int, tokenCount: Int, in plan: inout StepPlan) -> Int {
        let start = sequences[place].computedCount
        while !pool.extend(&sequences[place].pages, toCover: start + tokenCount) {
            if sequences[place].pages.pages.count * pool.pageTokenCount > start { break }
            let last = sequences.count - 1
            if last > place {
                preempt(last, in: &plan)
            } else if last == 0 {
                plan.outgrown.append(sequences[place].key)
                remove(at: place)
                return 0
            } else {
                // A prompt can wait for those that run to end; whoever needs its pages takes them as from anyone.
                let canWait = tokenCount > 1 && !plan.slices.isEmpty
                if !canWait { preempt(place, in: &plan) }
                return 0
            }
        }
        let covered = sequences[place].pages.pages.count * pool.pageTokenCount
        let end = min(start + tokenCount, covered)
        plan.add(
            sequences[place].tokens[start..<end], pages: sequences[place].pages.pages,
            logits: sequences[place].logits(of: start..<end), place: place)
        return end - start
    }

    /// Rows of a step up to which drafts cost little: weights are read once for all of them.
    private static let draftRowMax = 8

    /// Lets sequences in decode guess on, while the step is small and holds no prompt. Takes no pages for it.
    private mutating func addDrafts(to plan: inout StepPlan) {
        let rowMax = min(Self.draftRowMax, options.stepTokenBudget)
        guard plan.tokenCount == plan.slices.count, plan.slices.count < rowMax else { return }
        var room = rowMax - plan.slices.count
        for index in plan.slices.indices {
            let place = plan.places[index]
            let each = room / (plan.slices.count - index)
            let limit = min(sequences[place].draftPace.takeLimit(), each, sequences[place].draftRoom(model, pool))
            guard limit > 0, case .last = plan.slices[index].logits else { continue }
            let known = plan.slices[index].tokens.count
            PromptLookup.addDraft(after: sequences[place].tokens, limit: limit, to: &plan.slices[index].tokens)
            let drafted = plan.slices[index].tokens.count - known
            guard drafted > 0 else { continue }
            plan.slices[index].logits = .all
            room -= drafted
        }
    }

    /// Takes down how a draft went.
    package mutating func recordDraft(_ place: Int, drafted: Int, accepted: Int) {
        sequences[place].draftPace.record(drafted: drafted, accepted: accepted)
    }

    private mutating func preempt(_ place: Int, in plan: inout StepPlan) {
        if let planned = plan.places.firstIndex(of: place) {
            plan.places.remove(at: planned)
            plan.slices.remove(at: planned)
        }
        plan.preempted.append(sequences[place].key)
        remove(at: place)
    }

    /// Names the page that the sequence would take from the cache if it were there.
    private func nextReusableHash(_ sequence: RunningSequence) -> UInt64? {
        guard sequence.sampling.promptLogprobs == nil,
            sequence.computedCount == sequence.pages.indexedCount * pool.pageTokenCount,
            sequence.computedCount + pool.pageTokenCount < sequence.tokens.count
        else { return nil }
        return pool.hashes(arrivingWith: pool.pageTokenCount, of: sequence).first
    }

    /// The same of a sequence that has come already. What it finds before its first entry counts as found when it came.
    private mutating func reusePrefix(_ place: Int) {
        let before = sequences[place].computedCount
        Self.reusePrefix(of: &sequences[place], from: &pool)
        let count = sequences[place].computedCount
        guard count > before else { return }
        hitTokenCount += count - before
        guard sequences[place].unreportedCachedCount != nil else { return }
        sequences[place].unreportedCachedCount = min(count, sequences[place].promptTokenCount)
    }

    /// Skips what another sequence has computed by now. The last token is always computed: its logits are needed.
    private static func reusePrefix(of sequence: inout RunningSequence, from pool: inout KVPagePool) {
        guard sequence.sampling.promptLogprobs == nil,
            sequence.computedCount == sequence.pages.indexedCount * pool.pageTokenCount
        else { return }
        sequence.computedCount = pool.reuse(
            sequence.tokens, in: &sequence.pages, pageLimit: (sequence.tokens.count - 1) / pool.pageTokenCount)
    }
}
