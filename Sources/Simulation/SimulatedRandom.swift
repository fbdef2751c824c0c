import Inference

/// All chance of a simulation: numbers counted from a seed and a stream, so that one more draw in one place changes
/// nothing in another.
///
/// Logarithm and exponential are series of our own: a seed means the same on every system.
package struct SimulatedRandom: RandomNumberGenerator, Sendable {
    private let key: (UInt32, UInt32)
    private let stream: UInt32
    private var position: UInt64 = 0

    package init(seed: UInt64, stream: UInt32) {
        key = (UInt32(truncatingIfNeeded: seed), UInt32(truncatingIfNeeded: seed >> 32))
        self.stream = stream
    }

    package mutating func next() -> UInt64 {
        let counter = (
            UInt32(truncatingIfNeeded: position), UInt32(truncatingIfNeeded: position >> 32), stream, UInt32(2)
        )
        position &+= 1
        let (a, b, _, _) = CounterRandom.philox4x32(key: key, counter: counter)
        return UInt64(a) << 32 | UInt64(b)
    }

    /// Uniform in [0, 1).
    package mutating func unit() -> Double { Double(next() >> 11) * 0x1p-53 }

    /// 0..<bound; 0 where that is empty.
    package mutating func below(_ bound: Int) -> Int { Int(next() % UInt64(max(1, bound))) }

    package mutating func integer(_ range: ClosedRange<Int>) -> Int {
        range.lowerBound + below(range.upperBound - range.lowerBound + 1)
    }

    package mutating func uniform(_ range: ClosedRange<Double>) -> Double {
        range.lowerBound + unit() * (range.upperBound - range.lowerBound)
    }

    /// Uniform in its logarithm: as often from 1 to 10 as from 10 to 100.
    package mutating func logUniform(_ range: ClosedRange<Double>) -> Double {
        Self.exponential(uniform(Self.logarithm(range.lowerBound)...Self.logarithm(range.upperBound)))
    }

    package mutating func happens(_ probability: Double) -> Bool { unit() < probability }

    /// Seconds until the next of events that come at random, `mean` apart.
    package mutating func exponential(mean: Double) -> Double { -mean * Self.logarithm(1 - unit()) }

    /// Source: the polar method, Marsaglia and Bray, 1964.
    package mutating func normal() -> Double {
        while true {
            let (x, y) = (2 * unit() - 1, 2 * unit() - 1)
            let square = x * x + y * y
            if square > 0 && square < 1 { return x * (-2 * Self.logarithm(square) / square).squareRoot() }
        }
    }

    /// - Parameter sigma: deviation of the logarithm.
    package mutating func logNormal(median: Double, sigma: Double) -> Double {
        median * Self.exponential(sigma * normal())
    }

    /// Gaps between arrivals that come in bursts when `shape` is below 1. The mean is `shape * scale`.
    /// Source: Marsaglia and Tsang, "A simple method for generating gamma variables", 2000.
    package mutating func gamma(shape: Double, scale: Double) -> Double {
        guard shape >= 1 else {
            let power = Self.exponential(Self.logarithm(1 - unit()) / shape)
            return gamma(shape: shape + 1, scale: scale) * power
        }
        let d = shape - 1.0 / 3
        let c = 1 / (9 * d).squareRoot()
        while true {
            let x = normal()
            let v = (1 + c * x) * (1 + c * x) * (1 + c * x)
            if v > 0, Self.logarithm(1 - unit()) < 0.5 * x * x + d - d * v + d * Self.logarithm(v) {
                return scale * d * v
            }
        }
    }

    // MARK: - Functions

    private static let ln2 = 0.693_147_180_559_945_3

    /// e^x: 2^n e^r with |r| <= ln 2 / 2, by Taylor's series. 0 below -700, e^700 above 700.
    static func exponential(_ x: Double) -> Double {
        guard x > -700 else { return 0 }
        let x = min(x, 700)
        let n = (x / ln2).rounded()
        let r = x - n * ln2
        var sum = 1.0
        var degree = 14.0
        while degree >= 1 {
            sum = sum * r / degree + 1
            degree -= 1
        }
        return Double(sign: .plus, exponent: Int(n), significand: sum)
    }

    /// ln x for finite x > 0: x = m 2^e with m near 1, ln m = 2 artanh((m - 1) / (m + 1)) by its series.
    static func logarithm(_ x: Double) -> Double {
        guard x > 0 else { return -700 }
        var (m, e) = (x.significand, Double(x.exponent))
        if m > 1.414_213_562_373_095 {
            m /= 2
            e += 1
        }
        let f = (m - 1) / (m + 1)
        var sum = 0.0
        var odd = 21.0
        while odd >= 1 {
            sum = sum * f * f + 1 / odd
            odd -= 2
        }
        return 2 * f * sum + e * ln2
    }
}
