import Glibc
import Kernels
import Models
import Text

/// A runtime without a model, for measuring all that stands around one: every token is known at once.
///
/// Each row's likeliest token is an ordinary word that depends on its position alone. K and V are never written.
final class InstantRuntime: ModelRuntime {
    let description: ModelDescription
    /// Tokens that answers are made of.
    private let words: [Int]
    /// (stepTokenMax, vocabularySize), zero but for one place in each row.
    private let logits: UnsafeMutableBufferPointer<Float>
    /// Where each row is not zero.
    private var peaks: [Int]
    private let stepMilliseconds: Int
    private let team: ThreadTeam

    /// - Parameters:
    ///   - tokenizer: with at least one ordinary token.
    ///   - threads: that read the rows.
    ///   - stepMilliseconds: how long each step takes, for when what stands around is measured under other loads.
    init(name: String, tokenizer: TokenizerSpec, pageCount: Int, threads: Int = 1, stepMilliseconds: Int = 0) {
        team = ThreadTeam(threads: threads)
        self.stepMilliseconds = stepMilliseconds
        let size = tokenizer.tokens.count
        // 8192: the prompts of a hundred short requests in one step.
        description = ModelDescription(
            name: name, architecture: "none", numericsID: "instant-\(size)", vocabularySize: size,
            contextLength: 8192, pageTokenCount: 16, pageCount: pageCount, stepTokenMax: 8192)
        // Plain letters, so that each token is a text of its own.
        words = tokenizer.tokens.indices.filter { index in
            tokenizer.tokenKinds[index] == .normal && tokenizer.tokens[index].utf8.count > 2
                && tokenizer.tokens[index].utf8.allSatisfy { (UInt8(ascii: "a")...UInt8(ascii: "z")).contains($0) }
        }
        // Zeroed pages that nobody touches cost nothing.
        logits = .allocate(capacity: description.stepTokenMax * size)
        logits.initialize(repeating: 0)
        peaks = Array(repeating: 0, count: description.stepTokenMax)
    }

    deinit { logits.deallocate() }

    func execute(_ slices: [StepSlice]) -> UnsafeBufferPointer<Float> {
        if stepMilliseconds > 0 { usleep(UInt32(stepMilliseconds) * 1000) }
        let size = description.vocabularySize
        var row = 0
        for slice in slices {
            let end = slice.startPosition + slice.tokens.count
            for position in end - slice.rowCount..<end {
                logits[row * size + peaks[row]] = 0
                peaks[row] = words.isEmpty ? 0 : words[position % words.count]
                logits[row * size + peaks[row]] = 10
                row += 1
            }
        }
        return UnsafeBufferPointer(rebasing: logits[0..<row * size])
    }

    var threadCount: Int { team.threadCount }

    func execute(_ slices: [StepSlice], for reader: any RowReader) -> StepRows {
        let rows = StepRows(
            execute(slices), rowCount: slices.reduce(0) { $0 + $1.rowCount }, width: description.rowWidth)
        team.run { member in
            for slice in member.share(slices.count) { reader.read(slice: slice, of: rows, thread: member.index) }
        }
        return rows
    }
}

extension TokenizerSpec {
    /// The same with the first `count` tokens only, and the merges that make them: sampling reads a row as long as the
    /// vocabulary for each token, and that is the worker's cost, not the router's.
    func first(_ count: Int) -> TokenizerSpec {
        guard count < tokens.count else { return self }
        var cut = self
        cut.tokens = Array(tokens.prefix(count))
        cut.tokenKinds = Array(tokenKinds.prefix(count))
        cut.scores = Array(scores.prefix(count))
        let known = Set(cut.tokens)
        cut.merges = merges.filter { merge in
            let sides = merge.split(separator: " ", omittingEmptySubsequences: false).map { String($0) }
            return sides.allSatisfy(known.contains) && known.contains(sides.joined())
        }
        cut.endOfTurnTokens = endOfTurnTokens.filter { $0 < count }
        cut.infillTokens = nil
        return cut
    }
}
