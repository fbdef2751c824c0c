import Serving

/// What a trigger may scale on. The first two are totals, which KEDA divides by the target to get replicas
/// (`AverageValue`, its default); the others grow and shrink with what one worker has to do and need `metricType: Value`.
enum ScalingSignal: String, CaseIterable {
    case desiredWorkers, queueTokens, queueSeconds, kvCacheUsage, sloMisses

    var metricName: String {
        switch self {
        case .desiredWorkers: "apus-desired-workers"
        case .queueSeconds: "apus-queue-wait-seconds"
        case .queueTokens: "apus-queue-tokens"
        case .kvCacheUsage: "apus-kv-cache-usage"
        case .sloMisses: "apus-slo-misses"
        }
    }

    /// What is right when the trigger does not say.
    var target: Double {
        switch self {
        case .desiredWorkers: 1
        case .queueSeconds: 2
        case .queueTokens: 4096
        case .kvCacheUsage: 0.8
        case .sloMisses: 0.05
        }
    }

    func value(_ signals: ScalingSignals) -> Double {
        switch self {
        case .desiredWorkers: Double(signals.desiredWorkers)
        case .queueSeconds: signals.queueSeconds
        case .queueTokens: Double(signals.queueTokens)
        case .kvCacheUsage: signals.cacheUsage
        case .sloMisses: 1 - signals.attainment
        }
    }
}
