@testable import Engine
import Inference
import Testing

/// Prompts beside running answers are cut to what a step's time allows.
@Suite struct PrefillPaceTests {
    @Test func `what is allowed follows from what steps took`() {
        var pace = PrefillPace(target: 0.08)
        #expect(pace.tokenMax == .max, "nothing is known yet")
        pace.record(0.020, tokenCount: 8, promptTokenCount: 0)
        pace.record(0.020 + 128 * 0.0005, tokenCount: 136, promptTokenCount: 128)
        // 60 ms are left, half a millisecond each: 120, in whole tiles 112.
        #expect(pace.tokenMax == 112)
        // A prompt alone has its step for itself.
        for _ in 0..<100 { pace.record(200 * 0.001, tokenCount: 200, promptTokenCount: 200) }
        #expect(pace.tokenMax == 48)
        // Few tokens say little, and prompts always advance.
        pace.record(5, tokenCount: 20, promptTokenCount: 12)
        #expect(pace.tokenMax == 48)
        for _ in 0..<100 { pace.record(0.3, tokenCount: 30, promptTokenCount: 0) }
        #expect(pace.tokenMax == PrefillPace.tokenMin)
    }

    @Test func `a clock that stands still allows everything`() {
        var pace = PrefillPace(target: 0.08)
        pace.record(0, tokenCount: 8, promptTokenCount: 0)
        pace.record(0, tokenCount: 200, promptTokenCount: 100)
        #expect(pace.tokenMax == .max)
    }

    /// Steps take a millisecond for each token they compute.
    @Test func `a long prompt is cut while others decode, and not when it is alone`() {
        let runtime = ScriptedRuntime(contextLength: 4096, pageCount: 1024, stepTokenMax: 512)
        let loop = StepLoop(
            runtime: runtime, options: EngineOptions(slotCount: 4, stepTokenBudget: 256, stepSecondsTarget: 0.1))
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
}
