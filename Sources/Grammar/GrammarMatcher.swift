package import Inference

/// Follows texts of one grammar, token by token, for any number of sequences, and says which tokens may come next.
///
/// Belongs to one thread. What it remembers is bounded and changes nothing: when there is too much of it all is forgotten
/// but the states where sequences are, and a state that was forgotten is found again by following the sequence's tokens
/// from the start.
package final class GrammarMatcher {
    private let vocabulary: TokenVocabulary
    private let program: Program
    private var table: PlaceTable
    private var masks: [PlaceTable.State: TokenMask] = [:]
    private let maskMax: Int
    /// Tables that were forgotten.
    private var generation: UInt32 = 0
    /// Where sequences are, as far as is known: of those that ended nothing is heard.
    private var held: [Place: Holding] = [:]

    private struct Holding {
        var sequenceCount: Int
        /// In the table there is now.
        var number: PlaceTable.State
    }

    /// A state, and which table's.
    fileprivate struct Place: Hashable, Sendable {
        var generation: UInt32
        var number: PlaceTable.State
    }

    /// Where a text is.
    package struct State: Equatable, Sendable {
        fileprivate var place: Place
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
    /// Tokens that were followed.
    private(set) var followedTokenCount = 0
    var forgottenCount: Int { Int(generation) }

    /// Where a sequence is that has produced `tokens`.
    /// - Parameter state: where it was, if that is known: only what came since is followed.
    package func follow(_ tokens: ArraySlice<TokenID>, from state: State? = nil) throws(GrammarFailure) -> State {
        var number: PlaceTable.State
        var count = 0
        if let state, state.tokenCount <= tokens.count, let known = self.number(of: state) {
            (number, count) = (known, state.tokenCount)
            leave(state.place)
        } else {
            table.beginWork()
            number = try table.start()
        }
        for token in tokens.dropFirst(count) {
            if table.isFull { number = try forget(keeping: number) }
            table.beginWork()
            followedTokenCount += 1
            guard let next = try advance(number, token) else { throw .notAllowed(position: count) }
            number = next
            count += 1
        }
        let place = Place(generation: generation, number: number)
        held[place, default: Holding(sequenceCount: 0, number: number)].sequenceCount += 1
        return State(place: place, tokenCount: count)
    }

    /// How many of `tokens` may come one after the other.
    package func allowedCount(of tokens: ArraySlice<TokenID>, after state: State) -> Int {
        guard var number = number(of: state) else { return 0 }
        for (count, token) in tokens.enumerated() {
            table.beginWork()
            guard let next = try? advance(number, token) else { return count }
            number = next
        }
        return tokens.count
    }

    /// - Throws: `noToken` where the text can neither go on nor end.
    package func mask(_ state: State) throws(GrammarFailure) -> TokenMask {
        guard let number = number(of: state) else {
            preconditionFailure("the state is of \(state.place.generation), not of \(generation)")
        }
        let near = table.near(number, sight: Int32(truncatingIfNeeded: vocabulary.byteMax + 1))
        if let known = masks[near] { return known }
        if masks.count > maskMax { masks.removeAll() }
        let mask = try walk(from: near)
        guard mask.count > 0 || mask.mayEnd else { throw .noToken }
        maskWalkCount += 1
        masks[near] = mask
        return mask
    }

    /// Where the table becomes full the walk is made in another that holds nothing else: what fills that as well is too
    /// much in any table.
    private func walk(from near: PlaceTable.State) throws(GrammarFailure) -> TokenMask {
        table.beginWork()
        if let mask = try vocabulary.mask(from: near, &table) { return mask }
        var other = PlaceTable(program)
        var copies: [Int32: Int32] = [:]
        let start = other.adopt(near, of: table, &copies)
        other.beginWork()
        guard let mask = try vocabulary.mask(from: start, &other) else { throw .tooAmbiguous }
        return mask
    }

    private func number(of state: State) -> PlaceTable.State? {
        state.place.generation == generation ? state.place.number : held[state.place]?.number
    }

    private func leave(_ place: Place) {
        guard let count = held[place]?.sequenceCount else { return }
        if count > 1 { held[place]?.sequenceCount -= 1 } else { held[place] = nil }
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

    // MARK: - Forgetting

    /// Begins a new table with the states where sequences are, or, where these would take half of it, with one alone: so
    /// forgetting costs no more than what filled the table did.
    /// - Returns: the state's number in the new table.
    /// - Throws: where this state alone fills it.
    private func forget(keeping state: PlaceTable.State) throws(GrammarFailure) -> PlaceTable.State {
        var (new, copies) = (PlaceTable(program), [Int32: Int32]())
        let kept = new.adopt(state, of: table, &copies)
        guard !new.isFull else { throw .tooAmbiguous }
        let alone = new
        for (place, holding) in held {
            held[place]?.number = new.adopt(holding.number, of: table, &copies)
            guard !new.isHalfFull else {
                (new, held) = (alone, [:])
                break
            }
        }
        table = new
        masks.removeAll()
        generation &+= 1
        return kept
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
