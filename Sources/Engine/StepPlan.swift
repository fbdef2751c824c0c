package import Models

/// What one step computes, and who had to leave for it.
package struct StepPlan: Sendable {
    /// For the runtime: decode first, then prefill.
    package internal(set) var slices: [StepSlice] = []
    /// For each slice, the place of its sequence in the composer; valid until the composer changes.
    package internal(set) var places: [Int] = []
    /// Sequences that gave their pages back.
    package internal(set) var preempted: [SequenceKey] = []
    /// Sequences that hold every page there is and need another.
    package internal(set) var outgrown: [SequenceKey] = []

    package var tokenCount: Int { slices.reduce(0) { $0 + $1.tokens.count } }
}
