import Grammar
package import Inference
import Models

/// A sequence among those of all routers.
package struct SequenceKey: Hashable, Sendable {
    package var router: Int
    package var id: SequenceID

    package init(router: Int, id: SequenceID) {
        self.router = router
        self.id = id
    }
}

/// A sequence that holds a slot: its tokens so far, and how many of them have K and V in its pages.
package struct RunningSequence: Sendable {
    package let key: SequenceKey
    package let sampling: SamplingParameters
    /// How it is read as a whole; nil generates.
    package let pooling: Pooling?
    package let priority: Int
    package let promptTokenCount: Int
    let resumes: Bool
    /// Prompt and journal: what there was to compute when it came.
    package let admittedTokenCount: Int
    /// Prompt, journal and what was produced here.
    package internal(set) var tokens: [TokenID]
    /// Leading tokens whose K and V are in the pages.
    package internal(set) var computedCount = 0
    package internal(set) var pages: PageTable
    /// Prompt tokens found in the prefix cache; taken by the first entry reported.
    package internal(set) var unreportedCachedCount: Int?
    package internal(set) var counts: TokenCounts
    var draftPace = DraftPace()
    /// nil until it is first asked for, and without a constraint.
    var constraintPlace: ConstraintPlace?

    init(_ admitted: AdmittedSequence, router: Int) {
        key = SequenceKey(router: router, id: admitted.id)
        sampling = admitted.sampling
        pooling = admitted.pooling
        priority = admitted.priority
        promptTokenCount = admitted.promptTokenCount
        resumes = admitted.isResumed
        admittedTokenCount = admitted.tokens.count
        tokens = admitted.tokens
        pages = PageTable(salt: admitted.salt)
        counts = TokenCounts(
            admitted.tokens, promptTokenCount: admitted.promptTokenCount, isNeeded: admitted.sampling.hasPenalties)
    }

    package var outputCount: Int { tokens.count - promptTokenCount }
    /// Tokens to compute before the next one can be chosen: 1 in decode, more in prefill.
    package var pendingCount: Int { tokens.count - computedCount }
    package var waitingPrefillCount: Int { max(0, admittedTokenCount - computedCount) }
    /// - Parameter resumes: whether a worker had it before.
    func isPrefill(thatResumes resumes: Bool) -> Bool {
        pendingCount > 1 && resumes == self.resumes
    }
    /// False where only the prompt's own log-probabilities are wanted.
    package var wantsToken: Bool { sampling.maxTokens > 0 }

    /// Tokens it can come to have here at most.
    func tokenMax(contextLength: Int) -> Int {
        guard pooling == nil else { return tokens.count }
        let (wanted, isHuge) = promptTokenCount.addingReportingOverflow(max(0, sampling.maxTokens))
        return max(tokens.count, isHuge ? contextLength : min(wanted, contextLength))
    }

    /// Takes the memory for so many tokens, so that no step has to. Untouched memory costs nothing.
    mutating func reserve(tokenCount: Int, pageCount: Int) {
        tokens.reserveCapacity(tokenCount)
        if pooling == nil { pages.pages.reserveCapacity(pageCount) }
    }

    /// How the sequence ends with the tokens it has, by what was asked for; nil while it goes on.
    package var finish: SequenceFinish? {
        if outputCount > 0, let last = tokens.last, sampling.stopTokens.contains(last) { return .stop }
        return (wantsToken ? outputCount >= sampling.maxTokens : pendingCount == 0) ? .length : nil
    }

    /// Whether it has no place for another token that it wants. Another worker may have one.
    func isFull(contextLength: Int) -> Bool { wantsToken && tokens.count >= contextLength }

    /// Tokens that may be guessed behind the last one: all would be wanted, and the pages have room for them.
    func draftRoom(_ model: ModelDescription, _ pool: KVPagePool) -> Int {
        let end = min(model.contextLength, pages.pages.count * pool.pageTokenCount)
        return max(0, min(end - tokens.count, sampling.maxTokens - outputCount - 1))
    }

    /// The logits that a step gives of some of its tokens.
    func logits(of range: Range<Int>) -> StepSlice.Logits {
        if sampling.promptLogprobs != nil && range.lowerBound < promptTokenCount - 1 { return .all }
        return range.upperBound == tokens.count && wantsToken ? .last : .none
    }

    /// A token was chosen.
    package mutating func append(_ token: TokenID) {
        tokens.append(token)
        counts.add(token)
    }
}

extension SamplingParameters {
    var hasPenalties: Bool { repetitionPenalty != 1 || presencePenalty != 0 || frequencyPenalty != 0 }
}
