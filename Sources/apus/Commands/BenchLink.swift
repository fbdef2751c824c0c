import ArgumentParser
import Configuration
import Router

/// `apus bench link`: what a worker takes to answer when no router stands in front of it.
struct BenchLink: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "link",
        abstract: "Ask a worker directly, as a router does, for one token at a time; prints one line of JSON.")

    @Option(help: ArgumentHelp("The worker's link.", valueName: "host:port")) var workerAddress = "127.0.0.1:8101"
    // Not the names of the options above it: those would take them.
    @Option(help: ArgumentHelp("Requests in all, one after the other.", valueName: "n")) var turns = 5000
    @Option(help: ArgumentHelp("Tokens of each prompt.", valueName: "n")) var promptLength = 40
    @OptionGroup(title: "TLS to the worker") var linkTLS: LinkTLSFlags

    func validate() throws {
        for (name, value, range) in [
            ("turns", turns, 1...10_000_000), ("prompt-length", promptLength, 1...1_000_000),
        ] where !range.contains(value) {
            throw ValidationError("--\(name) must be from \(range.lowerBound) to \(range.upperBound).")
        }
    }

    func run() throws {
        try Program.run {
            let settings = try Settings.ofProcess(configFlag: nil, known: EveryKey.names)
            guard let worker = try? AddressList.parse(workerAddress) else {
                throw Sentence(
                    description: "--worker-address must be HOST:PORT with a port of 1 to 65535, not '\(workerAddress)'."
                )
            }
            let plan = LinkBench.Plan(
                worker: worker, turns: turns, promptLength: promptLength,
                tls: try LinkTLS.options(settings, linkTLS))
            return { _ in print(try await LinkBench.run(plan)) }
        }
    }
}
