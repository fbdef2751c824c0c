import Inference
import Telemetry

/// Why a tenant's requests are refused though nothing is wrong with them. The API knows the limits of keys, this room the
/// queue's.
enum TenantRefusal: String, CaseIterable {
    case queueFull = "queue_full"
    case queueSlow = "queue_slow"

    init?(_ error: ServeError) {
        guard let refusal = Self(rawValue: FailureKind(error).rawValue) else { return nil }
        self = refusal
    }
}

/// Series of one tenant, or of all that have no names of their own. Copies of requests are nobody's.
final class TenantSeries {
    private let requests: Counter
    private let promptTokens: Counter
    let outputTokens: Counter
    private let queueTime: Histogram
    private let refusals: [TenantRefusal: Counter]

    init(_ registry: MetricRegistry, label: String) {
        requests = registry.counter(.tenantRequests, labels: [label])
        promptTokens = registry.counter(.tenantTokens, labels: [label, "prompt"])
        outputTokens = registry.counter(.tenantTokens, labels: [label, "output"])
        queueTime = registry.histogram(.tenantQueueTime, labels: [label])
        refusals = Dictionary(
            uniqueKeysWithValues: TenantRefusal.allCases.map {
                ($0, registry.counter(.tenantRefusals, labels: [label, $0.rawValue]))
            })
    }

    func accepted() { requests.add() }

    func admitted(promptTokens count: Int, afterSeconds seconds: Double) {
        promptTokens.add(count)
        queueTime.observe(seconds)
    }

    func refused(_ error: ServeError) { TenantRefusal(error).flatMap { refusals[$0] }?.add() }
}
