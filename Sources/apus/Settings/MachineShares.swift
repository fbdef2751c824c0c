import Configuration
import Models

/// This machine's CPUs and memory, divided among all workers of all models that may be loaded: each has room for its
/// weights and its steps, and what is left is divided equally for their KV caches. So whatever is loaded, in whatever order,
/// fits beside the rest.
struct MachineShares: Sendable {
    private let limits: MachineLimits
    private let workerCount: Int
    /// By name: bytes of one worker besides its KV cache.
    private let fixed: [String: Int]
    /// Bytes for the KV cache of each worker; nil when nothing tells what there is.
    private let left: Int?

    /// Looks at the models' files without loading them.
    /// - Throws: for a file that is to be loaded at the start and cannot be.
    init(_ models: [ServedModelFile], limits: MachineLimits = .current()) throws {
        self.limits = limits
        let count = models.reduce(0) { $0 + $1.workers }
        workerCount = max(1, count)
        var fixed: [String: Int] = [:]
        for model in models {
            do {
                fixed[model.name] = try Self.use(model, threads: Self.threads(limits, workerCount), nil).fixedByteCount
            } catch  where !model.loadsAtStart {
                // The file may come later. Then it has to do with an equal share of what is left now.
                continue
            }
        }
        self.fixed = fixed
        let needed = models.reduce(0) { $0 + (fixed[$1.name] ?? 0) * $1.workers }
        left = limits.availableMemory.map { ($0 - needed) / max(1, count) }
    }

    /// The settings of each worker of a model: threads that nobody chose, and memory for its KV cache.
    /// - Throws: the sentence a worker would end with.
    func settings(of model: ServedModelFile) throws -> ComputeSettings {
        var settings = model.computing
        settings.threads = settings.threads ?? Self.threads(limits, workerCount)
        var part = limits.shared(among: workerCount)
        if let left { part.availableMemory = max(0, left + (fixed[model.name] ?? 0)) }
        let use = try Self.use(model, threads: settings.threads, part)
        if use.kvByteCount > 0 { settings.kvMemory = use.kvByteCount }
        return settings
    }

    private static func threads(_ limits: MachineLimits, _ workerCount: Int) -> Int {
        max(1, limits.cpuCount / workerCount)
    }

    /// - Parameter limits: nil asks what is needed, whatever there is.
    private static func use(_ model: ServedModelFile, threads: Int?, _ limits: MachineLimits?) throws -> MemoryUse {
        var settings = model.computing
        settings.threads = settings.threads ?? threads
        return try ModelFile(path: model.path).memoryUse(
            settings.transformer(name: nil), limits ?? MachineLimits(cpuCount: 1, availableMemory: nil))
    }
}

extension MemoryUse {
    /// All but the KV cache.
    fileprivate var fixedByteCount: Int { weightByteCount + activationByteCount }
}
