import Grammar
import Inference

/// Where a constrained sequence is in its grammar: a shortcut for what its tokens say.
struct ConstraintPlace: Equatable, Sendable {
    var matcher: UInt64
    var state: GrammarMatcher.State
}

/// The grammars that sequences follow, compiled once for all that have the same.
///
/// Masks hang on the constraint and on the sequence's output alone: what is remembered here, forgotten or found anew
/// changes none. Belongs to the engine's thread.
final class ConstraintTable {
    private struct Entry {
        var matcher: GrammarMatcher
        var number: UInt64
        var lastUse: UInt64
    }

    private let vocabulary: TokenVocabulary?
    /// Grammars kept.
    private let capacity: Int
    private var entries: [OutputConstraint: Entry] = [:]
    private var useCount: UInt64 = 0

    /// - Parameter sequenceCountMax: that may run at once, each with a grammar of its own. Grammars of more than 128, which
    ///   can take 2 GiB, are compiled anew at each token.
    init(_ vocabulary: TokenVocabulary?, sequenceCountMax: Int) {
        self.vocabulary = vocabulary
        capacity = min(max(32, sequenceCountMax), 128)
    }

    /// - Returns: a sentence when sequences cannot be held to the constraint.
    func objection(to constraint: OutputConstraint) -> String? {
        do throws(SamplingError) {
            _ = try entry(constraint)
            return nil
        } catch {
            return error.sentence(position: 0)
        }
    }

    /// Follows the sequence's output to where it is.
    func place(of sequence: RunningSequence, _ constraint: OutputConstraint) throws(SamplingError)
        -> ConstraintPlace
    {
        let entry = try entry(constraint)
        let known = sequence.constraintPlace.flatMap { $0.matcher == entry.number ? $0.state : nil }
        do throws(GrammarFailure) {
            let state = try entry.matcher.follow(sequence.tokens[sequence.promptTokenCount...], from: known)
            return ConstraintPlace(matcher: entry.number, state: state)
        } catch {
            throw Self.samplingError(error)
        }
    }

    /// What may come behind the sequence's last token; nil is anything. Notes in the sequence where it is.
    func mask(for sequence: inout RunningSequence) throws(SamplingError) -> TokenMask? {
        guard let constraint = sequence.sampling.constraint else { return nil }
        let place = try place(of: sequence, constraint)
        sequence.constraintPlace = place
        return try mask(at: place, constraint)
    }

    /// - Parameter place: of this constraint, from ``place(of:_:)`` just now.
    private func mask(at place: ConstraintPlace, _ constraint: OutputConstraint) throws(SamplingError) -> TokenMask {
        let entry = try entry(constraint)
        do throws(GrammarFailure) {
            return try entry.matcher.mask(place.state)
        } catch {
            throw Self.samplingError(error)
        }
    }

    /// How many tokens of a draft the grammar allows behind the sequence's last one. Notes in the sequence where it is.
    func allowedCount(
        of draft: ArraySlice<TokenID>, for sequence: inout RunningSequence, _ constraint: OutputConstraint
    ) throws(SamplingError) -> Int {
        let place = try place(of: sequence, constraint)
        sequence.constraintPlace = place
        return try entry(constraint).matcher.allowedCount(of: draft, after: place.state)
    }

    private func entry(_ constraint: OutputConstraint) throws(SamplingError) -> Entry {
        useCount += 1
        if var known = entries[constraint] {
            known.lastUse = useCount
            entries[constraint] = known
            return known
        }
        guard let vocabulary else { throw .constraint("This worker knows no vocabulary to constrain output with.") }
        let entry: Entry
        do throws(GrammarError) {
            entry = Entry(
                matcher: GrammarMatcher(try CompiledGrammar(constraint), vocabulary), number: useCount,
                lastUse: useCount)
        } catch {
            let place = error.path.isEmpty ? "" : " at \(error.path)"
            throw .constraint("The output's constraint cannot be compiled\(place): \(error.reason).")
        }
        if entries.count >= capacity, let oldest = entries.min(by: { $0.value.lastUse < $1.value.lastUse }) {
            entries[oldest.key] = nil
        }
        entries[constraint] = entry
        return entry
    }

    private static func samplingError(_ failure: GrammarFailure) -> SamplingError {
        switch failure {
        case .tooAmbiguous:
            .unfollowable("The output's constraint can be read in too many ways at once to be followed.")
        case .noToken: .unfollowable("No token of the model can continue the constrained output.")
        case .notAllowed(let position):
            .constraint("Output token \(position) is none that the output's constraint allows.")
        }
    }
}
