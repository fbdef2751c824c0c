import Inference
package import Models

/// What one step computes, and who had to leave for it. Its memory goes from step to step.
package struct StepPlan: Sendable {
    /// For the runtime: decode first, then prefill.
    package internal(set) var slices: [StepSlice] = []
    /// For each slice, the place of its sequence in the composer; valid until the composer changes.
    package internal(set) var places: [Int] = []
    /// Sequences that gave their pages back.
    package internal(set) var preempted: [SequenceKey] = []
    /// Sequences that hold every page there is and need another.
    package internal(set) var outgrown: [SequenceKey] = []
    /// Sequences that fill the context, and would go on.
    package internal(set) var full: [SequenceKey] = []
    private var spare = SpareTokens()

    package init() {}

    package var tokenCount: Int { slices.reduce(0) { $0 + $1.tokens.count } }

    /// Forgets the step before.
    mutating func clear() {
        for index in slices.indices { spare.keep(&slices[index].tokens) }
        slices.removeAll(keepingCapacity: true)
        places.removeAll(keepingCapacity: true)
        preempted.removeAll(keepingCapacity: true)
        outgrown.removeAll(keepingCapacity: true)
        full.removeAll(keepingCapacity: true)
    }

    /// Adds tokens of the sequence that is at `place` in the composer.
    /// - Parameter tokens: of all the sequence's, so that their places are their positions.
    mutating func add(
        _ tokens: ArraySlice<TokenID>, pages: [Int32], logits: StepSlice.Logits, pooling: Pooling? = nil, place: Int
    ) {
        var own = spare.take()
        own.append(contentsOf: tokens)
        slices.append(
            StepSlice(tokens: own, startPosition: tokens.startIndex, pages: pages, logits: logits, pooling: pooling))
        places.append(place)
    }
}
