import Inference

/// Drafts by prompt lookup: tokens that followed the sequence's last ones where they stood before. Summaries, edits and
/// code repeat what they read. No second model, no state (Saxena, "Prompt Lookup Decoding", 2023).
enum PromptLookup {
    /// Tokens looked at, from the end: what bounds the cost, some microseconds.
    static let windowTokenCount = 4096
    /// Tokens that must match before a draft is worth a row, and those after which a longer match says no more.
    static let matchMin = 3
    static let matchMax = 8

    /// Appends what followed the longest match, the latest of several; where the text repeats itself, the repetition goes
    /// on. At most `limit` tokens; none when nothing matches.
    static func addDraft(after tokens: [TokenID], limit: Int, to slice: inout [TokenID]) {
        guard limit > 0, let end = tokens.withUnsafeBufferPointer({ bestMatch(in: $0) }) else { return }
        let first = slice.count
        for place in end..<end + limit {
            slice.append(place < tokens.count ? tokens[place] : slice[first + place - tokens.count])
        }
    }

    /// Where the text goes on behind the match.
    private static func bestMatch(in tokens: UnsafeBufferPointer<TokenID>) -> Int? {
        guard tokens.count > matchMin else { return nil }
        let last = tokens.count - 1
        var best: (end: Int, length: Int)?
        for end in stride(from: last - 1, through: max(matchMin - 1, last - windowTokenCount), by: -1)
        where tokens[end] == tokens[last] {
            var length = 1
            while length < matchMax, length <= end, tokens[end - length] == tokens[last - length] { length += 1 }
            guard length >= matchMin, length > best?.length ?? 0 else { continue }
            best = (end + 1, length)
            if length == matchMax { break }
        }
        return best?.end
    }
}

/// How much a sequence may draft, as its drafts went so far: twice as much when all was right, nothing for a while when
/// hardly anything was, longer each time. Decides what is computed, never what comes out.
struct DraftPace: Equatable, Sendable {
    static let limitMax = 8
    static let pauseMax = 64

    private var limit = 4
    private var misses = 0
    /// Steps left without a draft.
    private var pause = 0

    /// Called once a step.
    mutating func takeLimit() -> Int {
        guard pause == 0 else {
            pause -= 1
            return 0
        }
        return limit
    }

    mutating func record(drafted: Int, accepted: Int) {
        guard drafted > 0 else { return }
        // A row costs up to a third of a step where the model is small: fewer hits do not pay for the misses.
        if accepted * 3 < drafted {
            misses += 1
            pause = min(1 << min(misses, 6), Self.pauseMax)
            limit = 2
        } else {
            misses = 0
            limit = accepted == drafted ? min(2 * limit, Self.limitMax) : max(2, accepted + 1)
        }
    }
}
