import Inference
import TestSupport
import Testing

@testable import Telemetry

@Suite struct TraceSamplingTests {
    static func caller(_ isSampled: Bool) -> TraceContext? {
        TraceContext(
            parents: ["00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0\(isSampled ? 1 : 0)"], states: ["a=1"])
    }

    @Test(arguments: [true, false], [0, 0.5, 1]) func `the caller's word counts whatever the share`(
        isSampled: Bool, share: Double
    ) throws {
        let caller = try #require(Self.caller(isSampled))
        let (context, parent) = TraceSampling(share: share).begin(caller: caller, randomWord: { 7 })

        #expect(context.traceID == caller.traceID && context.state == "a=1")
        #expect(parent == caller.spanID && context.spanID == SpanID(7))
        #expect(context.isSampled == isSampled)
    }

    @Test(arguments: [0, 0.01, 0.25, 0.9, 1], [11, 12] as [UInt64]) func `without a caller, the share is traced`(
        share: Double, seed: UInt64
    ) {
        var random = SeededRandom(seed: seed)
        var sampled = 0
        for _ in 0..<20_000 {
            let (context, parent) = TraceSampling(share: share).begin(caller: nil, randomWord: { random.next() })
            #expect(parent == nil)
            if context.isSampled { sampled += 1 }
        }

        // Five standard deviations, of which there are none at both ends.
        let deviation = 5 * (20_000 * share * (1 - share)).squareRoot()
        #expect(abs(Double(sampled) - 20_000 * share) <= deviation, "seed \(seed): \(sampled)")
    }

    @Test func `names are never 0`() {
        var words: [UInt64] = [0, 0, 5, 0, 0, 0, 9]
        let (context, _) = TraceSampling(share: 1).begin(caller: nil, randomWord: { words.removeFirst() })

        #expect(context.spanID.rawValue == 5)
        #expect(context.traceID.low == 9)
    }
}
