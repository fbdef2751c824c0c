/// A transformer as numbers: everything the one forward pass needs to know of a model. Architectures/ reads it from a
/// file's metadata; nothing below asks for an architecture's name.
package struct ModelSpec: Equatable, Sendable {
    package var architecture: String
    package var name: String?
    package var vocabularySize: Int
    /// Tokens a sequence may have.
    package var contextLength: Int
    package var layerCount: Int
    /// Numbers in the residual stream of one token.
    package var width: Int
    package var headCount: Int
    /// Divides `headCount`; each key-value head serves `headCount / kvHeadCount` query heads.
    package var kvHeadCount: Int
    package var headDimension: Int
    package var feedForwardWidth: Int
    package var normEpsilon: Float
    package var rope: RopeSpec
    /// The output matrix is the token embedding.
    package var tiesOutput: Bool
    /// Query, key and value have a bias.
    package var hasAttentionBias: Bool
    /// Each head of query and key goes through an RMSNorm before it turns; all heads share one weight.
    package var hasHeadNorms: Bool

    package var groupSize: Int { headCount / kvHeadCount }
    package var queryWidth: Int { headCount * headDimension }
    package var keyWidth: Int { kvHeadCount * headDimension }
}

extension ModelSpec {
    /// The sizes a forward pass looks at, without references, so that threads may copy them freely.
    struct Sizes {
        let width: Int
        let kvHeadCount: Int
        let groupSize: Int
        let headDimension: Int
        let ropeDimensionCount: Int
        /// First column of K, and of V, in a row of Q, K and V: each begins with a panel.
        let keyStart: Int
        let valueStart: Int
        let normEpsilon: Float
        let attentionScale: Float
    }

    var sizes: Sizes {
        let keyStart = (queryWidth + 31) & ~31
        return Sizes(
            width: width, kvHeadCount: kvHeadCount, groupSize: groupSize, headDimension: headDimension,
            ropeDimensionCount: rope.dimensionCount, keyStart: keyStart, valueStart: keyStart + ((keyWidth + 31) & ~31),
            normEpsilon: normEpsilon, attentionScale: 1 / Float(headDimension).squareRoot())
    }
}

/// Rotary position embedding (Su et al., "RoFormer", 2021).
package struct RopeSpec: Equatable, Sendable {
    /// Which numbers of a head turn together, as the file's Q and K rows are ordered. The forward pass always turns
    /// (i, i + n/2); rows of an interleaved file are permuted at load.
    package enum Pairing: Equatable, Sendable {
        case interleaved
        case halves
    }

    /// Numbers of each head that turn, from its first; even.
    package var dimensionCount: Int
    package var base: Double
    /// Positions are divided by this: linear scaling; 1 is none.
    package var linearFactor: Double
    /// Each pair's frequency is divided by its factor: Llama 3's scaling, as the file stores it. Nil is none.
    package var frequencyFactors: [Float]?
    package var pairing: Pairing
}
