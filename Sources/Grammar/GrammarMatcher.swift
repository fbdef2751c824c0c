package import Inference

/// Follows texts of one grammar, token by token, for any number of sequences, and says which tokens may come next.
///
/// Belongs to one thread. What it remembers is bounded and changes nothing: when there is too much of it all is forgotten,
/// and a state from before is found again by following the sequence's tokens from the start.
package final class GrammarMatcher {
    private let vocabulary: TokenVocabulary
    private let program: Program
    private var table: PlaceTable
    private var masks: [PlaceTable.State: TokenMask] = [:]
    private let maskMax: Int
    private var generation: UInt32 = 0

    /// Where a text is.
    package struct State: Equatable, Sendable {
        fileprivate var generation: UInt32
        fileprivate var number: PlaceTable.State
        /// Tokens that led here.
        package fileprivate(set) var tokenCount: Int
    }

    package init(_ grammar: CompiledGrammar, _ vocabulary: TokenVocabulary) {
        self.vocabulary = vocabulary
        program = grammar.program
        table = PlaceTable(grammar.program)
        maskMax = max(64, GrammarLimits.maskByteMax / max(1, vocabulary.tokenCount / 8))
    }

    /// Masks that were found by a walk and not remembered.
    package private(set) var maskWalkCount = 0

    /// Where a sequence is that has produced `tokens`.
    /// - Parameter state: where it was, if that is known: only what came since is followed.
    package func follow(_ tokens: ArraySlice<TokenID>, from state: State? = nil) throws(GrammarFailure) -> State {
        table.beginWork()
        if table.isFull || masks.count > maskMax { forget() }
        var known: State
        if let state, state.generation == generation, state.tokenCount <= tokens.count {
            known = state
        } else {
            known = State(generation: generation, number: try table.start(), tokenCount: 0)
        }
        for token in tokens.dropFirst(known.tokenCount) {
            table.beginWork()
            guard let next = try advance(known.number, token) else { throw .notAllowed(position: known.tokenCount) }
            known.number = next
            known.tokenCount += 1
        }
        return known
    }

    /// How many of `tokens` may come one after the other.
    package func allowedCount(of tokens: ArraySlice<TokenID>, after state: State) -> Int {
        guard state.generation == generation else { return 0 }
        var number = state.number
        for (count, token) in tokens.enumerated() {
            guard let next = try? advance(number, token) else { return count }
            number = next
        }
        return tokens.count
    }

    /// - Throws: `noToken` where the text can neither go on nor end.
    package func mask(_ state: State) throws(GrammarFailure) -> TokenMask {
        precondition(state.generation == generation, "the state is of \(state.generation), not of \(generation)")
        let near = table.near(state.number, sight: Int32(truncatingIfNeeded: vocabulary.byteMax + 1))
        if let known = masks[near] { return known }
        table.beginWork()
        let mask = try vocabulary.mask(from: near, &table)
        guard mask.count > 0 || mask.mayEnd else { throw .noToken }
        maskWalkCount += 1
        masks[near] = mask
        return mask
    }

    private func advance(_ number: PlaceTable.State, _ token: TokenID) throws(GrammarFailure) -> PlaceTable.State? {
        let bytes = vocabulary.bytes(of: token)
        guard !bytes.isEmpty else { return nil }
        var number = number
        for byte in bytes {
            number = try table.next(number, byte)
            if number == PlaceTable.dead { return nil }
        }
        return number
    }

    private func forget() {
        table = PlaceTable(program)
        masks.removeAll()
        generation &+= 1
    }
}

extension CompiledGrammar {
    /// Whether `bytes` are a text of the grammar.
    package func accepts(_ bytes: [UInt8]) throws(GrammarFailure) -> Bool {
        var table = PlaceTable(program)
        var state = try table.start()
        for byte in bytes {
            table.beginWork()
            state = try table.next(state, byte)
            if state == PlaceTable.dead { return false }
        }
        return table.accepts(state)
    }
}
