import Foundation
import Inference
import Models
import Testing

/// How near the model comes to an exact forward pass of its own dequantized weights.
@Suite struct ReferenceAccuracyTests {
    @Test func `teacher-forced along the reference's paths, tokens and log-probabilities are the reference's`() throws {
        let model = try RealModel.load(threads: 2)
        var (agreeing, total) = (0, 0)
        var differences: [Double] = []

        for name in ["greedy", "chat"] {
            for (_, reference) in try RealModel.references(name).sorted(by: { $0.key < $1.key }) {
                let path = reference.ids + reference.q4_1.ids
                let logits = rows(
                    model.execute([
                        StepSlice(
                            tokens: path, startPosition: 0, pages: RealModel.pages(for: path.count), logits: .all)
                    ]), model)
                for (index, best) in reference.exact_top10.enumerated() {
                    let row = logits[reference.ids.count - 1 + index]
                    let normalizer = logSumExp(row)
                    total += 1
                    if argmax(row) == best.first?.token { agreeing += 1 }
                    for alternative in best {
                        differences.append(abs(Double(row[Int(alternative.token)]) - normalizer - alternative.logprob))
                    }
                }
            }
        }

        differences.sort()
        let median = differences[differences.count / 2]
        let high = differences[differences.count * 95 / 100]
        let share = Double(agreeing) / Double(total)
        print(
            "accuracy: top token agrees at \(agreeing) of \(total) positions (\(Self.percent(share))), "
                + "|Δ log-prob| median \(Self.three(median)), 95th percentile \(Self.three(high))")
        #expect(total > 500)
        #expect(share >= 0.965)
        #expect(median <= 0.08)
        #expect(high <= 0.3)
    }

    /// Log-probability by which a greedy choice may fall short of the exact best: rounding, not error.
    static let nearTie = 0.5

    @Test func `greedy text leaves the reference's path at near-ties only`() throws {
        let model = try RealModel.load(threads: 2)
        var (whole, count) = (0, 0)

        for name in ["greedy", "chat"] {
            for (key, reference) in try RealModel.references(name).sorted(by: { $0.key < $1.key }) {
                count += 1
                var tokens = reference.ids
                var computed = 0
                var left: String?
                for (index, expected) in reference.q4_1.ids.enumerated() {
                    let logits = rows(
                        model.execute([
                            StepSlice(
                                tokens: Array(tokens[computed...]), startPosition: computed,
                                pages: RealModel.pages(for: tokens.count), logits: .last)
                        ]), model)
                    computed = tokens.count
                    let chosen = argmax(logits[0])
                    guard chosen != expected else {
                        tokens.append(chosen)
                        continue
                    }
                    let exact = reference.exact_top10[index]
                    let best = exact.first?.logprob ?? 0
                    let gap = exact.first { $0.token == chosen }.map { best - $0.logprob }
                    left = "at token \(index), \(gap.map(Self.three) ?? "outside the ten best") below the best"
                    #expect(gap ?? .infinity <= Self.nearTie, "\(name)/\(key) leaves \(left ?? "")")
                    break
                }
                if left == nil { whole += 1 }
                print(
                    "greedy: \(name)/\(key): \(left.map { "leaves the path \($0)" } ?? "the reference's path to its end")"
                )
            }
        }
        print("greedy: \(whole) of \(count) paths to their end")
    }

    static func three(_ x: Double) -> String { String(format: "%.3f", x) }
    static func percent(_ x: Double) -> String { String(format: "%.1f %%", x * 100) }
}
