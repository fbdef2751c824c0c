/// Angles of rotary positions, from our own sine and cosine so that every machine gets the same bits.
struct RotaryTable {
    /// Radians per position of each pair.
    let frequencies: [Double]
    private let magnitude: Double

    /// - Parameter contextLength: that sequences may have.
    init(_ rope: RopeSpec, contextLength: Int) {
        let logBase = FixedMath.log(rope.base)
        let factors = rope.isLong(contextLength) ? rope.longFactors?.factors : rope.frequencyFactors
        magnitude = rope.magnitude
        frequencies = (0..<rope.dimensionCount / 2).map { index in
            let exponent = -2 * Double(index) / Double(rope.dimensionCount)
            let factor = factors.map { Double($0[index]) } ?? 1
            return FixedMath.exp(exponent * logBase) / (factor * rope.linearFactor)
        }
    }

    /// Writes the cosines of all pairs, then their sines.
    func write(position: Int, into table: UnsafeMutablePointer<Float>) {
        let count = frequencies.count
        frequencies.withUnsafeBufferPointer { frequencies in
            for index in 0..<count {
                let (cosine, sine) = FixedMath.cosineAndSine(Double(position) * frequencies[index])
                table[index] = Float(cosine * magnitude)
                table[count + index] = Float(sine * magnitude)
            }
        }
    }
}

/// Elementary functions from additions and products alone, the same on every machine and libc.
enum FixedMath {
    private static let ln2 = 0.693147180559945309417

    /// Natural logarithm of a positive finite number; within a few units of the last place.
    static func log(_ x: Double) -> Double {
        var (mantissa, exponent) = (x.significand, Double(x.exponent))
        if mantissa > 1.4142135623730951 { (mantissa, exponent) = (mantissa / 2, exponent + 1) }
        // ln m = 2 artanh t, |t| < 0.172: 13 terms reach 2^-60.
        let t = (mantissa - 1) / (mantissa + 1)
        var sum = 0.0
        for term in stride(from: 25, through: 1, by: -2) { sum = sum * (t * t) + 1 / Double(term) }
        return exponent * ln2 + 2 * t * sum
    }

    /// e^x for |x| < 700.
    static func exp(_ x: Double) -> Double {
        let n = (x / ln2).rounded(.toNearestOrEven)
        let r = (x - n * 0.693147180369123816490) - n * 1.90821492927058770002e-10
        // |r| < 0.347: 14 terms of the series reach 2^-60.
        var sum = 1.0
        for term in stride(from: 14, through: 1, by: -1) { sum = 1 + sum * r / Double(term) }
        return sum * Double(sign: .plus, exponent: Int(n), significand: 1)
    }

    /// For 0 ≤ angle < 2^21, absolute error below 1e-11: far finer than the Floats that come of it.
    static func cosineAndSine(_ angle: Double) -> (cosine: Double, sine: Double) {
        let n = (angle * 0.636619772367581343).rounded(.toNearestOrEven)
        // π/2 in three parts; products of the first two with n < 2^21 are exact.
        let r = ((angle - n * 1.57079632673412561417) - n * 6.07710050630396597660e-11) - n * 2.02226624879595063154e-21
        let z = r * r
        // Taylor series on |r| ≤ π/4, to 2^-53.
        let sine = r * Self.polynomial(z, sineTerms)
        let cosine = Self.polynomial(z, cosineTerms)
        switch Int(n) & 3 {
        case 0: return (cosine, sine)
        case 1: return (-sine, cosine)
        case 2: return (-cosine, -sine)
        default: return (sine, -cosine)
        }
    }

    @inline(__always)
    private static func polynomial(
        _ z: Double, _ c: (Double, Double, Double, Double, Double, Double, Double, Double, Double)
    ) -> Double {
        c.0 + z * (c.1 + z * (c.2 + z * (c.3 + z * (c.4 + z * (c.5 + z * (c.6 + z * (c.7 + z * c.8)))))))
    }

    private static let sineTerms = (
        1.0, -1 / 6.0, 1 / 120.0, -1 / 5040.0, 1 / 362880.0, -1 / 39916800.0, 1 / 6227020800.0, -1 / 1307674368000.0,
        1 / 355687428096000.0
    )
    private static let cosineTerms = (
        1.0, -1 / 2.0, 1 / 24.0, -1 / 720.0, 1 / 40320.0, -1 / 3628800.0, 1 / 479001600.0, -1 / 87178291200.0,
        1 / 20922789888000.0
    )
}
