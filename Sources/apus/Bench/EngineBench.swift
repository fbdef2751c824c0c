import Inference
import Kernels
import Models

/// Times the runtime alone, in this process: no server, no sampling but the likeliest token.
enum EngineBench {
    /// - Returns: one line of JSON.
    static func run(_ path: String, threads: Int?, promptTokens: Int, outputTokens: Int) throws -> String {
        let stepTokenMax = 512
        let pages = (promptTokens + outputTokens) / 32 + 2
        let model = try Transformer(
            path: path,
            options: TransformerOptions(threadCount: threads, kvMemory: .pages(2 * pages), stepTokenMax: stepTokenMax))
        let table = (0..<Int32(pages)).map { $0 }
        let prompt = (0..<promptTokens).map {
            TokenID(1000 + $0 * 7919 % 20_000 % (model.description.vocabularySize / 2))
        }
        let clock = ContinuousClock()
        var prefill: [Double] = []
        var decode: [Double] = []
        var digest = Digest()
        for round in 0..<4 {
            let before = clock.now
            var last: TokenID = 0
            var start = 0
            while start < promptTokens {
                let end = min(promptTokens, start + stepTokenMax)
                let logits = model.execute([
                    StepSlice(
                        tokens: Array(prompt[start..<end]), startPosition: start, pages: table,
                        logits: end == promptTokens ? .last : .none)
                ])
                if end == promptTokens { last = likeliest(logits) }
                start = end
            }
            let between = clock.now
            for position in promptTokens..<promptTokens + outputTokens {
                let slice = StepSlice(tokens: [last], startPosition: position, pages: table, logits: .last)
                last = likeliest(model.execute([slice]))
                if round == 0 { digest.add(UInt64(last)) }
            }
            // The first round warms caches and pages.
            guard round > 0 else { continue }
            prefill.append(seconds(between - before))
            decode.append(seconds(clock.now - between))
        }
        func rate(_ tokens: Int, _ times: [Double]) -> Double {
            let median = times.sorted()[times.count / 2]
            return median > 0 ? (Double(tokens) / median * 10).rounded() / 10 : 0
        }
        return """
            {"model":"\(model.description.name)","threads":\(model.plan.threadCount),"prompt_tokens":\(promptTokens),\
            "output_tokens":\(outputTokens),"prefill_tokens_per_s":\(rate(promptTokens, prefill)),\
            "decode_tokens_per_s":\(rate(outputTokens, decode)),"digest":"\(String(digest.value, radix: 16))"}
            """
    }

    private static func likeliest(_ logits: UnsafeBufferPointer<Float>) -> TokenID {
        TokenID(Kernels.argmax(logits))
    }

    private static func seconds(_ duration: Duration) -> Double {
        Double(duration.components.seconds) + Double(duration.components.attoseconds) * 1e-18
    }
}
