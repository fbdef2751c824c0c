/// Rotary position embedding (Su et al., "RoFormer", 2021).
package struct RopeSpec: Equatable, Sendable {
    /// Which numbers of a head turn together, as the file's Q and K rows are ordered. The forward pass always turns
    /// (i, i + n/2); rows of an interleaved file are permuted at load.
    package enum Pairing: Equatable, Sendable {
        case interleaved
        case halves
    }

    /// Factors for sequences that may grow longer than those that the model was first trained on.
    /// Source: Ding et al., "LongRoPE", 2024.
    package struct LongFactors: Equatable, Sendable {
        package var factors: [Float]
        /// Contexts up to this length take `frequencyFactors`.
        package var originalContextLength: Int
    }

    /// Numbers of each head that turn, from its first; even.
    package var dimensionCount: Int
    package var base: Double
    /// Positions are divided by this: linear scaling; 1 is none.
    package var linearFactor: Double
    /// Each pair's frequency is divided by its factor: Llama 3's scaling, as the file stores it. Nil is none.
    package var frequencyFactors: [Float]?
    package var longFactors: LongFactors?
    /// Rotated queries and keys are multiplied by this.
    package var magnitude = 1.0
    package var pairing: Pairing

    /// Whether sequences of up to `contextLength` tokens take the long factors, from their first token on.
    func isLong(_ contextLength: Int) -> Bool {
        longFactors.map { contextLength > $0.originalContextLength } ?? false
    }
}
