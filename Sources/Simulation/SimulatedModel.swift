package import Inference

/// The language model of all simulated workers: a token depends on the sequence's seed, its position and the token
/// before it, as a real one's does. So a token lost, doubled or out of order changes every token after it.
///
/// It ends a sequence as soon as `minTokens` lets it: that is how a client decides how long an answer becomes.
package enum SimulatedModel {
    package static let vocabularySize = 32_000
    package static let endToken: TokenID = 2
    /// A prompt that begins with it kills the worker that computes it; the next token is its number.
    package static let poisonToken: TokenID = 3
    /// Prompts' and answers' ordinary tokens begin here.
    package static let firstWord = 16

    /// The token at `position` (0 is the first of the prompt), which follows `previous`.
    package static func token(
        _ sampling: SamplingParameters, at position: Int, after previous: TokenID, outputCount: Int
    ) -> TokenID {
        if outputCount >= sampling.minTokens { return endToken }
        let mixed = sampling.seed &+ UInt64(truncatingIfNeeded: Int(previous)) &* 0x9E37_79B9_7F4A_7C15
        let unit = CounterRandom.uniform(seed: mixed, position: position)
        return TokenID(firstWord + Int(unit * Double(vocabularySize - firstWord)))
    }

    /// How many more tokens than one a step yields, where a worker guesses ahead.
    static func acceptedDrafts(_ sampling: SamplingParameters, at position: Int, rate: Double) -> Int {
        guard rate > 0 else { return 0 }
        let unit = CounterRandom.uniform(seed: ~sampling.seed, position: position)
        return unit >= rate ? 0 : 1 + Int(unit / rate * 3)
    }
}
