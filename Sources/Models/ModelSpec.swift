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
    package var normEpsilon: Float
    package var norm = Norm.rootMeanSquare
    package var positions: Positions
    /// Products of query and key are multiplied by this.
    package var attentionScale: Float
    package var window: SlidingWindow?
    package var feedForward: FeedForward
    /// The output matrix is the token embedding.
    package var tiesOutput: Bool
    /// Token embeddings are multiplied by this.
    package var embeddingScale: Float = 1
    /// Query, key and value have a bias.
    package var hasAttentionBias: Bool
    /// What attention and feed-forward add to the residual stream has a bias.
    package var hasBranchBias = false
    /// What attention and feed-forward add to the residual stream goes through a norm first.
    package var hasBranchNorms = false
    /// Each head of query and key goes through an RMSNorm before it turns; all heads share one weight.
    package var hasHeadNorms = false
    /// Scores of attention become cap · tanh(score / cap).
    package var scoreCap: Float?
    /// Logits become cap · tanh(logit / cap).
    package var logitCap: Float?
    /// Query, key and value are one tensor of the file, in this order.
    package var fusesQueryKeyValue = false
    /// Gate and up are one tensor of the file, in this order.
    package var fusesGateUp = false
    /// Each expert's matrices are tensors of their own.
    package var storesExpertsApart = false
    /// The matrices of blocks lie in the file by columns: all numbers of an input together.
    package var storesTransposed = false

    package enum Norm: Equatable, Sendable {
        case rootMeanSquare
        /// With a bias.
        case layer
    }

    package enum Positions: Equatable, Sendable {
        /// - Parameter windowed: in layers that see a window only; nil when these turn as all others.
        case rotary(RopeSpec, windowed: RopeSpec? = nil)
        /// A vector for each position, added to the token's embedding.
        case learned
    }

    /// Layers that see a token and the `size` - 1 before it only.
    package struct SlidingWindow: Equatable, Sendable {
        package var size: Int
        /// By layer.
        package var isWindowed: [Bool]
    }

    package struct FeedForward: Equatable, Sendable {
        package enum Gate: Equatable, Sendable {
            /// down (silu(gate) · up)
            case swiglu
            /// down (gelu(gate) · up), GELU by tanh
            case geglu
            /// down (gelu(up)), GELU by tanh, biases on both
            case gelu
        }

        package var gate: Gate
        /// Of each expert, where there are some.
        package var width: Int
        /// Experts, and how many of them a token goes to: those with the largest logits of the router, weighted by the
        /// softmax over these. Nil is one feed-forward for all tokens.
        package var experts: Experts?
    }

    package struct Experts: Equatable, Sendable {
        package var count: Int
        package var usedCount: Int
    }

    package var groupSize: Int { headCount / kvHeadCount }
    package var queryWidth: Int { headCount * headDimension }
    package var keyWidth: Int { kvHeadCount * headDimension }
    package var isInterleaved: Bool { ropes.contains { $0.pairing == .interleaved } }

    /// Rotations, of layers without a window first.
    var ropes: [RopeSpec] {
        switch positions {
        case .rotary(let rope, let windowed): [rope] + (windowed.map { [$0] } ?? [])
        case .learned: []
        }
    }

    /// Numbers of each head that turn.
    var ropeDimensionCount: Int { ropes.first?.dimensionCount ?? 0 }

    func isWindowed(_ layer: Int) -> Bool { window?.isWindowed[layer] ?? false }
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
        /// 0 is none.
        let scoreCap: Float
        let logitCap: Float
        let gate: FeedForward.Gate
        /// 0 is none.
        let expertCount: Int
        let usedExpertCount: Int
    }

    var sizes: Sizes {
        let keyStart = (queryWidth + 31) & ~31
        return Sizes(
            width: width, kvHeadCount: kvHeadCount, groupSize: groupSize, headDimension: headDimension,
            ropeDimensionCount: ropeDimensionCount, keyStart: keyStart, valueStart: keyStart + ((keyWidth + 31) & ~31),
            normEpsilon: normEpsilon, attentionScale: attentionScale, scoreCap: scoreCap ?? 0, logitCap: logitCap ?? 0,
            gate: feedForward.gate, expertCount: feedForward.experts?.count ?? 0,
            usedExpertCount: feedForward.experts?.usedCount ?? 0)
    }
}
