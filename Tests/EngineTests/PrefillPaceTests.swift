@testable import Engine
import Inference
import Testing

/// Prompts beside running answers are cut to what a step's time allows.
@Suite struct PrefillPaceTests {
    @Test func `what is allowed follows from what steps took`() {
        var pace = PrefillPace(target: 0.08, share: 0.8)
        #expect(pace.tokenMax(besideDecodeRows: 8) == 0, "nothing is known yet")
        // Half of it for the step, half for its rows, until steps of other sizes tell.
        pace.record(0.020, tokenCount: 8, promptTokenCount: 0)
        pace.record(0.020 + 128 * 0.0005, tokenCount: 136, promptTokenCount: 128)
        // Rows, and what they leave for prompts of half a millisecond a token: 80 ms less their own time, or four times
        // that; in whole tiles.
        for (rows, tokens) in [(8, 112), (4, 112), (2, 96), (1, 80), (16, 96)] {
            #expect(pace.tokenMax(besideDecodeRows: rows) == tokens, "\(rows) rows")
        }
        #expect(pace.tokenMax(besideDecodeRows: 17) == 0, "what so many take is to be seen first")
        // A prompt alone has its step for itself.
        for _ in 0..<100 { pace.record(200 * 0.001, tokenCount: 200, promptTokenCount: 200) }
        #expect(pace.tokenMax(besideDecodeRows: 8) == 48)
        // Sequences that resume need not share.
        #expect(pace.tokenMax(besideDecodeRows: 1) == 32)
        #expect(pace.tokenMax(besideDecodeRows: 1, resumes: true) == 64)
    }

    @Test func `prompts advance where decode alone takes longer than a step should`() {
        for (tokenSeconds, tokens, resuming) in [(0.005, 20, 48), (0.05, 2, 4), (1, 1, 1)] {
            var pace = PrefillPace(target: 0.08, share: 0.45)
            pace.record(0.3, tokenCount: 30, promptTokenCount: 0)
            pace.record(0.3 + 8 * tokenSeconds, tokenCount: 38, promptTokenCount: 8)
            // A quarter of the step, and nearly half of it.
            #expect(pace.tokenMax(besideDecodeRows: 30) == tokens, "\(tokenSeconds) s")
            #expect(pace.tokenMax(besideDecodeRows: 30, resumes: true) == resuming, "\(tokenSeconds) s")
        }
    }

    @Test func `prompts that wait count as if they ran`() {
        var pace = PrefillPace(target: 1, share: 0.5)
        pace.record(0.016, tokenCount: 8, promptTokenCount: 0)
        pace.record(0.016 + 0.064, tokenCount: 72, promptTokenCount: 64)
        // As much as decode: 8 ms, and one for each row.
        for (prompts, tokens) in [(0, 10), (1, 10), (2, 11), (11, 20), (31, 32)] {
            #expect(pace.tokenMax(besideDecodeRows: 2, prompts: prompts) == tokens, "\(prompts) prompts")
        }
    }

    /// Prompts are there all the time, so only steps that are made for it say what decode takes alone.
    @Test(arguments: [1, 2, 3] as [UInt64])
    func `what prompts cost is learned beside batches of any size, on a machine that is held up now and then`(
        seed: UInt64
    ) {
        var pace = PrefillPace(target: 10, share: 0.5)
        func word(_ index: Int, below limit: Int) -> Int {
            Int(CounterRandom.word(key: seed, index: UInt64(index)) % UInt64(limit))
        }
        pace.record(1.5e-3 + 100 * 3e-4, tokenCount: 100, promptTokenCount: 100)
        var (rows, without, astray) = (1, 0, 0)
        for index in 0..<1000 {
            if word(3 * index, below: 20) == 0 { rows = 1 + word(3 * index + 1, below: 32) }
            let prompt = pace.tokenMax(besideDecodeRows: rows)
            let isHeldUp = index > 0 && word(3 * index + 2, below: 50) == 0
            let decodeSeconds = 1.5e-3 + Double(rows) * 4e-4
            let seconds = decodeSeconds + Double(prompt) * 3e-4 + (isHeldUp ? 0.3 : 0)
            without += prompt == 0 ? 1 : 0
            let exact = decodeSeconds / 3e-4
            if prompt > 0, index > 100, !(0.6 * exact...1.6 * exact).contains(Double(prompt)) { astray += 1 }
            pace.record(seconds, tokenCount: rows + prompt, promptTokenCount: prompt)
        }
        #expect(without <= 100, "\(without) of 1000 steps without prompts")
        #expect(astray <= 100, "\(astray) of 900 steps with prompts that are far from what their share allows")
    }

