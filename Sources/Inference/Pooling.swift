/// What a model that reads whole texts makes of each.
package enum PooledOutput: Equatable, Sendable {
    /// A vector of so many numbers and of length 1: dot products are cosines.
    case vector(size: Int)
    /// How well two texts belong together, one number.
    case score

    /// Numbers for each text.
    package var count: Int {
        switch self {
        case .vector(let size): size
        case .score: 1
        }
    }
}

/// How a sequence is read as a whole.
package struct Pooling: Equatable, Sendable {
    /// Where the second of two texts begins, for models that tell them apart; nil where there is one.
    package var secondStart: Int?

    package init(secondStart: Int? = nil) { self.secondStart = secondStart }
}
