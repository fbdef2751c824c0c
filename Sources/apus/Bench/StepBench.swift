import Engine
import Inference
import Models
import Text

/// Times what a worker does from step to step besides computing: a ``StepLoop`` around a model that answers at once.
struct StepBench {
    /// In decode together.
    var sequences: Int
    var promptTokens: Int
    var temperature: Float
    /// That choose tokens.
    var threads: Int

    /// So few words that choosing among them costs nothing; and as many as a model has.
    private static let vocabularySizes = [256, 49_152]
    private static let stepCount = 500

    /// - Returns: one line of JSON: microseconds of a step, medians.
    func run() throws -> String {
        let times = try Self.vocabularySizes.map { try "\"\($0)\":\(microseconds(vocabularySize: $0))" }
        return """
            {"sequences":\(sequences),"prompt_tokens":\(promptTokens),"temperature":\(temperature),"threads":\(threads),\
            "step_us_by_vocabulary":{\(times.joined(separator: ","))}}
            """
    }

    private func microseconds(vocabularySize: Int) throws -> Double {
        let tokenizer = TokenizerSpec(
            kind: .bytePairEncoding, preTokenizer: "", tokens: Array(repeating: "word", count: vocabularySize),
            tokenKinds: Array(repeating: .normal, count: vocabularySize))
        let length = promptTokens + Self.stepCount + 2
        let runtime = InstantRuntime(
            name: "instant", tokenizer: tokenizer, pageCount: sequences * (length / 16 + 1), threads: threads)
        var loop = StepLoop(
            runtime: runtime,
            options: EngineOptions(slotCount: sequences, stepTokenBudget: 8192, speculationEnabled: false))
        loop.register(router: 0)
        var sampling = SamplingParameters()
        sampling.temperature = temperature
        sampling.maxTokens = Self.stepCount + 2
        for number in 0..<sequences {
            let prompt = (0..<promptTokens).map { TokenID(($0 + 31 * number) % vocabularySize) }
            let sequence = AdmittedSequence(
                id: SequenceID(UInt64(number)), tokens: prompt, promptTokenCount: prompt.count, sampling: sampling)
            loop.apply(.admit(sequence), from: 0, now: MonotonicClock.now())
        }
        // Until all prompts are read.
        while loop.statistics.waitingPrefillTokenCount > 0 { _ = loop.step(clock: MonotonicClock.now) }
        guard loop.runningCount == sequences else {
            throw Sentence(description: "The context of \(runtime.description.contextLength) tokens is too short.")
        }
        let times = (0..<Self.stepCount / 2).map { _ in
            EngineBench.seconds { _ = loop.step(clock: MonotonicClock.now) }
        }
        return (times.sorted()[times.count / 2] * 1e7).rounded() / 10
    }
}
