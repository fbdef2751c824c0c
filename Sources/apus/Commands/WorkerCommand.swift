import ArgumentParser
import Configuration
import Engine
import Foundation
import HTTP
import Kernels
import Logging
import Models
import NIOCore
import NIOPosix
import Sandbox
import Telemetry
import Text
import Worker

/// `apus worker`: one process that computes one model.
struct WorkerCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "worker", abstract: "Run a worker: it computes one model for the routers that dial it.")

    @Argument(
        help: ArgumentHelp(
            "The model: a GGUF file, or a folder as Hugging Face lays it out.", valueName: "model"))
    var model: String?
    @Option(WorkerKeys.name) var name: String?
    @Option(WorkerKeys.host) var host: String?
    @Option(WorkerKeys.port) var port: String?
    @Option(WorkerKeys.metricsPort) var metricsPort: String?
    @Option(WorkerKeys.sandbox) var sandbox: String?
    @OptionGroup(title: "TLS of metrics and health") var adminTLS: AdminTLSFlags
    @OptionGroup(title: "Computing") var computing: ComputingFlags
    @OptionGroup(title: "TLS to routers") var linkTLS: LinkTLSFlags
    @Option(TraceKeys.endpoint) var traceEndpoint: String?
    @OptionGroup var common: CommonFlags
    @Option(name: .customLong("announce-fd"), help: .hidden) var announceDescriptor: Int32?
    @Flag(name: .customLong("dies-with-parent"), help: .hidden) var diesWithParent = false

    func run() throws {
        if diesWithParent, !ProcessTies.dieWithParent(announceDescriptor: announceDescriptor) { return }
        try Program.run(alone: {
            let settings = try Settings.ofProcess(configFlag: common.config, known: WorkerKeys.names)
            let worker = try WorkerSettings(settings, self)
            return (settings, worker, try Sandbox.enter(worker.sandboxRules, worker.sandbox))
        }) { settings, worker, force in
            let logger = try Program.logger(settings, common, label: "worker")
            logger.info("sandbox", metadata: Self.metadata(force))
            let template = try worker.compute.chatTemplate.map { try ChatTemplateFile.read($0) }
            let transformer = worker.compute.transformer(name: worker.options.servedName)
            return { (signals: StopSignals) async throws in
                let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
                let eventLoop = group.next()
                let registry = MetricRegistry(engine: "worker")
                let export = try worker.tracing.map {
                    try TraceExport($0, service: "apus-worker", eventLoop: eventLoop)
                }
                let service = try await signals.whileLoading {
                    try await WorkerService.start(
                        worker.options, eventLoop: eventLoop, registry: registry, logger: logger,
                        makeTracer: { export?.tracer(metrics: registry, logger: logger) }
                    ) {
                        let file = try ModelFile(path: worker.model)
                        let isIntact = file.watch()
                        var tokenizer = try file.tokenizer()
                        tokenizer.chatTemplate = template ?? tokenizer.chatTemplate
                        let limits = MachineLimits.current()
                        let (runtime, use) = try file.load(transformer, limits)
                        logger.info("model is loaded", metadata: Self.metadata(use, limits))
                        return LoadedModel(runtime: runtime, tokenizer: tokenizer, isIntact: isIntact)
                    }
                }
                logger.info(
                    "worker is ready",
                    metadata: ["port": "\(service.port)", "metrics_port": "\(service.metricsPort)"])
                await Program.stop(signals, gently: { await service.drain() }, atOnce: { await service.stop() }) {
                    await service.waitUntilStopped()
                }
                await export?.close()
                try? await group.shutdownGracefully()
                if service.modelWasLost { throw ExitCode(1) }
            }
        } failed: { sentence in
            // All that fails with a sentence does so before the worker is ready.
            if let announceDescriptor { ProcessTies.announceFailure(sentence, to: announceDescriptor) }
        }
    }

    /// What the worker has given up.
    private static func metadata(_ force: SandboxForce) -> Logger.Metadata {
        var metadata: Logger.Metadata = [
            "landlock": "\(force.landlockVersion.map { "version \($0)" } ?? "no")",
            "seccomp": "\(force.filtersCalls ? "yes" : "no")",
        ]
        if !force.missing.isEmpty {
            metadata["why"] = "\(force.missing.map(\.description).joined(separator: "; "))"
        }
        return metadata
    }

    /// What the worker took of what it found.
    private static func metadata(_ plan: MemoryUse, _ limits: MachineLimits) -> Logger.Metadata {
        func mebibytes(_ count: Int) -> Logger.MetadataValue { "\(count >> 20)" }
        var metadata: Logger.Metadata = [
            "instruction_set": "\(KernelISA.selected)", "threads": "\(plan.threadCount)", "cpus": "\(limits.cpuCount)",
            "weights_mib": mebibytes(plan.weightByteCount), "kv_cache_mib": mebibytes(plan.kvByteCount),
            "kv_type": "\(plan.kvType?.rawValue ?? "none")", "activations_mib": mebibytes(plan.activationByteCount),
        ]
        if let available = limits.availableMemory { metadata["available_mib"] = mebibytes(available) }
        if case .controlGroup(let limit) = limits.memorySource { metadata["cgroup_limit_mib"] = mebibytes(limit) }
        return metadata
    }
}