    @Test func `a clock that stands still allows everything`() {
        var pace = PrefillPace(target: 0.08, share: 0.5)
        pace.record(0, tokenCount: 8, promptTokenCount: 0)
        pace.record(0, tokenCount: 108, promptTokenCount: 100)
        #expect(pace.tokenMax(besideDecodeRows: 8) == .max)
    }

    /// They look like prompts, but nothing holds them back, and they must hold back nobody.
    @Test func `prompts of one token that come in every step do not keep a longer one waiting`() {
        let runtime = ScriptedRuntime(contextLength: 512, stepTokenMax: 64)
        var loop = StepLoop(runtime: runtime, options: EngineOptions(slotCount: 8, stepTokenBudget: 32))
        loop.register(router: 0)
        var (now, hasEnded) = (Instant(nanoseconds: 0), false)
        loop.apply(.admit(.greedy(1, (0..<100).map { TokenID($0) }, maxTokens: 1)), from: 0, now: now)
        for id in 2...400 as ClosedRange<UInt64> where !hasEnded {
            loop.apply(.admit(.greedy(id, [TokenID(id % 100)], maxTokens: 1)), from: 0, now: now)
            let events = loop.step {
                now = now.advanced(bySeconds: 0.001)
                return now
            }
            for case (_, .step(let report)) in events {
                hasEnded = hasEnded || report.entries.contains { $0.sequence == SequenceID(1) && $0.finish != nil }
            }
        }
        #expect(hasEnded)
    }

    /// Steps take a millisecond for each token they compute.
    @Test func `a long prompt is cut while others decode, and not when it is alone`() {
        let runtime = ScriptedRuntime(contextLength: 4096, pageCount: 1024, stepTokenMax: 512)
        var loop = StepLoop(
            runtime: runtime,
            options: EngineOptions(slotCount: 4, stepTokenBudget: 256, stepSecondsTarget: 0.1, prefillShare: 0.99))
        loop.register(router: 0)
        var now = Instant(nanoseconds: 0)
        func step() -> Int {
            let before = runtime.tokensComputed
            var calls = 0
            _ = loop.step {
                calls += 1
                if calls > 1 {
                    now = now.advanced(bySeconds: Double(runtime.tokensComputed - before) / 1000)
                }
                return now
            }
            return runtime.tokensComputed - before
        }
        let prompt = (0..<1500).map { TokenID($0 * 7 % 100) }
        loop.apply(.admit(.greedy(1, Array(prompt.prefix(600)), maxTokens: 2000)), from: 0, now: now)
        #expect([step(), step()] == [256, 256], "alone")
        for _ in 0..<20 { _ = step() }
        loop.apply(.admit(.greedy(2, prompt, maxTokens: 4)), from: 0, now: now)

        let beside = (0..<10).map { _ in step() }

        #expect(beside.prefix(8).allSatisfy { (65...101).contains($0) }, "\(beside)")
    }

    /// Steps cost what Docs/scheduling.md has measured, each token of a prompt more the further back it looks.
    @Test func `prompts of 8,000 tokens at most double the time between tokens of answers that run`() {
        let runtime = ScriptedRuntime(
            contextLength: 16_384, pageTokenCount: 32, pageCount: 4096, stepTokenMax: 512)
        var loop = StepLoop(runtime: runtime, options: EngineOptions(slotCount: 32, prefixCacheEnabled: false))
        loop.register(router: 0)
        var (now, ahead, answers) = (Instant(nanoseconds: 0), 0, 0)
        /// - Returns: seconds that the step took.
        func step() -> Double {
            let before = runtime.tokensComputed
            let start = now
            var calls = 0
            _ = loop.step {
                calls += 1
                if calls > 1 {
                    let prompt = max(0, runtime.tokensComputed - before - answers)
                    let attended = Double(ahead) * 2.5e-7
                    ahead += prompt
                    now = now.advanced(
                        bySeconds: 1.5e-3 + Double(answers) * 5.5e-4 + Double(prompt) * (3.6e-4 + attended))
                }
                return now
            }
            return now.seconds(since: start)
        }
        for id in 1...16 as ClosedRange<UInt64> {
            loop.apply(.admit(.greedy(id, [TokenID(id)], maxTokens: 16_000)), from: 0, now: now)
        }
        answers = 16
        let undisturbed = (0..<200).map { _ in step() }
        let prompt = (0..<8000).map { TokenID($0 * 7 % 100) }
        loop.apply(.admit(.greedy(17, prompt, maxTokens: 1)), from: 0, now: now)

        var beside: [Double] = []
        while ahead < prompt.count, beside.count < 4000 { beside.append(step()) }

        func p99(_ steps: [Double]) -> Double { steps.sorted()[steps.count * 99 / 100] }
        #expect(ahead >= prompt.count)
        #expect(p99(beside) <= 2 * p99(undisturbed), "\(p99(beside)) s beside, \(p99(undisturbed)) s without")
    }
}
