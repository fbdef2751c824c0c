import Glibc
import Inference
import Telemetry

/// What a router counts of one worker while it is linked; its series go with the link.
final class WorkerSeries {
    private let registry: MetricRegistry
    private let labels: [String]
    private let ready: Gauge
    private let requestRate: Gauge
    private let stepTokens: Histogram
    private var admittedCount = 0
    private var rate = 0.0
    private var updatedAt: Instant

    init(_ registry: MetricRegistry, address: WorkerAddress, model: String, now: Instant) {
        self.registry = registry
        labels = [address.description]
        ready = registry.gauge(.workerReady, labels: labels)
        requestRate = registry.gauge(.workerRequestRate, labels: labels)
        stepTokens = registry.histogram(.iterationTokens, labels: [model])
        updatedAt = now
    }

    func admitted() { admittedCount += 1 }
    func stepped(_ report: StepReport) { stepTokens.observe(Double(report.tokenCount)) }

    /// The rate forgets: what was ten seconds ago weighs 1/e.
    func update(isReady: Bool, now: Instant) {
        ready.set(isReady ? 1 : 0)
        let seconds = now.seconds(since: updatedAt)
        guard seconds > 0 else { return }
        let share = 1 - exp(-seconds / 10)
        rate += (Double(admittedCount) / seconds - rate) * share
        requestRate.set(rate)
        admittedCount = 0
        updatedAt = now
    }

    func remove() {
        registry.remove(.workerReady, labels: labels)
        registry.remove(.workerRequestRate, labels: labels)
    }
}
