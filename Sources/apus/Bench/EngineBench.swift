import Inference
import Kernels
import Models

/// Times the runtime alone, in this process: no server, no sampling but the likeliest token, which the threads of a step
/// find as they do in a worker.
struct EngineBench {
    var path: String
    var threads: Int?
    var quantization: WeightQuantization?
    var kvType = KVType.f16
    /// Sequences that decode together, each with a prompt of its own.
    var streams: Int
    var promptTokens: Int
    var outputTokens: Int

    /// One round's seconds.
    private struct Times {
        var prefill: Double
        var decode: Double
    }

    /// - Returns: one line of JSON: medians over rounds, after one that warms caches and pages.
    func run() throws -> String {
        let stepTokenMax = 512
        let pagesEach = (promptTokens + outputTokens + 31) / 32 + 1
        let model = try Transformer(
            path: path,
            options: TransformerOptions(
                threadCount: threads, kvMemory: .pages(pagesEach * streams), kvType: kvType,
                stepTokenMax: max(stepTokenMax, streams), quantization: quantization))
        var times: [Times] = []
        var digest = Digest()
        let reader = LikeliestTokens(sliceCount: streams)
        for round in 0..<4 {
            var sequences = (0..<streams).map { stream in
                StepSlice(
                    tokens: prompt(stream, vocabularySize: model.description.vocabularySize), startPosition: 0,
                    pages: (0..<pagesEach).map { Int32(stream * pagesEach + $0) }, logits: .last)
            }
            let prefill = Self.seconds { prefillAll(&sequences, model, stepTokenMax: stepTokenMax, reader) }
            let decode = Self.seconds {
                for _ in 0..<outputTokens { advance(&sequences, model, reader) }
            }
            for sequence in sequences { digest.add(UInt64(sequence.tokens[0])) }
            if round > 0 { times.append(Times(prefill: prefill, decode: decode)) }
        }
        func rate(_ tokens: Int, _ seconds: [Double]) -> Double {
            let median = seconds.sorted()[seconds.count / 2]
            return median > 0 ? (Double(streams * tokens) / median * 10).rounded() / 10 : 0
        }
        return """
            {"model":"\(model.description.name)","threads":\(model.plan.threadCount),"streams":\(streams),\
            "prompt_tokens":\(promptTokens),"output_tokens":\(outputTokens),\
            "weight_bytes":\(model.plan.weightByteCount),\
            "prefill_tokens_per_s":\(rate(promptTokens, times.map(\.prefill))),\
            "decode_tokens_per_s":\(rate(outputTokens, times.map(\.decode))),\
            "digest":"\(String(digest.value, radix: 16))"}
            """
    }

    private func prompt(_ stream: Int, vocabularySize: Int) -> [TokenID] {
        let (all, half) = (max(1, vocabularySize), max(1, vocabularySize / 2))
        return (0..<promptTokens).map { (place: Int) -> TokenID in
            let spread = (place + 31 * stream) * 7919 % 20_000
            return TokenID((1000 + spread % half) % all)
        }
    }

    /// Prompts one after the other, each as far as a step allows; leaves every sequence at its first own token.
    private func prefillAll(
        _ sequences: inout [StepSlice], _ model: Transformer, stepTokenMax: Int, _ reader: LikeliestTokens
    ) {
        for index in sequences.indices {
            let tokens = sequences[index].tokens
            var start = 0
            while start < tokens.count {
                let end = min(tokens.count, start + stepTokenMax)
                var slice = sequences[index]
                slice.tokens = Array(tokens[start..<end])
                slice.startPosition = start
                slice.logits = end == tokens.count ? .last : .none
                _ = model.execute([slice], for: reader)
                if end == tokens.count { sequences[index].tokens = [reader[0]] }
                start = end
            }
            sequences[index].startPosition = tokens.count
        }
    }

    /// One token for each sequence.
    private func advance(_ sequences: inout [StepSlice], _ model: Transformer, _ reader: LikeliestTokens) {
        _ = model.execute(sequences, for: reader)
        for index in sequences.indices {
            sequences[index].tokens[0] = reader[index]
            sequences[index].startPosition += 1
        }
    }

    static func seconds(_ body: () -> Void) -> Double { ContinuousClock().measure(body) / .seconds(1) }
}

/// The likeliest token behind each slice of a step, whose last row alone was asked for.
// SAFETY: each slice has its own place, written by the one thread that reads it and read after the step.
private final class LikeliestTokens: RowReader {
    private let tokens: UnsafeMutableBufferPointer<TokenID>

    init(sliceCount: Int) {
        tokens = .allocate(capacity: sliceCount)
        tokens.initialize(repeating: 0)
    }

    deinit { tokens.deallocate() }

    subscript(slice: Int) -> TokenID { tokens[slice] }

    func read(slice: Int, of rows: StepRows, thread: Int) {
        tokens[slice] = TokenID(Kernels.argmax(rows[slice]))
    }
}
