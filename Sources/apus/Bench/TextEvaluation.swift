import Foundation
import Inference
import Kernels
import Models
import Text

/// The mean negative log-likelihood that a model gives the tokens of a text, in this process.
///
/// Windows follow each other without overlap. In each, the first half is context and only the second half counts, so that
/// a token has seen at least half a window. A model whose texts begin with a BOS token has it at the front of every window.
struct TextEvaluation {
    struct Result {
        var model: String
        /// That count.
        var tokenCount: Int
        /// Of natural logarithms.
        var meanNLL: Double
        var seconds: Double

        /// One line of JSON.
        var line: String {
            let perplexity = exp(meanNLL) < 1e300 ? "\(rounded(exp(meanNLL), 4))" : "null"
            let fields = [
                "\"tokens\":\(tokenCount)", "\"mean_nll\":\(rounded(meanNLL, 6))",
                "\"perplexity\":\(perplexity)", "\"seconds\":\(rounded(seconds, 2))",
            ]
            // A model's name comes from its file: whatever characters it has.
            let name = (try? JSONEncoder().encode(model)).map { String(decoding: $0, as: UTF8.self) } ?? "null"
            return "{\"model\":\(name),\(fields.joined(separator: ","))}"
        }

        private func rounded(_ value: Double, _ digits: Int) -> Double {
            let factor = pow(10, Double(digits))
            return (value * factor).rounded() / factor
        }
    }

    /// Rows of logits that are in memory together: what a tile of the products takes at once.
    private static let chunkTokenCount = 64

    private let tokenizer: Tokenizer
    private let model: Transformer
    private let context: Int

    /// Loads the model.
    init(path: String, context: Int, threads: Int?, quantization: WeightQuantization?, kvType: KVType) throws {
        let file = try DecoderFile(path: path)
        tokenizer = try Tokenizer(try file.tokenizer())
        model = try Transformer(
            file,
            options: TransformerOptions(
                threadCount: threads, kvMemory: .pages((context + Kernels.pageTokenCount - 1) / Kernels.pageTokenCount),
                kvType: kvType, stepTokenMax: Self.chunkTokenCount, contextLength: context, quantization: quantization),
            limits: .current())
        self.context = context
    }

    /// - Parameters:
    ///   - tokenMax: tokens of the text that are read; nil reads them all.
    ///   - isStopped: asked before each window.
    /// - Returns: nil when it was stopped.
    func run(_ text: String, tokenMax: Int?, isStopped: () -> Bool) throws -> Result? {
        let tokens = tokenizer.encode(text, parsesSpecialTokens: false, addsBOS: false).prefix(tokenMax ?? .max)
        let size = model.description.vocabularySize
        guard tokens.allSatisfy({ $0 >= 0 && Int($0) < size }) else {
            throw Sentence(description: "The tokenizer has tokens that the model, with \(size), does not have.")
        }
        let bos = tokenizer.spec.addsBOS ? tokenizer.spec.bosToken.map { [$0] } ?? [] : []
        let (half, ownCount) = (context / 2, context - bos.count)
        guard bos.count + min(tokens.count, ownCount) > half else {
            throw Sentence(
                description: "The text has \(tokens.count) tokens, too few for a window of \(context): "
                    + "more than \(half - bos.count) are needed.")
        }
        var (sum, count) = (0.0, 0)
        let start = ContinuousClock.now
        for first in stride(from: 0, to: tokens.count, by: ownCount) {
            if isStopped() { return nil }
            let window = bos + tokens[first..<min(tokens.count, first + ownCount)]
            guard window.count > half else { break }
            sum += negativeLogLikelihood(of: window, from: half)
            count += window.count - half
        }
        guard sum.isFinite else {
            throw Sentence(description: "The model's logits are no numbers: its weights hold a NaN or an infinity.")
        }
        return Result(
            model: model.description.name, tokenCount: count, meanNLL: sum / Double(count),
            seconds: (ContinuousClock.now - start) / .seconds(1))
    }

    /// Sum over the tokens from index `half` on, each given all before it.
    private func negativeLogLikelihood(of window: [TokenID], from half: Int) -> Double {
        let pages = (0..<model.plan.pageCount).map { Int32($0) }
        let size = model.description.vocabularySize
        var sum = 0.0
        // The row of position p foretells the token at p + 1: the last token is only foretold.
        func step(_ positions: Range<Int>, _ wanted: StepSlice.Logits) {
            for first in stride(from: positions.lowerBound, to: positions.upperBound, by: Self.chunkTokenCount) {
                let part = first..<min(positions.upperBound, first + Self.chunkTokenCount)
                let logits = model.execute([
                    StepSlice(tokens: Array(window[part]), startPosition: first, pages: pages, logits: wanted)
                ])
                for row in 0..<logits.count / size {
                    let values = UnsafeBufferPointer(rebasing: logits[row * size..<(row + 1) * size])
                    sum += Self.negativeLogLikelihood(of: window[first + row + 1], values)
                }
            }
        }
        step(0..<half - 1, .none)
        step(half - 1..<window.count - 1, .all)
        return sum
    }

    /// -ln of a token's softmax, in double precision.
    static func negativeLogLikelihood(of token: TokenID, _ logits: UnsafeBufferPointer<Float>) -> Double {
        let most = Double(logits.max() ?? 0)
        let sum = logits.reduce(0) { $0 + exp(Double($1) - most) }
        return most + log(sum) - Double(logits[Int(token)])
    }
}
