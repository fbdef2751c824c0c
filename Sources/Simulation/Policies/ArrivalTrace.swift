import Inference

/// Requests as they come to a cluster: in bursts, in conversations, from tenants of unequal size.
///
/// Shaped after published traces, not replayed from them: gaps between arrivals are gamma-distributed (BurstGPT,
/// arXiv:2401.17644), lengths of what users write and of answers are log-normal (Azure's LLM inference traces 2023), and
/// a conversation's later prompts begin with all that was said (Mooncake, arXiv:2407.00079).
/// When a turn comes does not depend on when the one before was answered, so that all policies get the same trace.
struct ArrivalTrace: Sendable {
    struct Turn: Sendable {
        var seconds: Double
        var conversation: Int
        var tenant: Int
        var userTokens: Int
        var outputTokens: Int
        var isLast: Bool
    }

    /// In order of time.
    private(set) var turns: [Turn] = []
    private(set) var tenantCount = 8
    /// Tokens with which all prompts of a tenant begin.
    private var systemTokens: [Int] = []
    private let seed: UInt64
    /// What was said in conversations that go on.
    private var said: [Int: [TokenID]] = [:]

    init(_ options: PolicyOptions) {
        seed = options.seed
        var random = SimulatedRandom(seed: options.seed, stream: 10)
        systemTokens = (0..<tenantCount).map { _ in Int(random.logNormal(median: 250, sigma: 0.7)) }
        let turnsMean = 3.0
        let rate = options.requestsPerSecond * Double(options.workerCount) / turnsMean
        var (time, conversation) = (-options.warmUpSeconds, 0)
        while time < options.seconds {
            // Shape 0.5: the variance of gaps is twice that of a Poisson stream.
            time += random.gamma(shape: 0.5, scale: 2 / rate)
            addConversation(conversation, from: time, turnsMean: turnsMean, options, &random)
            conversation += 1
        }
        addFlood(options, turnsMean: turnsMean, from: conversation)
        turns.sort { ($0.seconds, $0.conversation) < ($1.seconds, $1.conversation) }
    }

    /// More of the heaviest tenant.
    private mutating func addFlood(_ options: PolicyOptions, turnsMean: Double, from first: Int) {
        guard options.floodPerSecond > 0 else { return }
        var random = SimulatedRandom(seed: options.seed, stream: 13)
        let rate = options.floodPerSecond * Double(options.workerCount) / turnsMean
        var (time, conversation) = (0.0, first)
        while time < options.seconds {
            time += random.gamma(shape: 0.5, scale: 2 / rate)
            addConversation(conversation, from: time, turnsMean: turnsMean, of: 0, options, &random)
            conversation += 1
        }
    }

    /// - Parameter owner: nil for one that is drawn.
    private mutating func addConversation(
        _ conversation: Int, from start: Double, turnsMean: Double, of owner: Int? = nil, _ options: PolicyOptions,
        _ random: inout SimulatedRandom
    ) {
        // Tenant k has a share of 1 / (k + 1), as in Zipf's law.
        let weights = (0..<tenantCount).map { 1 / Double($0 + 1) }
        var mark = random.unit() * weights.reduce(0, +)
        let tenant = weights.firstIndex { weight in
            mark -= weight
            return mark < 0
        }
        var count = 1
        while random.happens(1 - 1 / turnsMean), count < 12 { count += 1 }
        var time = start
        for turn in 0..<count {
            let user = min(1500, max(4, Int(random.logNormal(median: 60, sigma: 1))))
            let output = min(400, max(2, Int(random.logNormal(median: 80, sigma: 0.8))))
            if time >= options.seconds { break }
            turns.append(
                Turn(
                    seconds: time, conversation: conversation, tenant: owner ?? tenant ?? 0, userTokens: user,
                    outputTokens: output, isLast: turn == count - 1))
            time += 4 + random.logNormal(median: 10, sigma: 0.8)
        }
    }

    /// The request of a turn. Turns are to be asked for in order.
    mutating func request(_ index: Int) -> (prompt: [TokenID], sampling: SamplingParameters) {
        let turn = turns[index]
        var random = SimulatedRandom(seed: seed &+ UInt64(index), stream: 11)
        let words = SimulatedModel.firstWord...SimulatedModel.vocabularySize - 1
        var tokens = said[turn.conversation] ?? system(of: turn.tenant)
        for _ in 0..<turn.userTokens { tokens.append(TokenID(random.integer(words))) }
        // A context holds so much; an old conversation begins anew.
        if tokens.count > PolicyOptions.contextLength - 500 { tokens = Array(tokens.suffix(turn.userTokens)) }
        let prompt = tokens
        var sampling = SamplingParameters()
        sampling.seed = random.next()
        sampling.maxTokens = 512
        sampling.minTokens = turn.outputTokens - 1
        sampling.stopTokens = [SimulatedModel.endToken]
        said[turn.conversation] = nil
        if !turn.isLast {
            for count in 0..<turn.outputTokens - 1 {
                tokens.append(
                    SimulatedModel.token(sampling, at: tokens.count, after: tokens.last ?? 0, outputCount: count))
            }
            said[turn.conversation] = tokens
        }
        return (prompt, sampling)
    }

    private func system(of tenant: Int) -> [TokenID] {
        var random = SimulatedRandom(seed: seed &+ UInt64(tenant), stream: 12)
        let words = SimulatedModel.firstWord...SimulatedModel.vocabularySize - 1
        return (0..<systemTokens[tenant]).map { _ in TokenID(random.integer(words)) }
    }
}
