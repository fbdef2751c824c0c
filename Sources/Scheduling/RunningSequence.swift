import Inference

/// A choice in a worker. What a worker says of a sequence counts only while this exists.
///
/// Its tokens are kept here while it runs, so that a report's entry touches this and nothing else; the choice's own
/// record gets them when somebody wants to know: see ``ClusterScheduler/settle(_:)``.
struct RunningSequence: Sendable {
    // What every entry of a report reads or writes, in two cache lines.
    let worker: WorkerID
    /// Steps that it was in here and that were reported.
    private(set) var stepCount: UInt32 = 0
    let choice: ChoiceID
    /// Prompt and output.
    private(set) var tokenCount: Int
    /// Tokens from which on `growth` is no longer right.
    private(set) var reviewTokenCount: Int
    /// Output tokens that the choice's record does not have yet.
    private var news = FreshTokens()

    let model: ModelID
    /// Who is charged for it; nil: nobody.
    let tenant: TenantID?
    let command: UInt64
    let admittedTokenCount: Int
    /// What its tenant was not charged for in full.
    let cachedTokenCount: Int
    /// What its tenant has been charged for.
    private var chargedTokenCount: Int
    /// Tokens, prompt and output, that pages are reserved for.
    private(set) var targetTokens: Int
    /// Pages reserved beyond those of its tokens so far.
    private(set) var growth: Int
    var isAskedBack = false

    init(
        choice: ChoiceID, worker: WorkerID, model: ModelID, tenant: TenantID?, command: UInt64, tokenCount: Int,
        cachedTokenCount: Int, targetTokens: Int, growth: Int, reviewTokenCount: Int
    ) {
        self.worker = worker
        self.choice = choice
        self.tokenCount = tokenCount
        self.reviewTokenCount = reviewTokenCount
        self.model = model
        self.tenant = tenant
        self.command = command
        admittedTokenCount = tokenCount
        self.cachedTokenCount = cachedTokenCount
        chargedTokenCount = tokenCount
        self.targetTokens = targetTokens
        self.growth = growth
    }

    /// Whether it has made no token here: it may be what the worker dies of.
    var isUnproven: Bool { tokenCount == admittedTokenCount }

    /// What its reservation is made of, without the tokens.
    var reservation:
        (
            choice: ChoiceID, worker: WorkerID, model: ModelID, tokenCount: Int, targetTokens: Int, growth: Int
        )
    { (choice, worker, model, tokenCount, targetTokens, growth) }

    mutating func reserves(_ growth: Int, until target: Int, reviewAt count: Int) {
        self.growth = growth
        targetTokens = target
        reviewTokenCount = count
    }

    /// - Returns: output tokens that its tenant has not been charged for, and is now; nil when there are none.
    mutating func takeUncharged() -> (tokens: Int, tenant: TenantID, model: ModelID)? {
        guard let tenant, tokenCount > chargedTokenCount else { return nil }
        let count = tokenCount - chargedTokenCount
        chargedTokenCount = tokenCount
        return (count, tenant, model)
    }

    /// - Returns: output tokens that the choice's record does not have yet, and now gets.
    mutating func takeNews() -> [TokenID] { news.take() }

    /// Takes in what `host` reports.
    /// - Returns: whose tokens they are, and whether the reservation must be looked at again; nil where this runs on
    ///   another worker.
    mutating func advance(by tokens: [TokenID], on host: WorkerID) -> (choice: ChoiceID, needsReview: Bool)? {
        guard worker == host else { return nil }
        stepCount &+= 1
        for token in tokens { news.append(token) }
        tokenCount += tokens.count
        return (choice, tokenCount >= reviewTokenCount)
    }
}
