package import Inference

/// An encoder as numbers: a model that reads a text as a whole and makes one vector, or one number, of it.
///
/// Blocks are BERT's: attention of every token to every other, post-norm, a gate by the error function.
package struct EncoderSpec: Equatable, Sendable {
    package var architecture: String
    package var name: String?
    package var vocabularySize: Int
    /// Tokens a text may have.
    package var contextLength: Int
    /// Rows of the table of positions; no fewer than `contextLength`.
    package var positionCount: Int
    /// Rows of the table that tells first and second texts apart.
    package var segmentCount: Int
    package var layerCount: Int
    package var width: Int
    package var headCount: Int
    package var feedForwardWidth: Int
    package var normEpsilon: Float
    package var head: Head

    package enum Head: Equatable, Sendable {
        /// One vector of length 1 out of those of all tokens.
        case vector(TokenPooling)
        /// The first token's vector through a layer with tanh and a row of weights: how well two texts belong together.
        case score(ScoreScale)
    }

    package enum TokenPooling: Equatable, Sendable {
        case mean
        /// [CLS]
        case first
        case last
    }

    package enum ScoreScale: Equatable, Sendable {
        case logit
        /// 1 / (1 + exp(-logit))
        case probability
    }

    package var headDimension: Int { width / headCount }

    package var output: PooledOutput {
        switch head {
        case .vector: .vector(size: width)
        case .score: .score
        }
    }

    /// - Parameter key: a number's name in the file that it was read from.
    func check(_ key: (Number) -> String) throws(ModelError) {
        func check(_ isGood: Bool, _ number: Number, _ value: some Any, _ expected: String) throws(ModelError) {
            guard isGood else { throw .badValue(key: key(number), value: "\(value)", expected: expected) }
        }
        try check(
            width % 32 == 0 && (32...65_536).contains(width), .width, width, "a multiple of 32 up to 65536")
        try check(
            feedForwardWidth % 32 == 0 && (32...1_048_576).contains(feedForwardWidth), .feedForwardWidth,
            feedForwardWidth, "a multiple of 32 up to 1048576")
        try check((1...1024).contains(layerCount), .layerCount, layerCount, "1 to 1024")
        try check(
            (1...1024).contains(headCount) && width % headCount == 0 && headDimension % 16 == 0
                && headDimension <= 256, .headCount, headCount,
            "a divisor of the width \(width) that leaves heads of a multiple of 16 numbers, up to 256")
        try check((1...65_536).contains(positionCount), .positionCount, positionCount, "1 to 65536")
        try check((1...positionCount).contains(contextLength), .contextLength, contextLength, "1 to \(positionCount)")
        try check((1...16).contains(segmentCount), .segmentCount, segmentCount, "1 to 16")
        try check((1...4_194_304).contains(vocabularySize), .vocabularySize, vocabularySize, "1 to 4194304")
        try check(normEpsilon > 0 && normEpsilon < 1, .normEpsilon, normEpsilon, "a number between 0 and 1")
    }

    /// What a file says by one key each.
    enum Number {
        case vocabularySize, contextLength, positionCount, segmentCount, layerCount, width, headCount
        case feedForwardWidth, normEpsilon
    }
}
