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
    /// When a worker that was kept for it took one that goes before it.
    var passedAt: Instant?
    /// What it counts for in the queue's token bound while it waits.
    var queuedTokens = 0

    /// Output tokens when a worker last died under it or was taken for stalled, and how often that happened there.
    var faultPosition = -1
    var deaths = 0
    var stalls = 0
    /// Deaths of workers that it had not come to.
    var forgivenDeaths = 0
    /// Of `deaths`, those that nobody there can have been the cause of before it.
    var unexplainedDeaths = 0
    /// In the moment of one of `deaths` another worker died, that had nothing of its request; or the one that died had
    /// done steps with it before. Each speaks for it; together they allow it one death more.
    var isDoubtful = false
    /// It waits until it is known what else died when its worker did.
    var isAccused = false
    /// It had made no token on a worker that died.
    private(set) var isSuspect = false
    /// When it may run again.
    private(set) var triableFrom: Instant?

    var tokenCount: Int { promptCount + outputCount }

    /// Whether it runs without others that may be what a worker dies of, until it has made a token.
    var isOnTrial: Bool { (isSuspect || isAccused) && faultPosition == outputCount }

    mutating func becomesSuspect(triableFrom instant: Instant) {
        isSuspect = true
        triableFrom = instant
    }

    /// Several workers died at once, and not all of them of this. After one death it goes on with others; after more it
    /// has to be tried, once more often.
    mutating func diedInCompany() {
        isDoubtful = true
        if deaths == 1 { isSuspect = false }
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
        (deaths, stalls, forgivenDeaths, unexplainedDeaths, isDoubtful) = (0, 0, 0, 0, false)
        (isSuspect, triableFrom) = (false, nil)
    }
}

/// One request: what was asked, and where each of its choices is.
struct RequestRecord: Sendable {
    let spec: RequestSpec
    let model: ModelID
    let tenant: TenantID
    /// Held while it waits.
    let heldBytes: Int
    let submittedAt: Instant
    var choices: [ChoiceRecord]
    var openCount: Int
    var runningCount = 0
    var waitingCount = 0

    init(
        spec: RequestSpec, model: ModelID, tenant: TenantID, heldBytes: Int, submittedAt: Instant,
        choices: consuming [ChoiceRecord]
    ) {
        self.spec = spec
        self.model = model
        self.tenant = tenant
        self.heldBytes = heldBytes
        self.submittedAt = submittedAt
        openCount = choices.count
        self.choices = choices
    }

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

    /// The only choice waits for no time.
    mutating func passesThrough(_ index: Int) -> QueueLoad {
        guard choices.indices.contains(index) else { return QueueLoad() }
        choices[index].queuedTokens = choices[index].tokenCount
        return QueueLoad(requests: 1, tokens: choices[index].queuedTokens, bytes: heldBytes)
    }

    func place(of choice: ChoiceRecord) -> LinePlace {
        LinePlace(priority: spec.priority, hasRun: choice.hasRun, ticket: choice.ticket)
    }

    private func waiting(_ index: Int, isOnly: Bool) -> Waiting {
        Waiting(
            tenant: tenant, numericsID: choices[index].numericsID,
            place: place(of: choices[index]),
            load: QueueLoad(
                requests: isOnly ? 1 : 0, tokens: choices[index].queuedTokens, bytes: isOnly ? heldBytes : 0))
    }

    mutating func nowRuns(_ index: Int, as sequence: SequenceID) {
        guard choices.indices.contains(index) else { return }
        choices[index].state = .running(sequence)
        choices[index].hasRun = true
        runningCount += 1
    }

    /// What an admission must know of a choice.
    struct Admission {
        var model: ModelID
        var tenant: TenantID
        var isCopy: Bool
        var promptCount: Int
        var outputCount: Int
        var maxTokens: Int
        var hasRun: Bool
        var isOnTrial: Bool
        var tokenCount: Int { promptCount + outputCount }
    }

    /// nil where there is no such choice.
    func admission(of index: Int) -> Admission? {
        guard choices.indices.contains(index) else { return nil }
        return Admission(
            model: model, tenant: tenant, isCopy: spec.isCopy, promptCount: choices[index].promptCount,
            outputCount: choices[index].outputCount, maxTokens: spec.maxTokens, hasRun: choices[index].hasRun,
            isOnTrial: choices[index].isOnTrial)
    }

    func promptCount(of index: Int) -> Int? {
        choices.indices.contains(index) ? choices[index].promptCount : nil
    }
}

// Prefixes.
extension RequestRecord {
    /// Hashes a choice's prompt by pages, or takes the hashes from another choice of the same prompt.
    mutating func buildChain(of index: Int, pageTokenCount: Int) {
        guard choices.indices.contains(index), !spec.readsWhole,
            isAtPrompt(index), choices[index].chain?.pageTokenCount != pageTokenCount
        else { return }
        let prompt = choices[index].prompt
        for sibling in choices.indices
        where sibling != index && choices[sibling].prompt == prompt && isAtPrompt(sibling)
            && choices[sibling].chain?.pageTokenCount == pageTokenCount
        {
            choices[index].chain = choices[sibling].chain
            return
        }
        let tokens = spec.prompts.indices.contains(prompt) ? spec.prompts[prompt] : []
        choices[index].chain = PrefixChain(tokens, pageTokenCount: pageTokenCount, salt: spec.salt)
    }

    private func isAtPrompt(_ index: Int) -> Bool { choices[index].outputCount == 0 }

    /// Hashes that may be looked up for a choice; none while its whole prompt must be computed.
    func prefixes(of index: Int) -> [UInt64] {
        guard choices.indices.contains(index), let size = choices[index].chain?.pageTokenCount,
            choices[index].outputCount > 0 || spec.usesPrefixCache
        else { return [] }
        // The last token is always computed: its logits are wanted.
        let usable = max(0, choices[index].tokenCount - 1) / size
        guard let hashes = choices[index].chain?.hashes else { return [] }
        return usable >= hashes.count ? hashes : Array(hashes.prefix(usable))
    }
}
