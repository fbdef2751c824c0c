import DequeModule
import Inference
import Scheduling
import Serving

/// What an autoscaler is told about one model: how many workers it wants, and how well its requests are served.
struct ModelScaling {
    /// Seconds that attainment looks back.
    static let attainmentSeconds = 300.0
    /// Seconds between samples of the load.
    private static let sampleSeconds = 1.0

    private(set) var signals = ScalingSignals()
    private var demand = WorkerDemand()
    private var lastSample: Instant?
    /// Ended requests of whole seconds, and how many of them met the objective.
    private var ended: Deque<(second: Int64, met: Int, count: Int)> = []

    /// A request got its whole answer.
    mutating func completed(met: Bool, at now: Instant) {
        let second = now.nanoseconds / 1_000_000_000
        if ended.last?.second != second { ended.append((second, 0, 0)) }
        ended[ended.count - 1].count += 1
        if met { ended[ended.count - 1].met += 1 }
    }

    /// - Parameter tokenCount: tokens of prompts and outputs since the start.
    mutating func update(_ load: ModelLoad, tokenCount: Int, now: Instant) {
        let oldest = now.advanced(bySeconds: -Self.attainmentSeconds).nanoseconds / 1_000_000_000
        while let first = ended.first, first.second < oldest { ended.removeFirst() }
        if lastSample.map({ now.seconds(since: $0) >= Self.sampleSeconds }) ?? true {
            lastSample = now
            demand.observe(load, tokenCount: tokenCount, now: now)
        }
        let count = ended.reduce(0) { $0 + $1.count }
        signals = ScalingSignals(
            isActive: load.runningCount + load.waitingCount > 0, desiredWorkers: demand.desired,
            queueSeconds: demand.queueSeconds, queueTokens: load.waitingTokens, cacheUsage: load.cacheUsage,
            attainment: count > 0 ? Double(ended.reduce(0) { $0 + $1.met }) / Double(count) : 1)
    }
}
