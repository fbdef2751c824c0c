import Engine
import Grammar
import Inference
import Models
import Text
import Weights

/// Times whole steps of an engine in this process, with sequences that are held to a constraint and with others that are
/// not: the difference is what masks cost.
struct ConstraintBench {
    var path: String
    var options: TransformerOptions
    var constraint: OutputConstraint
    /// Sequences that decode together.
    var streams: Int
    /// Steps of each kind in a round.
    var steps: Int
    /// Tokens of a vocabulary that is made longer, over a runtime that computes nothing; nil: the model as it is.
    var vocabulary: Int?

    private static let promptTokenCount = 16

    /// - Returns: one line of JSON: means over the steps of the first round, in which masks are found, and of the rest.
    func run() throws -> String {
        var spec = try TokenizerSpec(metadata: try GGUFFile(path: path).metadata)
        let runtime: any ModelRuntime
        if let vocabulary {
            spec = spec.lengthened(to: vocabulary)
            runtime = InstantRuntime(name: "instant", tokenizer: spec, pageCount: streams * 64)
        } else {
            runtime = try Transformer(path: path, options: options)
        }
        var loop = StepLoop(
            runtime: runtime, options: EngineOptions(slotCount: streams, speculationEnabled: false),
            vocabulary: TokenVocabulary(Tokenizer.textBytes(of: spec)))
        loop.register(router: 0)
        var run = Run(loop: loop, vocabularySize: runtime.description.vocabularySize, streams: streams)
        var times: [(plain: Double, held: Double)] = []
        for _ in 0..<4 {
            times.append((plain: run.mean(of: steps, nil), held: run.mean(of: steps, constraint)))
        }
        let plain = times.dropFirst().map(\.plain).sorted()[1]
        let held = times.dropFirst().map(\.held).sorted()[1]
        return """
            {"model":"\(runtime.description.name)","vocabulary":\(runtime.description.vocabularySize),\
            "streams":\(streams),"steps":\(steps),"plain_step_ms":\(Self.milliseconds(plain)),\
            "held_step_ms":\(Self.milliseconds(held)),"held_step_ms_first_round":\(Self.milliseconds(times[0].held)),\
            "mask_share":\(Self.share(plain, held)),"mask_share_first_round":\(Self.share(plain, times[0].held))}
            """
    }

    private static func milliseconds(_ seconds: Double) -> Double { (seconds * 1e6).rounded() / 1e3 }
    private static func share(_ plain: Double, _ held: Double) -> Double {
        ((held - plain) / held * 1e4).rounded() / 1e4
    }

    private struct Run: ~Copyable {
        var loop: StepLoop
        let vocabularySize: Int
        let streams: Int
        var lastID: UInt64 = 0

        /// Seconds of a step in which all streams decode. A sequence that ends is followed by another, whose prompt's
        /// step does not count.
        mutating func mean(of count: Int, _ constraint: OutputConstraint?) -> Double {
            let now = MonotonicClock.now()
            var open: Set<SequenceID> = []
            var (counted, sum) = (0, 0.0)
            for _ in 0..<count * 50 where counted < count {
                while open.count < streams {
                    let sequence = sequence(constraint)
                    open.insert(sequence.id)
                    loop.apply(.admit(sequence), from: 0, now: now)
                }
                var events: [RoutedEvent] = []
                let seconds = EngineBench.seconds { events = loop.step(clock: MonotonicClock.now) }
                for case (_, .step(let report)) in events {
                    if report.tokenCount == streams, report.entries.count == streams {
                        counted += 1
                        sum += seconds
                    }
                    for entry in report.entries where entry.finish != nil { open.remove(entry.sequence) }
                }
            }
            for id in open { loop.apply(.cancel(id), from: 0, now: now) }
            _ = loop.step(clock: MonotonicClock.now)
            return sum / Double(max(1, counted))
        }

        private mutating func sequence(_ constraint: OutputConstraint?) -> AdmittedSequence {
            lastID += 1
            var sampling = SamplingParameters()
            sampling.maxTokens = 256
            sampling.seed = lastID
            sampling.constraint = constraint
            let first = 1000 + Int(truncatingIfNeeded: lastID) * 31
            let prompt = (0..<ConstraintBench.promptTokenCount).map { place -> TokenID in
                let number: Int = first + place * 7919
                return TokenID(number % max(1, vocabularySize))
            }
            return AdmittedSequence(
                id: SequenceID(lastID), tokens: prompt, promptTokenCount: prompt.count, sampling: sampling)
        }
    }
}

extension TokenizerSpec {
    /// The same with further tokens, each two of the old ones in a row: a vocabulary as long as those of larger models.
    func lengthened(to count: Int) -> TokenizerSpec {
        let old = tokens.indices.filter { tokenKinds[$0] == .normal && tokens[$0].utf8.count < 12 }
        guard !old.isEmpty, count > tokens.count else { return self }
        var long = self
        for number in 0..<count - tokens.count {
            let (a, b) = (old[number * 7919 % old.count], old[number * 104_729 / 3 % old.count])
            long.tokens.append(tokens[a] + tokens[b])
            long.tokenKinds.append(.normal)
            if !scores.isEmpty { long.scores.append(0) }
        }
        return long
    }
}
