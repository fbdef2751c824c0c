import ArgumentParser
import Configuration
import Models
import NIOCore
import NIOPosix
import Telemetry
import Text
import Worker

/// `apus bench worker`: a worker that answers at once, so that what is measured in front of it is the router.
struct BenchWorker: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "worker",
        abstract: "Run a worker without a model: it answers at once, or at a chosen pace, with words that mean nothing."
    )

    @Argument(
        help: ArgumentHelp("Where tokenizer and chat template come from: a GGUF file or a folder.", valueName: "model"))
    var model: String
    @Option(WorkerKeys.name) var name: String?
    @Option(WorkerKeys.port) var port: String?
    @Option(WorkerKeys.metricsPort) var metricsPort: String?
    @Option(help: ArgumentHelp("Sequences that run at once.", valueName: "n")) var slots = 512
    // Not --vocabulary, which `apus bench` itself takes.
    @Option(help: ArgumentHelp("Tokens of the vocabulary that are kept.", valueName: "n")) var vocabularySize = 4096
    @Option(help: ArgumentHelp("Milliseconds that each step takes.", valueName: "ms")) var stepTime = 0
    @OptionGroup(title: "TLS to routers") var linkTLS: LinkTLSFlags
    @OptionGroup var common: CommonFlags

    func validate() throws {
        for (name, value, range) in [
            ("slots", slots, 1...8192), ("vocabulary-size", vocabularySize, 300...1_000_000),
            ("step-time", stepTime, 0...10_000),
        ]
        where !range.contains(value) {
            throw ValidationError("--\(name) must be from \(range.lowerBound) to \(range.upperBound).")
        }
    }

    func run() throws {
        try Program.run {
            let settings = try Settings.ofProcess(configFlag: common.config, known: WorkerKeys.names)
            var options = WorkerOptions()
            let name = try ModelName.of(settings.optional(WorkerKeys.name, flag: name), path: model)
            options.servedName = name
            options.port = try settings.value(WorkerKeys.port, flag: port)
            options.metricsPort = try settings.value(WorkerKeys.metricsPort, flag: metricsPort)
            options.slotCount = slots
            options.stepTokenBudget = 8192
            options.speculationEnabled = false
            options.epoch = Program.epoch()
            options.linkTLS = try LinkTLS.options(settings, linkTLS)
            let logger = try Program.logger(settings, common, label: "worker")
            let (command, started) = (self, options)
            return { (signals: StopSignals) async throws in
                let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
                let worker = try await WorkerService.start(
                    started, eventLoop: group.next(), registry: MetricRegistry(engine: "worker"), logger: logger
                ) {
                    let tokenizer = try ModelFile(path: command.model).tokenizer()
                        .first(command.vocabularySize)
                    // Pages for all slots with 2,048 tokens each.
                    let runtime = InstantRuntime(
                        name: name, tokenizer: tokenizer, pageCount: command.slots * 128,
                        stepMilliseconds: command.stepTime)
                    return LoadedModel(runtime: runtime, tokenizer: tokenizer)
                }
                await Program.stop(signals, gently: { await worker.drain() }, atOnce: { await worker.stop() }) {
                    await worker.waitUntilStopped()
                }
                try? await group.shutdownGracefully()
            }
        }
    }
}
