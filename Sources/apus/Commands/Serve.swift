import ArgumentParser
import Configuration
import Foundation
import Logging
import Models
import Router

/// `apus serve`: a router and its workers on this machine.
struct Serve: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Serve models on this machine: a router and worker processes.")

    @Argument(
        help: ArgumentHelp(
            "The model: a GGUF file, or a folder as Hugging Face lays it out.", valueName: "model"))
    var model: String?
    @Option(WorkerKeys.name) var name: String?
    @Option(ServeKeys.models) var models: String?
    @Option(ServeKeys.workers) var workers: String?
    @Option(WorkerKeys.sandbox) var sandbox: String?
    @OptionGroup(title: "Listening") var listening: ListeningFlags
    @OptionGroup(title: "Computing, for each worker") var computing: ComputingFlags
    @OptionGroup(title: "Serving") var serving: ServingFlags
    @OptionGroup(title: "Traces") var traces: TraceFlags
    @OptionGroup var common: CommonFlags

    func run() throws {
        try Program.run {
            let settings = try Settings.ofProcess(configFlag: common.config, known: ServeKeys.names)
            let front = try FrontSettings(settings, listening, serving, traces, common)
            let files = try ServedModelFiles.read(settings, self)
            let logger = try Program.logger(settings, common, label: "serve")
            let logFormat = try settings.value(CommonKeys.logFormat, flag: common.logFormat)
            let sandbox = try settings.value(WorkerKeys.sandbox, flag: sandbox)
            let shares = try MachineShares(files)
            let models = files.map { file in
                LocalModel(name: file.name, workerCount: file.workers) {
                    try file.checkDigest()
                    return file.arguments(
                        try shares.settings(of: file), sandbox: sandbox, drainSeconds: front.drainSeconds,
                        logLevel: logger.logLevel.rawValue, logFormat: logFormat, traceEndpoint: front.tracing?.endpoint
                    )
                }
            }
            // A file that no worker could load should end the start here, not in a loop of restarts.
            let started = try zip(files, models).filter { $0.0.loadsAtStart }.map { _, model in
                (name: model.name, arguments: try model.prepare())
            }
            let workerCount = files.reduce(0) { $0 + ($1.loadsAtStart ? $1.workers : 0) }
            return { (signals: StopSignals) async throws in
                let router = try await RouterProcess(front, linkTLS: nil, logger: logger, models: models)
                try await router.startWorkers(started)
                if try await router.waitForWorkers(of: started.map(\.name), signals: signals) {
                    router.announce(models: started.map(\.name), workers: workerCount)
                }
                try await router.runUntilStopped(signals)
            }
        }
    }
}

/// The name a model is served under.
enum ModelName {
    static func of(_ given: String?, path: String) throws -> String {
        let fallback = String((path.split(separator: "/").last ?? "model").prefix { $0 != " " })
        let name = given ?? (fallback.hasSuffix(".gguf") ? String(fallback.dropLast(5)) : fallback)
        let isValid =
            name.utf8.count <= 96 && name.first != "." && name.first != "-"
            && name.utf8.allSatisfy { byte in
                (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte)
                    || [0x2D, 0x2E, 0x5F, 0x2F, 0x3A].contains(byte)
            }
        guard isValid, !name.isEmpty else {
            throw ConfigurationError.badValue(
                place: "--name", value: name,
                expected: "up to 96 letters, digits and - . _ / : with neither - nor . at its beginning"
            )
        }
        return name
    }
}
