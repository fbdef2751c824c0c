import ArgumentParser
import Configuration
import Foundation
import Kernels
import Models

/// `apus eval`: how well a model foretells a text.
struct Eval: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Measure how well a model foretells a text; prints one line of JSON.",
        discussion: """
            The text is cut into windows of --context tokens. The first half of each is only read; mean_nll is the mean of \
            -ln p over the tokens of the second halves, perplexity is e to that power. Lower is better.
            """)

    @Argument(
        help: ArgumentHelp("The model: a GGUF file, or a folder as Hugging Face lays it out.", valueName: "model"))
    var model: String
    @Argument(help: ArgumentHelp("The text: a UTF-8 file.", valueName: "text")) var text: String
    @Option(help: ArgumentHelp("Tokens of a window.", valueName: "n")) var context = 512
    @Option(help: ArgumentHelp("Read only so many tokens of the text.", valueName: "n")) var tokens: Int?
    @Option(help: ArgumentHelp("Threads that compute; without it, the CPUs this process may use.", valueName: "n"))
    var threads: Int?
    @Option(WorkerKeys.quantize) var quantize: String?
    @Option(WorkerKeys.kvType) var kvType: String?

    func validate() throws {
        for (name, value, range) in [
            ("context", context, 2...1_048_576), ("tokens", tokens ?? 2, 2...Int.max),
            ("threads", threads ?? 1, 1...256),
        ] where !range.contains(value) {
            throw ValidationError("--\(name) must be from \(range.lowerBound) to \(range.upperBound).")
        }
    }

    func run() throws {
        let command = self
        try Program.run {
            let quantization = try WeightQuantization.named(byFlag: command.quantize)
            let kvType = try KVType.named(byFlag: command.kvType)
            let text = try command.readText()
            return { signals in
                let evaluation = try await signals.whileLoading {
                    try TextEvaluation(
                        path: command.model, context: command.context, threads: command.threads,
                        quantization: quantization, kvType: kvType)
                }
                let result = try evaluation.run(text, tokenMax: command.tokens) { signals.wereRaised }
                guard let result else { throw Sentence(description: "The evaluation was stopped.") }
                print(result.line)
            }
        }
    }

    private func readText() throws -> String {
        do {
            return try String(contentsOfFile: text, encoding: .utf8)
        } catch {
            let isThere = FileManager.default.isReadableFile(atPath: text)
            throw Sentence(
                description: isThere ? "\(text): the file is not UTF-8 text." : "\(text): there is no file to be read.")
        }
    }
}
