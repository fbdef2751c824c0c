import Inference
import Serving
import Text

/// The text of one choice as its tokens come: whole characters only, nothing of a stop string before it is known not to
/// be one, and each token told with the text that it ends: tokens are told in order, so that it is enough to count them.
///
/// A pure function of the tokens: which worker made them, and in how many reports they came, leaves no trace.
struct TextStream: Sendable {
    /// Text that may be shown now, and the tokens whose text ended with it.
    struct Piece: Equatable, Sendable {
        var text = ""
        var tokenCount = 0
        /// One for each token when asked for, else none.
        var logprobs: [LoggedToken] = []
        var isEmpty: Bool { text.isEmpty && tokenCount == 0 }
    }

    /// A token whose text is not shown to its end.
    private struct Pending: Sendable {
        var logged: LoggedToken?
        /// Where its text begins and ends, in bytes from the start; the end is unknown while it has none of its own.
        var start: Int
        var end: Int?
    }

    private var detokenizer: IncrementalDetokenizer
    private var filter: StopStringFilter
    private let hasStopStrings: Bool
    private let includesStop: Bool
    private let minTokens: Int
    private var tokenCount = 0
    private var madeBytes = 0
    private var shownBytes = 0
    private var pending: [Pending] = []
    private var piece = Piece()

    init(_ tokenizer: Tokenizer, for request: borrowing GenerationRequest) {
        detokenizer = IncrementalDetokenizer(tokenizer, skipsSpecialTokens: request.skipsSpecialTokens)
        filter = StopStringFilter(
            stopStrings: request.stopStrings, includesStopString: request.includesStopString)
        hasStopStrings = !request.stopStrings.isEmpty
        includesStop = request.includesStopString
        minTokens = request.sampling.minTokens
    }

    /// - Returns: the stop string that this token completed. Nothing may be appended after one.
    mutating func append(_ token: TokenID, _ logged: LoggedToken?) -> String? {
        tokenCount += 1
        let text = detokenizer.append(token)
        // Nothing waits and nothing could: the token is shown with its text at once.
        if !hasStopStrings, pending.isEmpty, !text.isEmpty {
            madeBytes += text.utf8.count
            show(text)
            deliver(logged)
            return nil
        }
        pending.append(Pending(logged: logged, start: madeBytes, end: nil))
        return take(text)
    }

    /// The worker ended the choice at its last token. A stop token is no part of the text, unless stops are to be
    /// included.
    mutating func appendStopToken(_ token: TokenID, _ logged: LoggedToken?) -> String? {
        includesStop ? append(token, logged) : nil
    }

    /// No token follows: shows what was held back.
    /// - Returns: a stop string that the end of an unfinished character completed.
    mutating func finish() -> String? {
        if let matched = take(detokenizer.finish()) { return matched }
        show(filter.finish())
        for entry in pending { deliver(entry.logged) }
        pending.removeAll()
        return nil
    }

    /// What may be shown since this was last asked.
    mutating func takePiece() -> Piece {
        defer { piece = Piece() }
        return piece
    }

    private mutating func take(_ text: String) -> String? {
        guard !text.isEmpty else { return nil }
        madeBytes += text.utf8.count
        for place in pending.indices where pending[place].end == nil { pending[place].end = madeBytes }
        // Text of the first `minTokens` tokens cannot stop anything.
        guard hasStopStrings, tokenCount > minTokens else {
            show(text)
            deliverShown()
            return nil
        }
        let output = filter.process(text)
        show(output.text)
        guard output.matched != nil else {
            deliverShown()
            return nil
        }
        for entry in pending where entry.start < shownBytes { deliver(entry.logged) }
        pending.removeAll()
        return output.matched
    }

    private mutating func show(_ text: String) {
        piece.text += text
        shownBytes += text.utf8.count
    }

    private mutating func deliverShown() {
        var count = 0
        while count < pending.count, let end = pending[count].end, end <= shownBytes {
            deliver(pending[count].logged)
            count += 1
        }
        pending.removeFirst(count)
    }

    private mutating func deliver(_ logged: LoggedToken?) {
        piece.tokenCount += 1
        if let logged { piece.logprobs.append(logged) }
    }
}
