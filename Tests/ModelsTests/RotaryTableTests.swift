import Foundation
import TestSupport
import Testing

@testable import Models

@Suite struct RotaryTableTests {
    @Test func `sine and cosine are right far beyond single precision`() {
        var random = SeededRandom(seed: 3)
        var worst = 0.0
        for _ in 0..<100_000 {
            let angle = Double.random(in: 0...1_048_576, using: &random)
            let (cosine, sine) = FixedMath.cosineAndSine(angle)
            worst = max(worst, abs(cosine - cos(angle)), abs(sine - sin(angle)))
        }
        for angle in [0, 1e-300, Double.pi / 4, Double.pi / 2, Double.pi, 3 * Double.pi / 2, 2 * Double.pi] {
            let (cosine, sine) = FixedMath.cosineAndSine(angle)
            worst = max(worst, abs(cosine - cos(angle)), abs(sine - sin(angle)))
        }
        #expect(worst < 1e-11)
    }

    @Test func `logarithm and exponential are right to a few units of the last place`() {
        var random = SeededRandom(seed: 4)
        for _ in 0..<20_000 {
            let x = Foundation.exp(Double.random(in: -600...600, using: &random))
            #expect(abs(FixedMath.log(x) - log(x)) <= 4e-16 * max(1, abs(log(x))))
            let y = Double.random(in: -600...600, using: &random)
            #expect(abs(FixedMath.exp(y) / Foundation.exp(y) - 1) < 1e-15)
        }
    }

    @Test func `each pair turns at its frequency, scaled as the model says`() {
        var rope = RopeSpec(
            dimensionCount: 8, base: 10_000, linearFactor: 1, pairing: .halves)
        #expect(
            zip(RotaryTable(rope, contextLength: 100).frequencies, [1, 0.1, 0.01, 0.001]).allSatisfy {
                abs($0 / $1 - 1) < 1e-14
            })

        rope.linearFactor = 2
        rope.frequencyFactors = [1, 1, 4, 8]
        let expected = [0.5, 0.05, 0.00125, 0.0000625]
        #expect(
            zip(RotaryTable(rope, contextLength: 100).frequencies, expected).allSatisfy { abs($0 / $1 - 1) < 1e-14 })
    }
}
