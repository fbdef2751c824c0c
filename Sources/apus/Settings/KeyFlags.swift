import ArgumentParser
import Configuration

extension Option where Value == String? {
    /// The flag of a settings key: name, help and default come from the key.
    /// - Parameter condition: another flag, without which this one has no effect.
    init<Setting>(_ key: Key<Setting>, with condition: String? = nil) {
        let help = key.defaultText.map { "\(key.help) (default: \($0))" } ?? key.help
        let whole = condition.map { "With \($0): \(help)" } ?? help
        self.init(name: .customLong(key.name), help: ArgumentHelp(stringLiteral: whole).named(key.valueName))
    }
}

extension ArgumentHelp {
    fileprivate func named(_ valueName: String) -> ArgumentHelp {
        var help = self
        help.valueName = valueName
        return help
    }
}

/// Settings that every server has.
struct CommonFlags: ParsableArguments {
    @Option(
        name: .customLong("config"),
        help: ArgumentHelp("YAML file with settings; APUS_CONFIG names it too.", valueName: "FILE"))
    var config: String?
    @Option(CommonKeys.logLevel) var logLevel: String?
    @Option(CommonKeys.logFormat) var logFormat: String?
    @Option(CommonKeys.drainTimeout) var drainTimeout: String?
}

struct LinkTLSFlags: ParsableArguments {
    @Option(LinkTLSKeys.certificate) var certificate: String?
    @Option(LinkTLSKeys.key) var key: String?
    @Option(LinkTLSKeys.authority) var authority: String?
    @Option(LinkTLSKeys.peer) var peer: String?
}

/// What is traced, and where traces go.
struct TraceFlags: ParsableArguments {
    @Option(TraceKeys.sample) var traceSample: String?
    @Option(TraceKeys.endpoint) var traceEndpoint: String?
}

/// Where a router listens.
struct ListeningFlags: ParsableArguments {
    @Option(RouterKeys.host) var host: String?
    @Option(RouterKeys.httpPort) var httpPort: String?
    @Option(RouterKeys.grpcPort) var grpcPort: String?
    @Option(RouterKeys.adminPort) var adminPort: String?
    @Option(RouterKeys.connectionShare) var connectionShare: String?
    @OptionGroup var adminTLS: AdminTLSFlags
}

/// TLS on the port of metrics and health.
struct AdminTLSFlags: ParsableArguments {
    @Option(AdminTLSKeys.certificate) var certificate: String?
    @Option(AdminTLSKeys.key) var key: String?
    @Option(AdminTLSKeys.authority) var authority: String?
}

/// Where a router looks for workers.
struct FindingFlags: ParsableArguments {
    @Option(RouterKeys.workerAddress) var workerAddress: String?
    @Option(RouterKeys.workerService) var workerService: String?
    @Option(RouterKeys.serviceAccount) var serviceAccount: String?
    @Option(RouterKeys.expectedModel) var expectedModel: String?
}

/// What a router accepts.
struct ServingFlags: ParsableArguments {
    @Option(RouterKeys.modelAlias) var modelAlias: String?
    @Option(RouterKeys.modelShadow) var modelShadow: String?
    @Option(RouterKeys.queueLimit) var queueLimit: String?
    @Option(RouterKeys.queueWait) var queueWait: String?
    @Option(RouterKeys.queueTokenLimit) var queueTokenLimit: String?
    @Option(RouterKeys.queueByteLimit) var queueByteLimit: String?
    @Option(RouterKeys.accessKeys) var accessKeys: String?
    @Option(RouterKeys.tenantHeader) var tenantHeader: String?
    @Option(RouterKeys.allowedOrigins) var allowedOrigins: String?
    @Option(RouterKeys.publicMetrics) var publicMetrics: String?
    @Option(RouterKeys.queueTimeout) var queueTimeout: String?
    @Option(RouterKeys.requestTimeout) var requestTimeout: String?
    @Option(RouterKeys.firstTokenObjective) var firstTokenObjective: String?
    @Option(RouterKeys.tokenObjective) var tokenObjective: String?
    @Option(RouterKeys.maxBodyBytes) var maxBodyBytes: String?
    @Option(RouterKeys.resumeKeyFile) var resumeKeyFile: String?
    @Option(RouterKeys.resumeWindow) var resumeWindow: String?
    @Option(RouterKeys.tlsCertificate) var tlsCertificate: String?
    @Option(RouterKeys.tlsKey) var tlsKey: String?
}

/// How a worker computes.
struct ComputingFlags: ParsableArguments {
    @Option(WorkerKeys.threads) var threads: String?
    @Option(WorkerKeys.slots) var slots: String?
    @Option(WorkerKeys.kvMemory) var kvMemory: String?
    @Option(WorkerKeys.stepTokenBudget) var stepTokenBudget: String?
    @Option(WorkerKeys.contextLength) var contextLength: String?
    @Option(WorkerKeys.stepTimeTarget) var stepTimeTarget: String?
    @Option(WorkerKeys.prefillShare) var prefillShare: String?
    @Option(WorkerKeys.hangTimeout) var hangTimeout: String?
    @Option(WorkerKeys.kvType) var kvType: String?
    @Option(WorkerKeys.prefixCache) var prefixCache: String?
    @Option(WorkerKeys.speculation) var speculation: String?
    @Option(WorkerKeys.quantize) var quantize: String?
    @Option(WorkerKeys.chatTemplate) var chatTemplate: String?

    /// As if these had been the flags.
    /// - Parameter values: by key.
    func changed(by values: [String: String]) -> ComputingFlags {
        var flags = self
        for (key, path) in Self.byKey { if let value = values[key] { flags[keyPath: path] = value } }
        return flags
    }

    private static var byKey: [(String, WritableKeyPath<ComputingFlags, String?>)] {
        [
            (WorkerKeys.threads.name, \.threads), (WorkerKeys.slots.name, \.slots),
            (WorkerKeys.kvMemory.name, \.kvMemory), (WorkerKeys.stepTokenBudget.name, \.stepTokenBudget),
            (WorkerKeys.contextLength.name, \.contextLength), (WorkerKeys.stepTimeTarget.name, \.stepTimeTarget),
            (WorkerKeys.prefillShare.name, \.prefillShare), (WorkerKeys.hangTimeout.name, \.hangTimeout),
            (WorkerKeys.kvType.name, \.kvType), (WorkerKeys.prefixCache.name, \.prefixCache),
            (WorkerKeys.speculation.name, \.speculation), (WorkerKeys.quantize.name, \.quantize),
            (WorkerKeys.chatTemplate.name, \.chatTemplate),
        ]
    }
}
