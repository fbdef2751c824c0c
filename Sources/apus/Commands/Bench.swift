import ArgumentParser
import Configuration
import HTTP
import Inference
import Kernels
import Models

/// `apus bench`: a load generator for any OpenAI-compatible server, a timer of the runtime alone, of the steps around
/// it, or of the machine.
struct Bench: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract:
            "Measure a running server, with --engine a model in this process, with --limits the machine, or with --steps "
            + "a worker's steps without a model; prints one line of JSON.",
        subcommands: [BenchWorker.self, BenchLink.self])

    @Option(help: ArgumentHelp("The server.", valueName: "url")) var url = "http://127.0.0.1:8000"
    @Option(help: ArgumentHelp("Name of the model to ask for.", valueName: "name")) var model = "smollm2-135m"
    @Option(help: ArgumentHelp("Streams that run at once.", valueName: "n")) var concurrency = 8
    @Option(help: ArgumentHelp("Requests in all.", valueName: "n")) var requests = 32
    @Option(help: ArgumentHelp("Start no request after so long; 0 is no limit.", valueName: "seconds")) var seconds =
        0.0
    @Option(help: ArgumentHelp("Length of each prompt.", valueName: "n")) var promptTokens = 128
    @Option(help: ArgumentHelp("Length of each answer.", valueName: "n")) var outputTokens = 64
    @Option(help: ArgumentHelp("0 always takes the likeliest token.", valueName: "0...2")) var temperature = 0.0
    @Option(help: ArgumentHelp("Chooses the prompts.", valueName: "n")) var seed: UInt64 = 1
    @Option(help: ArgumentHelp("Measure this model in this process instead.", valueName: "file")) var engine: String?
    @Flag(help: "Measure what this machine reads and multiplies at most.") var limits = false
    @Flag(help: "Measure what a worker does in a step besides computing.") var steps = false
    @Option(help: ArgumentHelp("With --engine, --limits and --steps: threads that compute.", valueName: "n"))
    var threads: Int?
    @Option(WorkerKeys.quantize, with: "--engine") var quantize: String?
    @Option(WorkerKeys.kvType, with: "--engine") var kvType: String?
    @Option(
        help: ArgumentHelp(
            "With --engine: what it costs to hold answers to this JSON schema, beside others.", valueName: "schema"))
    var jsonSchema: String?
    @Option(
        help: ArgumentHelp(
            "With --json-schema: no model, but its vocabulary made so long: the cost of masks alone.", valueName: "n"))
    var vocabulary: Int?

    func validate() throws {
        guard [limits, steps, engine != nil].filter({ $0 }).count <= 1 else {
            throw ValidationError("--limits, --steps and --engine exclude each other.")
        }
        guard jsonSchema == nil || engine != nil else { throw ValidationError("--json-schema needs --engine.") }
        guard vocabulary == nil || jsonSchema != nil else { throw ValidationError("--vocabulary needs --json-schema.") }
        for (name, value, range) in [
            ("concurrency", concurrency, 1...10_000), ("requests", requests, 1...10_000_000),
            ("prompt-tokens", promptTokens, 1...1_000_000), ("output-tokens", outputTokens, 1...1_000_000),
            ("threads", threads ?? 1, 1...256), ("vocabulary", vocabulary ?? 300, 300...1_000_000),
        ] where !range.contains(value) {
            throw ValidationError("--\(name) must be from \(range.lowerBound) to \(range.upperBound).")
        }
    }

    func run() throws {
        let command = self
        try Program.run {
            { _ in
                if command.limits {
                    print(try LimitsBench(threads: command.threads).run())
                    return
                }
                if command.steps {
                    print(
                        try StepBench(
                            sequences: command.concurrency, promptTokens: command.promptTokens,
                            temperature: Float(command.temperature), threads: command.threads ?? 1
                        ).run())
                    return
                }
                if let engine = command.engine, let schema = command.jsonSchema {
                    print(
                        try ConstraintBench(
                            path: engine,
                            options: TransformerOptions(
                                threadCount: command.threads, kvMemory: .pages(command.concurrency * 32),
                                kvType: KVType.named(byFlag: command.kvType), stepTokenMax: 512,
                                quantization: WeightQuantization.named(byFlag: command.quantize)),
                            constraint: OutputConstraint(.jsonSchema, schema), streams: command.concurrency,
                            steps: command.outputTokens, vocabulary: command.vocabulary
                        ).run())
                    return
                }
                if let engine = command.engine {
                    print(
                        try EngineBench(
                            path: engine, threads: command.threads,
                            quantization: WeightQuantization.named(byFlag: command.quantize),
                            kvType: KVType.named(byFlag: command.kvType),
                            streams: command.concurrency,
                            promptTokens: command.promptTokens, outputTokens: command.outputTokens
                        ).run())
                    return
                }
                let summary = try await LoadGenerator.run(
                    .init(
                        url: URLParts(command.url), model: command.model, concurrency: command.concurrency,
                        requests: command.requests, promptTokens: command.promptTokens,
                        outputTokens: command.outputTokens, temperature: command.temperature, seed: command.seed,
                        seconds: command.seconds))
                print(summary.line)
                if let first = summary.errors.first {
                    throw Sentence(
                        description:
                            "\(summary.errors.count) of \(summary.requests.count) requests failed; the first: \(first)")
                }
            }
        }
    }
}
