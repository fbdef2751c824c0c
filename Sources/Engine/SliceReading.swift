import Grammar
import Inference
import Models

/// What a step brings the sequence of one slice: read from the slice's rows, by whichever thread comes to it.
struct SliceReading {
    /// The slice's first, among the rows of the step.
    let firstRow: Int
    /// What the sequence's grammar allows behind its last token; nil is anything.
    var mask: TokenMask?
    /// The grammar must be followed from token to token, which only the engine's own thread does.
    var isHeld = false
    /// Why no token can be chosen.
    var failure: SamplingError?
    /// For the router: tokens and log-probabilities.
    private var entry: StepEntry
    /// Tokens of the slice whose K and V are right.
    private(set) var computedCount = 0
    private(set) var draftedCount = 0
    private(set) var acceptedCount = 0

    init(of sequence: SequenceID, firstRow: Int) {
        entry = StepEntry(sequence: sequence)
        self.firstRow = firstRow
    }

    /// Gives it an array for the tokens to come.
    mutating func expectTokens(in array: [TokenID]) { entry.tokens = array }

    /// - Returns: what the sequence's router is to hear.
    mutating func takeEntry() -> StepEntry {
        var taken = StepEntry(sequence: entry.sequence)
        swap(&taken, &entry)
        return taken
    }

    /// Whether tokens can be chosen behind the slice: it reaches the sequence's end.
    static func choosesTokens(_ slice: StepSlice, _ sequence: RunningSequence) -> Bool {
        sequence.tokens.count - slice.startPosition <= slice.tokens.count && sequence.wantsToken
    }

    /// Reads the rows, and appends the tokens chosen to the sequence.
    /// - Parameter mask: what may come behind the sequence's last token.
    mutating func read(
        _ rows: StepRows, _ slice: StepSlice, _ sequence: inout RunningSequence, _ sampler: inout Sampler,
        contextLength: Int, mask: (inout RunningSequence) throws(SamplingError) -> TokenMask?
    ) {
        do throws(SamplingError) {
            try readPromptLogprobs(rows, slice, sequence, &sampler)
            try chooseTokens(rows, slice, &sequence, &sampler, contextLength, mask)
        } catch {
            failure = error
        }
    }

    private mutating func readPromptLogprobs(
        _ rows: StepRows, _ slice: StepSlice, _ sequence: RunningSequence, _ sampler: inout Sampler
    ) throws(SamplingError) {
        guard case .all = slice.logits, let topCount = sequence.sampling.promptLogprobs else { return }
        for offset in slice.tokens.indices {
            let next = slice.startPosition + offset + 1
            guard next < sequence.promptTokenCount else { break }
            let row = rows[firstRow + offset].span
            entry.promptLogprobs.append(try sampler.logprobs(row, of: sequence.tokens[next], topCount: topCount))
        }
    }

    /// Chooses the tokens behind a slice that reaches the sequence's end: one, and one more for each token of a draft
    /// that proves to be what plain decoding chooses. A draft's row is computed as any other, so the bits are the same.
    private mutating func chooseTokens(
        _ rows: StepRows, _ slice: StepSlice, _ sequence: inout RunningSequence, _ sampler: inout Sampler,
        _ contextLength: Int, _ mask: (inout RunningSequence) throws(SamplingError) -> TokenMask?
    ) throws(SamplingError) {
        computedCount = slice.tokens.count
        guard Self.choosesTokens(slice, sequence) else { return }
        let known = sequence.tokens.count - slice.startPosition
        let drafted = slice.tokens.count - known
        var accepted = 0
        while true {
            // A draft's slice has a row of logits for each token, another only for its last.
            let row = rows[firstRow + slice.rowCount - 1 - drafted + accepted].span
            let token: TokenID
            do throws(SamplingError) {
                let mask = try mask(&sequence)
                token = try sampler.choose(
                    row, sequence.sampling, counts: sequence.counts, outputCount: sequence.outputCount,
                    position: sequence.tokens.count, mask: mask)
                if let topCount = sequence.sampling.logprobs {
                    entry.logprobs.append(try sampler.logprobs(row, of: token, topCount: topCount))
                }
            } catch {
                // Behind a draft: the tokens before it go out as without one, and the next step fails by itself.
                guard accepted > 0 else { throw error }
                accepted -= 1
                break
            }
            entry.tokens.append(token)
            sequence.append(token)
            guard accepted < drafted, token == slice.tokens[known + accepted],
                sequence.finish == nil, !sequence.isFull(contextLength: contextLength)
            else { break }
            accepted += 1
        }
        (computedCount, draftedCount, acceptedCount) = (known + accepted, drafted, accepted)
    }
}
