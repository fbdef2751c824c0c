package import Inference

/// Which tokens a sequence has seen, for penalties. Always equal to what a fresh count over its tokens gives.
package struct TokenCounts: Equatable, Sendable {
    /// Occurrences in the output, by token; 0 for a token of the prompt only. Empty when no penalty needs it.
    package private(set) var outputCounts: [TokenID: Int32] = [:]
    private let isNeeded: Bool

    package init(_ tokens: [TokenID], promptTokenCount: Int, isNeeded: Bool) {
        self.isNeeded = isNeeded
        guard isNeeded else { return }
        for token in tokens.prefix(promptTokenCount) { outputCounts[token] = 0 }
        for token in tokens.dropFirst(promptTokenCount) { add(token) }
    }

    /// Counts one more token of the output.
    package mutating func add(_ token: TokenID) {
        if isNeeded { outputCounts[token, default: 0] += 1 }
    }
}
