/// What a run is asked for; all else is drawn from its seed.
package struct SimulationOptions: Equatable, Sendable {
    package var seed: UInt64
    /// nil: drawn, from 1 to 6.
    package var workerCount: Int?
    /// nil: drawn, from 1 to 3, which share the workers.
    package var routerCount: Int?
    /// nil: drawn, from 20 to 80.
    package var requestCount: Int?
    /// nil: each kind with its own chance.
    package var faults: Set<FaultKind>?
    /// Events between two counts of the scheduler's and the workers' books. 1 finds the very event that broke them.
    package var checkInterval = 16
    /// How long after the faults everything must have ended. nil: as long as what is then open takes.
    package var calmSeconds: Double?
    /// How many of the last events a failed run tells of.
    package var traceLength = 0

    package init(seed: UInt64) { self.seed = seed }
}

/// What can go wrong.
package enum FaultKind: String, CaseIterable, Sendable {
    /// kill -9 of a worker.
    case crash
    /// The same for all but one at once.
    case crashAllButOne = "crash_all_but_one"
    /// The whole process stops and goes on later (SIGSTOP).
    case freeze
    /// The engine's step hangs; the link answers pings.
    case hang
    /// Every step takes ten times as long.
    case slow
    /// Nothing passes between a worker and a router, or all of them, for a while.
    case partition
    /// The connection breaks; both processes live.
    case linkLoss = "link_loss"
    /// Messages take long for a while.
    case delay
    /// SIGTERM: the worker hands over what it has and leaves; another one comes.
    case drain
    /// All workers drain, one after the other.
    case rollingRestart = "rolling_restart"
    /// A router dies with all its streams; clients ask again, at another one if there is one.
    case routerRestart = "router_restart"
    /// A request that kills whatever runs it.
    case poison
    /// Every CPU is wanted several times over: steps take longer everywhere, and signs of life come late.
    case busy

    /// Those that a seed draws from one stream; the others came later, and have one of their own.
    static let firstKinds = allCases.filter { $0 != .busy }
}

/// What a run did, and the first thing that was wrong.
package struct SimulationReport: Equatable, Sendable {
    package struct Violation: Equatable, Sendable {
        package var event: Int
        package var seconds: Double
        package var sentence: String
    }

    package var seed: UInt64
    package var workerCount = 0
    package var routerCount = 1
    package var eventCount = 0
    package var virtualSeconds = 0.0
    package var submitted = 0
    package var completed = 0
    package var cancelled = 0
    package var refused = 0
    package var failed: [String: Int] = [:]
    package var tokenCount = 0
    package var moves: [String: Int] = [:]
    package var faults: [String: Int] = [:]
    /// The longest that others were admitted before one that had come first.
    package var passedSecondsMax = 0.0
    /// The longest that an engine hung before a router that had sequences there noticed.
    package var noticeSecondsMax = 0.0
    /// The longest that a worker had nothing to do while something waited that it could run.
    package var idleSecondsMax = 0.0
    package var hash = EventHash()
    package var violation: Violation?
    /// The last events before a violation, when asked for.
    package var trace: [String] = []

    init(seed: UInt64) { self.seed = seed }
}
