package import Inference

/// One worker process as Engine/ makes it, on virtual time: a step applies the commands that came, composes a batch
/// (decode first, then prefill up to the budget), takes as long as ``StepCost`` says, and is reported.
///
///     receive* ─▶ begin ─▶ (time passes) ─▶ finish ─▶ events
///
/// Several routers may be connected; each owns its sequences, has an equal share of slots and pages, and hears of every
/// step.
package struct SimulatedWorker: Sendable {
    package enum Message: Sendable {
        case command(WorkerCommand, LinkName)
        case register(LinkName)
        case unregister(LinkName)
        case drain(deadline: Instant)
    }

    /// What one router hears.
    package typealias Said = (router: Int, event: WorkerEvent)

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
    /// Of connected routers.
    var shares: [SimulatedShare] = []
    var outbox: [Said] = []
    var plan = Plan()
    var isInStep = false
    package var stepNumber: UInt64 = 0
    var stepSeconds = 0.0
    private var drainDeadline: Instant?
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

    package init(_ description: WorkerDescription, cost: StepCost, draftRate: Double = 0) {
        self.description = description
        self.cost = cost
        self.draftRate = draftRate
        pool = PageBook(pageCount: description.pageCount, pageTokenCount: description.pageTokenCount)
    }

    package var isDraining: Bool { drainDeadline != nil }
    package var hasMail: Bool { !mailbox.isEmpty }
    package var hasWork: Bool { !sequences.isEmpty || shares.contains { !$0.entries.isEmpty } }
    package var runningCount: Int { sequences.count }
    package var usedPages: Int { pool.pageCount - pool.availableCount }

    /// What is left of it all.
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
        return shareViolation() ?? pool.violation(sequences.map(\.pages))
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
            tellCredits()
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
    package mutating func takeEvents() -> [Said] {
        defer { outbox.removeAll() }
        return outbox
    }

    private mutating func apply(_ message: Message) {
        switch message {
        case .register(let link): register(link)
        case .unregister(let link):
            if linkNumber(of: link.router) == link.number { forget(link.router) }
        case .drain(let deadline):
            if drainDeadline == nil {
                for share in shares { outbox.append((share.link.router, .draining)) }
            }
            drainDeadline = min(drainDeadline ?? deadline, deadline)
        case .command(let command, let link):
            guard let place = shares.firstIndex(where: { $0.link == link }) else { return }
            shares[place].commandsSeen += 1
            apply(command, from: place)
        }
    }

    private mutating func register(_ link: LinkName) {
        // A connection of an earlier router may arrive after one of the next; its end is on its way too.
        if let later = linkNumber(of: link.router), later > link.number { return }
        forget(link.router)
        // Before it is there: its snapshot holds these changes already.
        tellPrefixChanges()
        shares.append(SimulatedShare(link))
        divide()
        let place = shares.count - 1
        var share = description
        (share.slotCount, share.pageCount) = (shares[place].slotCount, shares[place].pageCount)
        outbox.append((link.router, .welcome(share)))
        outbox.append((link.router, .prefix(added: pool.cachedHashes, removed: [], isSnapshot: true)))
        if isDraining { outbox.append((link.router, .draining)) }
        shares[place].told = tellable(shares[place])
    }

    private mutating func apply(_ command: WorkerCommand, from share: Int) {
        let router = shares[share].link.router
        func place(_ id: SequenceID) -> Int? { sequences.firstIndex { $0.router == router && $0.id == id } }
        switch command {
        case .admit(let sequence): admit(sequence, from: share)
        case .cancel(let id): if let place = place(id) { remove(at: place) }
        case .preempt(let id): if let place = place(id) { giveBack(place) }
        case .drain: break
        }
    }

    /// A router is gone, its sequences with it; the others have more.
    private mutating func forget(_ router: Int) {
        guard let place = shares.firstIndex(where: { $0.link.router == router }) else { return }
        shares.remove(at: place)
        for place in sequences.indices.reversed() where sequences[place].router == router { remove(at: place) }
        outbox.removeAll { $0.router == router }
        divide()
    }

    mutating func remove(at place: Int) {
        pool.release(&sequences[place].pages)
        sequences.remove(at: place)
    }

    mutating func giveBack(_ place: Int) {
        preemptionCount += 1
        outbox.append((sequences[place].router, .preempted(sequences[place].id)))
        remove(at: place)
    }

    private mutating func admit(_ admitted: AdmittedSequence, from share: Int) {
        let router = shares[share].link.router
        if let objection = objection(to: admitted) {
            shares[share].entries.append(StepEntry(sequence: admitted.id, finish: .failed(objection)))
            return
        }
        var sequence = SimulatedSequence(admitted, router: router)
        if let finish = sequence.finish(contextLength: description.contextLength) {
            shares[share].entries.append(StepEntry(sequence: admitted.id, finish: finish))
            return
        }
        let load = load(of: shares[share])
        guard load.freeSlots > 0, !sequences.contains(where: { $0.router == router && $0.id == admitted.id }) else {
            outbox.append((router, .refused(admitted.id)))
            return
        }
        // The only one that a router has here may have all there is: a journal can be longer than a share that shrank.
        let pageFloor = load.runningSequences == 0 ? 0 : pool.availableCount - load.freePages
        reusePrefix(of: &sequence)
        let firstChunkEnd = sequence.computedCount + min(sequence.pendingCount, description.stepTokenBudget)
        let pagesLeft = pool.availableCount - pool.pagesNeeded(forTokens: firstChunkEnd) + sequence.pages.count
        guard pagesLeft >= pageFloor, pool.extend(&sequence.pages, toCover: firstChunkEnd) else {
            pool.release(&sequence.pages)
            outbox.append((router, .refused(admitted.id)))
            return
        }
        queriedTokenCount += sequence.tokens.count
        cachedTokenCount += sequence.computedCount
        sequence.unreportedCachedCount = min(sequence.computedCount, sequence.promptCount)
        let place = sequences.firstIndex { $0.priority < sequence.priority } ?? sequences.endIndex
        sequences.insert(sequence, at: place)
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
