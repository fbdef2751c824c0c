/// What autoscalers may go by, of one model.
package struct ScalingSignals: Equatable, Sendable {
    /// A request of the model runs or waits.
    package var isActive: Bool
    /// Workers that its requests want; 0 when there have been none for a while.
    package var desiredWorkers: Int
    /// How long what waits will wait, in seconds.
    package var queueSeconds: Double
    /// Prompt and expected output tokens that wait.
    package var queueTokens: Int
    /// Share of KV pages in use, 0 to 1.
    package var cacheUsage: Double
    /// Share of answers of the last five minutes that met the service level objective, 0 to 1; 1 when there were none.
    package var attainment: Double

    package init(
        isActive: Bool = false, desiredWorkers: Int = 0, queueSeconds: Double = 0, queueTokens: Int = 0,
        cacheUsage: Double = 0, attainment: Double = 1
    ) {
        self.isActive = isActive
        self.desiredWorkers = desiredWorkers
        self.queueSeconds = queueSeconds
        self.queueTokens = queueTokens
        self.cacheUsage = cacheUsage
        self.attainment = attainment
    }
}
