package import Inference

/// One worker process as Engine/ makes it, on virtual time: a step applies the commands that came, composes a batch
/// (decode first, then prefill up to the budget), takes as long as ``StepCost`` says, and is reported.
///
///     receive* ─▶ begin ─▶ (time passes) ─▶ finish ─▶ events
///
/// One router at a time is connected, named by the number of its link.
package struct SimulatedWorker: Sendable {
    package enum Message: Sendable {
        case command(WorkerCommand, link: Int)
        case register(link: Int)
        case unregister(link: Int)
        case drain(deadline: Instant)
    }

    /// What a step boundary led to.
    package enum Step: Equatable, Sendable {
        /// Nothing to compute; there may be events to send.
        case idle
        case computing(seconds: Double)
        /// The process dies in this step, of the poison of that number.
        case dying(seconds: Double, of: Int)
    }

    package let description: WorkerDescription
    package let cost: StepCost
    /// How often a decode step yields more than a token.
    let draftRate: Double
    /// In order of rank.
    var sequences: [SimulatedSequence] = []
    var pool: PageBook
    private var mailbox: [Message] = []
    package private(set) var link: Int?
    var commandsSeen: UInt64 = 0
    var entries: [StepEntry] = []
    var outbox: [WorkerEvent] = []
    var plan = Plan()
    var isInStep = false
    var stepNumber: UInt64 = 0
    var stepSeconds = 0.0
    private var drainDeadline: Instant?
    var told: Told?
    package private(set) var queriedTokenCount = 0
    package private(set) var cachedTokenCount = 0
    package private(set) var preemptionCount = 0

    /// Seconds a step should take while sequences decode; as the engine's default.
    static let stepSecondsTarget = 0.08
    static let prefillShare = 0.45
    /// A step that only tells how sequences ended.
    private static let emptyStepSeconds = 1e-4

    struct Plan: Sendable {
        /// Place of a sequence and tokens of it that the step computes.
        var slices: [(place: Int, count: Int)] = []
        var preempted: [SequenceID] = []
        var decodeRows = 0
        var promptTokens = 0
        var attendedPairs = 0

        func seconds(_ cost: StepCost) -> Double {
            cost.seconds(decodeRows: decodeRows, promptTokens: promptTokens, attendedPairs: attendedPairs)
        }
    }

    struct Told: Equatable, Sendable {
        var load: WorkerLoad
        var commandsSeen: UInt64
    }

    package init(_ description: WorkerDescription, cost: StepCost, draftRate: Double = 0) {
        self.description = description
        self.cost = cost
        self.draftRate = draftRate
        pool = PageBook(pageCount: description.pageCount, pageTokenCount: description.pageTokenCount)
    }

    package var isDraining: Bool { drainDeadline != nil }
    package var hasMail: Bool { !mailbox.isEmpty }
    package var hasWork: Bool { !sequences.isEmpty || !entries.isEmpty }
    package var runningCount: Int { sequences.count }
    package var usedPages: Int { pool.pageCount - pool.availableCount }

    package var load: WorkerLoad {
        let waiting = sequences.reduce(0) { $0 + $1.waitingPrefillCount }
        return WorkerLoad(
            freeSlots: isDraining ? 0 : max(0, description.slotCount - sequences.count),
            freePages: pool.availableCount, runningSequences: sequences.count, waitingPrefillTokens: waiting)
    }

    /// - Returns: what cannot be, in words.
    package func violation() -> String? {
        if let stray = sequences.first(where: { $0.pages.count < pool.pagesNeeded(forTokens: $0.computedCount) }) {
            return "\(stray.id) has \(stray.pages.count) pages for \(stray.computedCount) tokens"
        }
        return pool.violation(sequences.map(\.pages))
    }

    package mutating func receive(_ message: Message) { mailbox.append(message) }

    // MARK: - Between steps

    /// Applies what came and begins a step where there is something to do.
    /// - Parameter slowness: by which the step takes longer than its cost.
    package mutating func begin(now: Instant, slowness: Double = 1) -> Step {
        applyMail()
        if let drainDeadline, drainDeadline <= now {
            for place in sequences.indices.reversed() { giveBack(place) }
        }
        guard hasWork else {
            tellPrefixChanges()
            tellCredit()
            return .idle
        }
        compose()
        isInStep = true
        stepSeconds = slowness * (plan.slices.isEmpty ? Self.emptyStepSeconds : plan.seconds(cost))
        for (place, _) in plan.slices {
            if let poison = sequences[place].poison { return .dying(seconds: stepSeconds / 2, of: poison) }
        }
        return .computing(seconds: stepSeconds)
    }

    /// Applies what came; a step does it before all else.
    package mutating func applyMail() {
        let messages = mailbox
        mailbox.removeAll(keepingCapacity: true)
        for message in messages { apply(message) }
    }

    /// Events that no step has to be waited for.
    package mutating func takeEvents() -> [WorkerEvent] {
        defer { outbox.removeAll() }
        return outbox
    }

    private mutating func apply(_ message: Message) {
        switch message {
        case .register(let link):
            // A connection of an earlier router may arrive after one of the next; its end is on its way too.
            if let later = self.link, later > link { return }
            forgetRouter()
            tellPrefixChanges()
            outbox.removeAll()
            self.link = link
            commandsSeen = 0
            outbox.append(.welcome(description))
            outbox.append(.prefix(added: pool.cachedHashes, removed: [], isSnapshot: true))
            if isDraining { outbox.append(.draining) }
            told = Told(load: load, commandsSeen: 0)
        case .unregister(let link):
            guard self.link == link else { return }
            forgetRouter()
        case .drain(let deadline):
            if drainDeadline == nil { outbox.append(.draining) }
            drainDeadline = min(drainDeadline ?? deadline, deadline)
        case .command(let command, let link):
            guard self.link == link else { return }
            commandsSeen += 1
            apply(command)
        }
    }

    private mutating func apply(_ command: WorkerCommand) {
        switch command {
        case .admit(let sequence): admit(sequence)
        case .cancel(let id):
            if let place = sequences.firstIndex(where: { $0.id == id }) { remove(at: place) }
        case .preempt(let id):
            if let place = sequences.firstIndex(where: { $0.id == id }) { giveBack(place) }
        case .drain: break
        }
    }

    private mutating func forgetRouter() {
        for place in sequences.indices.reversed() { remove(at: place) }
        entries.removeAll()
        outbox.removeAll()
        link = nil
    }

    mutating func remove(at place: Int) {
        pool.release(&sequences[place].pages)
        sequences.remove(at: place)
    }

    mutating func giveBack(_ place: Int) {
        preemptionCount += 1
        outbox.append(.preempted(sequences[place].id))
        remove(at: place)
    }

    /// - Returns: false when there was no room.
    @discardableResult
    package mutating func admit(_ admitted: AdmittedSequence) -> Bool {
        if let objection = objection(to: admitted) {
            entries.append(StepEntry(sequence: admitted.id, finish: .failed(objection)))
            return true
        }
        var sequence = SimulatedSequence(admitted)
        if let finish = sequence.finish(contextLength: description.contextLength) {
            entries.append(StepEntry(sequence: admitted.id, finish: finish))
            return true
        }
        guard load.freeSlots > 0, !sequences.contains(where: { $0.id == admitted.id }) else {
            return refuse(admitted.id)
        }
        reusePrefix(of: &sequence)
        let firstChunkEnd = sequence.computedCount + min(sequence.pendingCount, description.stepTokenBudget)
        guard pool.extend(&sequence.pages, toCover: firstChunkEnd) else {
            pool.release(&sequence.pages)
            return refuse(admitted.id)
        }
        queriedTokenCount += sequence.tokens.count
        cachedTokenCount += sequence.computedCount
        sequence.unreportedCachedCount = min(sequence.computedCount, sequence.promptCount)
        let place = sequences.firstIndex { $0.priority < sequence.priority } ?? sequences.endIndex
        sequences.insert(sequence, at: place)
        return true
    }

    private mutating func refuse(_ id: SequenceID) -> Bool {
        outbox.append(.refused(id))
        return false
    }

    private func objection(to admitted: AdmittedSequence) -> String? {
        let count = admitted.tokens.count
        let hasJournal = admitted.promptTokenCount < count
        guard count < description.contextLength || (hasJournal && count == description.contextLength) else {
            return "The sequence has \(count) tokens; the context holds \(description.contextLength), output included."
        }
        let needed = pool.pagesNeeded(forTokens: count)
        guard needed <= pool.pageCount else {
            return "The sequence needs \(needed) KV pages; there are \(pool.pageCount)."
        }
        return nil
    }

    mutating func reusePrefix(of sequence: inout SimulatedSequence) {
        guard sequence.computedCount == sequence.pages.hashes.count * pool.pageTokenCount else { return }
        let limit = (sequence.tokens.count - 1) / pool.pageTokenCount
        sequence.computedCount = pool.reuse(sequence.tokens, in: &sequence.pages, pageLimit: limit)
    }
}
