import Inference

/// How requests come to workers.
package enum BalancingPolicy: String, CaseIterable, Sendable {
    /// The real scheduler: requests wait in the router.
    case apus
    /// To each worker in turn, whose own queue they wait in.
    case roundRobin = "round robin"
    /// To the worker with the fewest requests underway.
    case leastLoaded = "least loaded"
    /// To the worker that was sent most of the prompt before, unless loads differ too much.
    case cacheAware = "cache aware"
}

/// One cell of the comparison: a policy, a cluster, a trace.
package struct PolicyOptions: Equatable, Sendable {
    package var policy: BalancingPolicy
    package var seed: UInt64 = 1
    package var workerCount: Int
    /// Mean over the trace, for each worker.
    package var requestsPerSecond: Double
    /// Of the trace that are measured, after the warm-up.
    package var seconds: Double
    /// Before measuring, so that caches hold something.
    package var warmUpSeconds = 60.0
    /// What the heaviest tenant asks for beside all that in the measured time, for each worker.
    package var floodPerSecond = 0.0
    /// So many workers become ten times slower when measuring begins.
    package var slowWorkers = 0

    /// A request within both limits is good: until its first token, and from token to token on its own average.
    package static let firstTokenSecondsMax = 1.0
    package static let interTokenSecondsMax = 0.06
    /// Between router and worker, one way: a rack's network.
    static let delaySeconds = 2e-4
    static let contextLength = 4096

    package init(policy: BalancingPolicy, workerCount: Int, requestsPerSecond: Double, seconds: Double) {
        self.policy = policy
        self.workerCount = workerCount
        self.requestsPerSecond = requestsPerSecond
        self.seconds = seconds
    }

    var worker: WorkerDescription {
        WorkerDescription(
            model: "m", numericsID: "a", epoch: 1, slotCount: 32, pageCount: 768, pageTokenCount: 32,
            contextLength: Self.contextLength, vocabularySize: SimulatedModel.vocabularySize, stepTokenBudget: 256,
            signSeconds: SimulatedMachine.signSeconds)
    }
}

/// What a policy made of a trace.
package struct PolicyResult: Equatable, Sendable {
    package var requestCount = 0
    /// Requests that got all their tokens.
    package var answeredCount = 0
    /// Requests that were good, of those that came in the measured time.
    package var goodCount = 0
    package var firstTokenP50 = 0.0
    package var firstTokenP99 = 0.0
    package var interTokenP99 = 0.0
    /// Over tenants, of the part of each one's requests that was good: 1 is equal, 1/n is one tenant alone.
    package var fairness = 0.0
    /// The same of the tokens that each tenant was served while requests came, by what it would have been by max-min fair
    /// shares of all that was served.
    package var servedFairness = 0.0
    /// Of all tenants but the heaviest.
    package var lightFirstTokenP99 = 0.0
    package var lightGoodPart = 0.0
    /// Part of all prompt tokens that workers had cached.
    package var hitRate = 0.0
    package var preemptionCount = 0
    /// Workers that made slow steps; of them, those that were set aside for it; and the longest that one computed slow
    /// steps before that, or without it.
    package var slowCount = 0
    package var slowNoticedCount = 0
    package var slowSecondsMax = 0.0
    /// The most workers that were set aside at once.
    package var setAsideMax = 0
    /// Sequences that were given to a worker while it was set aside.
    package var wrongAdmissions = 0
    package var hash = EventHash()

    package var goodPart: Double { requestCount == 0 ? 0 : Double(goodCount) / Double(requestCount) }
}
