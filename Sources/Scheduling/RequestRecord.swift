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
    let submittedAt: Instant
    var choices: [ChoiceRecord]
    var openCount: Int
    var runningCount = 0
    var waitingCount = 0

    /// Takes in new tokens of a choice.
    /// - Returns: its tokens now; nil where there is no such choice.
    mutating func advance(_ index: Int, by tokens: [TokenID], numericsID: String) -> Int? {
        guard choices.indices.contains(index) else { return nil }
        choices[index].advance(by: tokens, numericsID: numericsID)
        return choices[index].tokenCount
    }

    func tokens(ofPrompt index: Int) -> [TokenID] { spec.prompts.indices.contains(index) ? spec.prompts[index] : [] }
}

/// A choice in a worker. What a worker says of a sequence counts only while this exists.
struct Assignment: Sendable {
    let choice: ChoiceID
    let worker: WorkerID
    let command: UInt64
    let admittedAt: Instant
    let admittedOutputCount: Int
    /// Tokens, prompt and output, that pages are reserved for.
    var targetTokens: Int
    /// Pages reserved beyond those of its tokens so far.
    var growth: Int
    var isAskedBack = false
}
