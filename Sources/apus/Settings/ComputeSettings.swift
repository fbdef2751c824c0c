import Configuration
import Kernels
import Models

/// How a worker computes, as its settings say.
struct ComputeSettings: Sendable {
    var threads: Int?
    var slots: Int
    var kvMemory: Int?
    var kvType: KVType
    var stepTokenBudget: Int
    var stepTimeTarget: Double
    /// Percent.
    var prefillShare: Int
    /// Seconds.
    var hangTimeout: Double
    var contextLength: Int?
    var prefixCache: Bool
    var speculation: Bool
    var quantization: WeightQuantization?
    /// Path of the file with the chat template; nil for the model's own.
    var chatTemplate: String?

    init(_ settings: Settings, _ flags: ComputingFlags) throws {
        threads = try settings.optional(WorkerKeys.threads, flag: flags.threads)
        slots = try settings.value(WorkerKeys.slots, flag: flags.slots)
        kvMemory = try settings.optional(WorkerKeys.kvMemory, flag: flags.kvMemory)
        kvType = try KVType.read(settings, flag: flags.kvType)
        stepTokenBudget = try settings.value(WorkerKeys.stepTokenBudget, flag: flags.stepTokenBudget)
        stepTimeTarget = try settings.value(WorkerKeys.stepTimeTarget, flag: flags.stepTimeTarget)
        prefillShare = try settings.value(WorkerKeys.prefillShare, flag: flags.prefillShare)
        hangTimeout = try settings.value(WorkerKeys.hangTimeout, flag: flags.hangTimeout)
        contextLength = try settings.optional(WorkerKeys.contextLength, flag: flags.contextLength)
        prefixCache = try settings.value(WorkerKeys.prefixCache, flag: flags.prefixCache)
        speculation = try settings.value(WorkerKeys.speculation, flag: flags.speculation)
        quantization = WeightQuantization(rawValue: try settings.value(WorkerKeys.quantize, flag: flags.quantize))
        chatTemplate = try settings.optional(WorkerKeys.chatTemplate, flag: flags.chatTemplate)
    }

    /// The step holds every slot's decode token and still makes progress on prompts.
    private var stepTokenMax: Int { max(stepTokenBudget, slots + 1) }

    func transformer(name: String?) -> TransformerOptions {
        TransformerOptions(
            name: name, threadCount: threads, kvMemory: kvMemory.map { .bytes($0) } ?? .sequences(slots, share: 0.8),
            kvType: kvType, stepTokenMax: stepTokenMax, contextLength: contextLength, quantization: quantization)
    }

    /// As flags of `apus worker`.
    var flags: [String] {
        var flags = ["--slots", "\(slots)", "--kv-type", kvType.rawValue, "--step-token-budget", "\(stepTokenBudget)"]
        flags += ["--prefix-cache", "\(prefixCache)", "--speculation", "\(speculation)"]
        flags += ["--step-time-target", "\(stepTimeTarget)", "--prefill-share", "\(prefillShare)"]
        flags += ["--hang-timeout", "\(hangTimeout)"]
        flags += ["--quantize", quantization?.rawValue ?? "none"]
        if let threads { flags += ["--threads", "\(threads)"] }
        if let kvMemory { flags += ["--kv-memory", "\(kvMemory)"] }
        if let contextLength { flags += ["--context-length", "\(contextLength)"] }
        if let chatTemplate { flags += ["--chat-template", chatTemplate] }
        return flags
    }
}

extension Settings {
    /// Of a command that reads neither environment nor file.
    fileprivate static func flagsAlone() throws -> Settings {
        try Settings(environment: [:], yaml: nil, filePath: nil, known: [])
    }
}

extension KVType {
    /// The key allows no other names than these types have.
    fileprivate static func read(_ settings: Settings, flag: String?) throws -> KVType {
        KVType(rawValue: try settings.value(WorkerKeys.kvType, flag: flag)) ?? .f16
    }

    /// What `--kv-type` says to a command that reads no other settings.
    static func named(byFlag flag: String?) throws -> KVType {
        try read(.flagsAlone(), flag: flag)
    }
}

extension WeightQuantization {
    /// What `--quantize` says to a command that reads no other settings; nil for none.
    static func named(byFlag flag: String?) throws -> WeightQuantization? {
        WeightQuantization(rawValue: try Settings.flagsAlone().value(WorkerKeys.quantize, flag: flag))
    }
}
