/// How likely a token is next to the likeliest one: `exp((logit - maximum) / temperature)`, as an exact number.
///
/// Weights are rounded to multiples of 2^-34, so that sums of up to 2^19 of them are exact in a Double: no order of
/// summation exists, and every way to select tokens gives the same tokens. What is lost, half of 2^-34 a token, is a
/// probability of 3e-11.
/// Exponential and logarithm are polynomials of our own: libm's differ between systems. What sees a whole row is done by
/// `Kernels.sumWeights` and `Kernels.weigh`, sixteen logits at a time, with the same numbers.
struct TokenWeight {
    let maximum: Float
    let inverseTemperature: Float

    /// - Parameter maximum: the row's highest logit; finite.
    init(maximum: Float, temperature: Float) {
        self.maximum = maximum
        // The limit keeps 0 times infinity, a NaN, from the likeliest token of a vanishing temperature.
        inverseTemperature = min(1 / temperature, 1e30)
    }

    func callAsFunction(_ logit: Float) -> Double {
        Self.rounded(Double(Self.exponential((logit - maximum) * inverseTemperature)))
    }

    /// The weight before rounding: in 0...1.
    func unrounded(_ logit: Float) -> Float { Self.exponential((logit - maximum) * inverseTemperature) }

    /// Steps of a 16th in the exponent; those beyond 25 weigh nothing and share the last bucket. See ``Kernels/weigh``.
    static let bucketCount = 401

    /// A logit below which every weight is less than `weight`, with room for the rounding of the way back.
    func logitBound(ofWeight weight: Double) -> Float {
        let distance = Self.logarithm(weight) / Double(inverseTemperature)
        let bound = Double(maximum) + distance
        return Float(bound - 1e-4 * (1 + abs(distance) + abs(Double(maximum))))
    }

    // MARK: - Rounding

    // Adding and taking away 1.5 * 2^(m + p) rounds to multiples of 2^p, m being the type's fraction bits.
    @inline(__always) private static var doubleMagic: Double { 0x1.8p18 }

    private static func rounded(_ weight: Double) -> Double { (weight + doubleMagic) - doubleMagic }

    // MARK: - Exponential

    // x = n ln 2 + r with |r| <= ln 2 / 2; ln 2 in two parts, of which the first has few enough bits that n times it
    // is exact; Taylor's series to degree 7, whose first left out term is 5e-9; 2^n by the exponent's bits.
    @inline(__always) private static var log2e: Float { 1.442_695_04 }
    @inline(__always) private static var ln2High: Float { 0x1.63p-1 }
    @inline(__always) private static var ln2Low: Float { -2.121_944_4e-4 }
    @inline(__always) private static var integerMagic: Float { 0x1.8p23 }

    /// e^x for x <= 0; below -80 it is e^-80, which rounds to no weight at all.
    @inline(__always)
    static func exponential(_ x: Float) -> Float {
        let x = x < -80 ? -80 : x
        let shifted = x * log2e + integerMagic
        let n = shifted - integerMagic
        let r = (x - n * ln2High) - n * ln2Low
        var sum: Float = 1 / 5040
        sum = sum * r + 1 / 720
        sum = sum * r + 1 / 120
        sum = sum * r + 1 / 24
        sum = sum * r + 1 / 6
        sum = sum * r + 0.5
        sum = sum * r + 1
        sum = sum * r + 1
        let power = (shifted.bitPattern &- integerMagic.bitPattern &+ 127) << 23
        return sum * Float(bitPattern: power)
    }

    // MARK: - Logarithm

    /// ln x for finite x > 0: x = m 2^e with m near 1, ln m = 2 artanh((m - 1) / (m + 1)) by its series.
    static func logarithm(_ x: Double) -> Double {
        var (m, e) = (x.significand, Double(x.exponent))
        if m > 1.414_213_562_373_095 {
            m /= 2
            e += 1
        }
        let f = (m - 1) / (m + 1)
        let square = f * f
        var sum = 0.0
        var odd = 21.0
        while odd >= 1 {
            sum = sum * square + 1 / odd
            odd -= 2
        }
        return 2 * f * sum + e * 0.693_147_180_559_945_3
    }
}
