package import HTTP

/// What the operator decides about a worker's service; how it computes is in the engine's and the model's options.
package struct WorkerOptions: Sendable {
    package var host = "127.0.0.1"
    /// Port of the link and of gRPC health; 0 lets the system choose.
    package var port = 8101
    /// Port of metrics and health over HTTP; 0 lets the system choose.
    package var metricsPort = 8102
    /// Name under which the model is served; nil takes the model's own.
    package var servedName: String?
    package var slotCount = 32
    package var stepTokenBudget = 256
    package var stepSecondsTarget = 0.08
    package var prefillShare = 0.45
    package var prefixCacheEnabled = true
    package var speculationEnabled = true
    /// Distinguishes this process from the one before it: nanoseconds since 1970 at its start will do.
    package var epoch: UInt64 = 0
    /// After SIGTERM, sequences may run on this long before they are given back.
    package var drainSeconds = 30.0
    /// An engine that owes a step for so long is hung; see ``HealthRules``.
    package var stallSeconds = 30.0
    /// Turns TLS on for the link, with certificates asked of both sides.
    package var linkTLS: TLSOptions?
    /// Turns TLS on for metrics and health.
    package var metricsTLS: TLSOptions?
    /// Where to write "PORT METRICSPORT\n" once the worker is ready, and then close.
    package var announceDescriptor: Int32?

    package init() {}

    /// Routers linked at once. Each has a share of slots, so that more would have none.
    package static let routersMax = 64
    /// A router says hello at once; who has not after this long is none.
    package static let helloSeconds: Int64 = 10
}
