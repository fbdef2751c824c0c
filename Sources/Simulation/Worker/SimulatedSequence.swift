import Inference

/// A sequence that holds a slot of a simulated worker.
struct SimulatedSequence: Sendable {
    /// Whose it is; names are those of one router only.
    let router: Int
    let id: SequenceID
    let sampling: SamplingParameters
    let priority: Int
    let promptCount: Int
    /// Prompt and journal: what there was to compute when it came.
    let admittedCount: Int
    private let resumes: Bool
    var tokens: [TokenID]
    /// Leading tokens whose K and V are in its pages.
    var computedCount = 0
    var pages: SimulatedPages
    /// Prompt tokens found in the cache; taken by the first entry.
    var unreportedCachedCount: Int?

    init(_ admitted: AdmittedSequence, router: Int) {
        self.router = router
        id = admitted.id
        sampling = admitted.sampling
        priority = admitted.priority
        promptCount = admitted.promptTokenCount
        admittedCount = admitted.tokens.count
        resumes = admitted.isResumed
        tokens = admitted.tokens
        pages = SimulatedPages(salt: admitted.salt)
    }

    var outputCount: Int { tokens.count - promptCount }
    /// 1 in decode, more in prefill.
    var pendingCount: Int { tokens.count - computedCount }
    var waitingPrefillCount: Int { max(0, admittedCount - computedCount) }
    func isPrefill(thatResumes resumes: Bool) -> Bool { pendingCount > 1 && resumes == self.resumes }
    /// The number of the poison that it is, if it is one.
    var poison: Int? { tokens.count > 1 && tokens[0] == SimulatedModel.poisonToken ? Int(tokens[1]) : nil }

    func finish(contextLength: Int) -> SequenceFinish? {
        if outputCount > 0, let last = tokens.last, sampling.stopTokens.contains(last) { return .stop }
        return outputCount >= sampling.maxTokens || tokens.count >= contextLength ? .length : nil
    }

    /// The tokens of one step at the sequence's end: one, and what guessing ahead adds to it.
    mutating func produce(draftRate: Double, contextLength: Int) -> [TokenID] {
        var made: [TokenID] = []
        let count = 1 + SimulatedModel.acceptedDrafts(sampling, at: tokens.count, rate: draftRate)
        while made.count < count, finish(contextLength: contextLength) == nil || made.isEmpty {
            let token = SimulatedModel.token(
                sampling, at: tokens.count, after: tokens.last ?? 0, outputCount: outputCount)
            tokens.append(token)
            made.append(token)
        }
        return made
    }
}
