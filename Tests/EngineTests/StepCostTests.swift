import Engine
import Foundation
import Inference
import Models
import TestSupport
import Testing

/// What the engine itself costs: no time is asserted, the figures are printed with a digest of what was computed.
/// `APUS_BENCH=1 swift test -c release -Xswiftc -enable-testing --filter StepCost` measures at full size.
@Suite struct StepCostTests {
    static let isFull = ProcessInfo.processInfo.environment["APUS_BENCH"] != nil

    /// Answers with one row for all, so that nothing is measured but the engine.
    final class InstantRuntime: ModelRuntime {
        let description: ModelDescription
        private let rows: UnsafeMutableBufferPointer<Float>

        init(vocabularySize: Int) {
            description = ModelDescription(
                name: "instant", architecture: "none", numericsID: "0", vocabularySize: vocabularySize,
                contextLength: 100_000, pageTokenCount: 16, pageCount: 40_000, stepTokenMax: 512)
            rows = .allocate(capacity: 32 * vocabularySize)
            var random = SeededRandom(seed: 1)
            for place in rows.indices {
                // Roughly the spread of a language model's logits.
                let sum = (0..<6).reduce(Float(0)) { sum, _ in sum + Float.random(in: -1...1, using: &random) }
                rows[place] = sum * sum * sum / 4
            }
        }

        deinit { rows.deallocate() }

        func execute(_ slices: [StepSlice]) -> UnsafeBufferPointer<Float> { UnsafeBufferPointer(rows) }
    }

    static func nanoseconds(_ count: Int, _ body: () -> Void) -> Double {
        let start = ContinuousClock.now
        for _ in 0..<count { body() }
        return Double((ContinuousClock.now - start) / .nanoseconds(1)) / Double(count)
    }

    @Test func `a step of 32 sequences, besides sampling`() {
        var loop = StepLoop(runtime: InstantRuntime(vocabularySize: 16), options: EngineOptions(slotCount: 32))
        loop.register(router: 0)
        for id in 0..<32 {
            let prompt = (0..<300).map { TokenID((id * 7 + $0) % 16) }
            loop.apply(.admit(.greedy(UInt64(id), prompt, maxTokens: 50_000)), from: 0, now: MonotonicClock.now())
        }
        var digest = Digest()
        while loop.statistics.waitingPrefillTokenCount > 0 { _ = loop.step(clock: MonotonicClock.now) }
        var tokens = 0
        let cost = Self.nanoseconds(Self.isFull ? 5000 : 20) {
            for case (_, .step(let report)) in loop.step(clock: MonotonicClock.now) {
                tokens += report.entries.reduce(0) { $0 + $1.tokens.count }
            }
        }
        digest.feed(tokens)
        #expect(loop.runningCount == 32 && loop.invariantViolation() == nil)
        print("engine step, 32 sequences: \(Int(cost / 1000)) µs, digest \(digest)")
    }

    @Test(arguments: ["greedy", "all", "top-p", "top-k and top-p", "min-p", "penalties", "logprobs"])
    func `a row of 49152`(kind: String) throws {
        let count = Self.isFull ? 49_152 : 2048
        let runtime = InstantRuntime(vocabularySize: count)
        var sampler = Sampler(vocabularySize: count)
        var sampling = SamplingParameters()
        switch kind {
        case "greedy": sampling.temperature = 0
        case "top-p": sampling.topP = 0.95
        case "top-k and top-p": (sampling.topK, sampling.topP) = (40, 0.95)
        case "min-p": sampling.minP = 0.05
        case "penalties": (sampling.temperature, sampling.repetitionPenalty) = (0, 1.1)
        default: break
        }
        let counts = TokenCounts(Array(0..<500), promptTokenCount: 300, isNeeded: true)
        let rows = runtime.execute([])
        var digest = Digest()
        var position = 0
        var failure: (any Error)?
        let cost = Self.nanoseconds(Self.isFull ? 3200 : 32) {
            let row = UnsafeBufferPointer(rebasing: rows[position % 32 * count..<(position % 32 + 1) * count])
            do {
                let token =
                    kind == "logprobs"
                    ? try sampler.logprobs(row.span, of: 5, topCount: 5).top[0].token
                    : try sampler.choose(row.span, sampling, counts: counts, outputCount: 200, position: position)
                if position < 32 { digest.feed(token) }
            } catch { failure = error }
            position += 1
        }
        #expect(failure == nil)
        print("sampling \(count) logits, \(kind): \(Int(cost / 1000)) µs, digest \(digest)")
    }
}
