import ArgumentParser
import Configuration
import Foundation
import Logging
import Router

/// `apus router`: the front door of workers on other machines.
struct RouterCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "router", abstract: "Run a router in front of workers that run elsewhere.")

    @OptionGroup(title: "Listening") var listening: ListeningFlags
    @OptionGroup(title: "Finding workers") var finding: FindingFlags
    @OptionGroup(title: "Serving") var serving: ServingFlags
    @OptionGroup(title: "Traces") var traces: TraceFlags
    @OptionGroup(title: "TLS to workers") var linkTLS: LinkTLSFlags
    @OptionGroup var common: CommonFlags

    func run() throws {
        try Program.run {
            let settings = try Settings.ofProcess(configFlag: common.config, known: RouterKeys.names)
            let front = try FrontSettings(settings, listening, serving, traces, common)
            let tls = try LinkTLS.options(settings, linkTLS)
            let places = try WorkerPlaces(settings, finding)
            let expected = try ExpectedModels.read(settings, finding)
            let logger = try Program.logger(settings, common, label: "router")
            return { (signals: StopSignals) async throws in
                let router = try await RouterProcess(front, linkTLS: tls, logger: logger, models: nil)
                try await router.expect(expected)
                try await router.follow(places)
                router.announce()
                try await router.runUntilStopped(signals)
            }
        }
    }
}
