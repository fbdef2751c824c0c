import Inference

/// One stream of tokens as the scheduler follows it.
struct ChoiceRecord: Sendable {
    enum State: Equatable, Sendable {
        /// In a line of its model. Can become: running, ended.
        case waiting
        /// In a worker. Can become: waiting (moved), ended.
        case running(SequenceID)
        /// Final.
        case ended
    }

    var state = State.waiting
    let prompt: Int
    /// Order of arrival, kept for life.
    let ticket: UInt64
    var promptCount: Int
    /// While it runs: as of the last time its sequence was settled.
    var outputCount = 0
    var hasRun = false
    /// The numerics id that made its tokens, or that alone may; nil while it may be any.
    var numericsID: String?
    /// Built for the first worker considered.
    var chain: PrefixChain?
    var waitingSince: Instant
    /// What it counts for in the queue's token bound while it waits.
    var queuedTokens = 0

    /// Output tokens when a worker last died under it or was taken for stalled, and how often that happened there.
    var faultPosition = -1
    var deaths = 0
    var stalls = 0
    var isForgiven = false

    var tokenCount: Int { promptCount + outputCount }

    /// Whether so many workers died under it that it is tried without others like it.
    func isOnTrial(_ limits: SchedulingLimits) -> Bool {
        deaths >= limits.deathsMax && faultPosition == outputCount
    }

    /// Takes new tokens in; the first bind the choice to the numerics id that made them.
    mutating func advance(by tokens: [TokenID], numericsID made: String) {
        if numericsID == nil { numericsID = made }
        outputCount += tokens.count
        for token in tokens { chain?.append(token) }
    }

    /// Counts a fault anew when tokens have come since the last one: then this choice was not to blame for it.
    mutating func noteFault() {
        guard faultPosition != outputCount else { return }
        faultPosition = outputCount
        (deaths, stalls, isForgiven) = (0, 0, false)
    }
}

/// One request: what was asked, and where each of its choices is.
struct RequestRecord: Sendable {
    let spec: RequestSpec
    let tenant: TenantID
    /// Held while it waits.
    let heldBytes: Int
    let submittedAt: Instant
    var choices: [ChoiceRecord]
    var openCount: Int
    var runningCount = 0
    var waitingCount = 0

    /// What a line must know of a choice that comes or goes.
    struct Waiting {
        var tenant: TenantID
        var numericsID: String?
        var place: LinePlace
        /// What it weighs in the queue, with its request where no other choice of it waits.
        var load: QueueLoad
    }

    /// nil where there is no such choice.
    mutating func nowWaits(_ index: Int, since now: Instant) -> Waiting? {
        guard choices.indices.contains(index) else { return nil }
        choices[index].waitingSince = now
        choices[index].queuedTokens = choices[index].tokenCount
        waitingCount += 1
        return waiting(index, isOnly: waitingCount == 1)
    }

    /// nil where there is no such choice.
    mutating func waitsNoLonger(_ index: Int) -> Waiting? {
        guard choices.indices.contains(index) else { return nil }
        waitingCount -= 1
        return waiting(index, isOnly: waitingCount == 0)
    }

    private func waiting(_ index: Int, isOnly: Bool) -> Waiting {
        Waiting(
            tenant: tenant, numericsID: choices[index].numericsID,
            place: LinePlace(
                priority: spec.priority, hasRun: choices[index].hasRun, ticket: choices[index].ticket),
            load: QueueLoad(
                requests: isOnly ? 1 : 0, tokens: choices[index].queuedTokens, bytes: isOnly ? heldBytes : 0))
    }

    mutating func nowRuns(_ index: Int, as sequence: SequenceID) {
        guard choices.indices.contains(index) else { return }
        choices[index].state = .running(sequence)
        choices[index].hasRun = true
        runningCount += 1
    }

    func tokens(ofPrompt index: Int) -> [TokenID] { spec.prompts.indices.contains(index) ? spec.prompts[index] : [] }
}

/// A choice in a worker. What a worker says of a sequence counts only while this exists.
///
/// Its tokens are kept here while it runs, so that a report's entry touches this and nothing else; the choice's own
/// record gets them when somebody wants to know: see ``ClusterScheduler/settle(_:)``.
struct RunningSequence: Sendable {
    let choice: ChoiceID
    let worker: WorkerID
    let tenant: TenantID
    let command: UInt64
    let admittedAt: Instant
    let admittedTokenCount: Int
    /// What its tenant was not charged for in full.
    let cachedTokenCount: Int
    /// Prompt and output.
    var tokenCount: Int
    /// Output tokens that the choice's record does not have yet.
    var news: [TokenID] = []
    /// What its tenant has been charged for.
    var chargedTokenCount: Int
    /// Tokens from which on `growth` is no longer right.
    var reviewTokenCount: Int
    /// Tokens, prompt and output, that pages are reserved for.
    var targetTokens: Int
    /// Pages reserved beyond those of its tokens so far.
    var growth: Int
    var isAskedBack = false

    /// Whether it has made no token here: it may be what the worker dies of.
    var isUnproven: Bool { tokenCount == admittedTokenCount }

    /// Takes in what `host` reports.
    /// - Returns: whose tokens they are, and whether the reservation must be looked at again; nil where this runs on
    ///   another worker.
    mutating func advance(by tokens: [TokenID], on host: WorkerID) -> (choice: ChoiceID, needsReview: Bool)? {
        guard worker == host else { return nil }
        for token in tokens { news.append(token) }
        tokenCount += tokens.count
        return (choice, tokenCount >= reviewTokenCount)
    }
}
