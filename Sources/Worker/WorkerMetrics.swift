import Engine
import Inference
import Synchronization
import Telemetry

/// Counts what the engine does. Called on the engine's thread, after each step boundary.
final class WorkerMetrics: Sendable {
    private let running: Gauge
    private let cacheUsage: Gauge
    private let promptTokens: Counter
    private let generationTokens: Counter
    private let prefixQueries: Counter
    private let prefixHits: Counter
    private let preemptions: Counter
    private let drafts: Counter
    private let draftTokens: Counter
    private let acceptedDraftTokens: Counter
    private let iterationTokens: Histogram
    private let stepDuration: Histogram
    private let steps: Counter
    private let pagesUsed: Gauge
    private let pagesFree: Gauge
    private let slotsUsed: Gauge
    private let slotsFree: Gauge
    let routers: Gauge
    private let last = Mutex<EngineStatistics?>(nil)

    init(_ registry: MetricRegistry, model: String, pageTokenCount: Int, pageCount: Int, slotCount: Int) {
        running = registry.gauge(.requestsRunning, labels: [model])
        cacheUsage = registry.gauge(.kvCacheUsage, labels: [model])
        promptTokens = registry.counter(.promptTokens, labels: [model])
        generationTokens = registry.counter(.generationTokens, labels: [model])
        prefixQueries = registry.counter(.prefixCacheQueries, labels: [model])
        prefixHits = registry.counter(.prefixCacheHits, labels: [model])
        preemptions = registry.counter(.preemptions, labels: [model])
        drafts = registry.counter(.drafts, labels: [model])
        draftTokens = registry.counter(.draftTokens, labels: [model])
        acceptedDraftTokens = registry.counter(.acceptedDraftTokens, labels: [model])
        iterationTokens = registry.histogram(.iterationTokens, labels: [model])
        stepDuration = registry.histogram(.stepDuration, labels: [model])
        steps = registry.counter(.steps, labels: [model])
        pagesUsed = registry.gauge(.kvPages, labels: [model, "used"])
        pagesFree = registry.gauge(.kvPages, labels: [model, "free"])
        slotsUsed = registry.gauge(.batchSlots, labels: [model, "used"])
        slotsFree = registry.gauge(.batchSlots, labels: [model, "free"])
        routers = registry.gauge(.connectedRouters)
        registry.gauge(.cacheConfiguration, labels: [model, String(pageTokenCount), String(pageCount)]).set(1)
        pagesFree.set(Double(pageCount))
        slotsFree.set(Double(slotCount))
    }

    /// - Parameter reports: of one step, one per router.
    func stepReported(_ reports: [StepReport]) {
        guard let first = reports.first else { return }
        stepDuration.observe(Double(first.durationMicroseconds) / 1e6)
        let tokens = reports.reduce(0) { sum, report in report.entries.reduce(sum) { $0 + $1.tokens.count } }
        if tokens > 0 { generationTokens.add(tokens) }
    }

    func updated(_ now: EngineStatistics) {
        let before = last.withLock { last in
            defer { last = now }
            return last
        }
        running.set(Double(now.runningCount))
        cacheUsage.set(now.pageCount > 0 ? Double(now.usedPageCount) / Double(now.pageCount) : 0)
        pagesUsed.set(Double(now.usedPageCount))
        pagesFree.set(Double(now.pageCount - now.usedPageCount))
        slotsUsed.set(Double(now.runningCount))
        slotsFree.set(Double(max(0, now.slotCount - now.runningCount)))
        preemptions.add(now.preemptionCount - (before?.preemptionCount ?? 0))
        drafts.add(now.draftCount - (before?.draftCount ?? 0))
        draftTokens.add(now.draftTokenCount - (before?.draftTokenCount ?? 0))
        acceptedDraftTokens.add(now.acceptedDraftTokenCount - (before?.acceptedDraftTokenCount ?? 0))
        prefixQueries.add(now.cacheQueriedTokenCount - (before?.cacheQueriedTokenCount ?? 0))
        let hits = now.cacheHitTokenCount - (before?.cacheHitTokenCount ?? 0)
        prefixHits.add(hits)
        // vLLM counts prompt tokens whether they are computed or found.
        promptTokens.add(hits)
        guard now.stepCount > before?.stepCount ?? 0 else { return }
        steps.add(Int(clamping: now.stepCount - (before?.stepCount ?? 0)))
        promptTokens.add(now.prefillTokenCount)
        iterationTokens.observe(Double(now.stepTokenCount))
    }
}
