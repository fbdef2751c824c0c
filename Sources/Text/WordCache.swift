import Inference
import Synchronization

/// What words and stretches of text became, for all threads.
final class EncodingCache: Sendable {
    private let recent = Mutex((words: WordCache(), stretches: StretchCache()))

    /// - Returns: nil, and nothing is done, where another thread looks just now: finding out anew is no slower than waiting.
    func withoutWaiting(_ body: (inout WordCache, inout StretchCache) -> Void) -> Void? {
        recent.withLockIfAvailable { body(&$0.words, &$0.stretches) }
    }
}

/// What words became: texts repeat their words, and copying tokens is quicker than finding them anew. Each place holds one
/// word, the one seen last. Bounded: some 250 KiB.
struct WordCache: Sendable {
    /// A short word by its bytes, so that comparing two takes no more than comparing numbers.
    struct Word: Equatable, Sendable {
        static let byteMax = 24

        private var first: UInt64
        private var second: UInt64
        private var third: UInt64
        private var byteCount: UInt8

        /// A part of a text; nil where it is longer.
        init?(_ text: Span<UInt8>, _ range: Range<Int>) {
            guard range.count <= Self.byteMax else { return nil }
            byteCount = UInt8(truncatingIfNeeded: range.count)
            first = text.word(at: range.lowerBound, before: range.upperBound)
            second = text.word(at: range.lowerBound + 8, before: range.upperBound)
            third = text.word(at: range.lowerBound + 16, before: range.upperBound)
        }

        fileprivate init() { (first, second, third, byteCount) = (0, 0, 0, 0) }

        /// As many as there are places.
        fileprivate var place: Int {
            var hash = (first ^ UInt64(byteCount)) &* 0x9E37_79B9_7F4A_7C15
            hash = (hash ^ hash >> 32 ^ second) &* 0x9E37_79B9_7F4A_7C15
            hash = (hash ^ hash >> 32 ^ third) &* 0x9E37_79B9_7F4A_7C15
            return Int(truncatingIfNeeded: hash >> 52)
        }
    }

    private struct Entry {
        var word = Word()
        var tokenCount: UInt8 = 0
        var tokens = InlineArray<8, TokenID>(repeating: 0)
    }

    private var entries = [Entry](repeating: Entry(), count: 1 << 12)

    /// Appends what a word became.
    /// - Returns: false when that is not known.
    func append(_ word: Word, to tokens: inout [TokenID]) -> Bool {
        let place = word.place
        guard entries[place].word == word, entries[place].tokenCount > 0 else { return false }
        for number in 0..<Int(entries[place].tokenCount) { tokens.append(entries[place].tokens[number]) }
        return true
    }

    /// Keeps what a word became, if there is room for it.
    mutating func keep(_ word: Word, _ tokens: ArraySlice<TokenID>) {
        var entry = Entry()
        guard (1...entry.tokens.count).contains(tokens.count) else { return }
        entry.word = word
        entry.tokenCount = UInt8(truncatingIfNeeded: tokens.count)
        for (place, token) in tokens.enumerated() { entry.tokens[place] = token }
        entries[word.place] = entry
    }
}

/// What stretches of text between special tokens became: a chat comes again with each of its turns, and many begin alike.
/// Kept is what was seen twice. Each place holds one stretch. Bounded: some 5 MiB if all are as long as they may be.
///
/// It is common to all tenants. Whether another one said the same shows in the first look alone, which then leaves its own
/// mark, and by some microseconds: a longer stretch would show by more.
struct StretchCache: Sendable {
    static let byteMax = 1024

    private struct Entry {
        var text: [UInt8] = []
        var tokens: [TokenID] = []
    }

    private var entries = [Entry](repeating: Entry(), count: 1 << 10)
    /// Of what was seen last at each place, bits of its hash.
    private var seen = [UInt32](repeating: 0, count: 1 << 12)

    /// Appends what a stretch became.
    /// - Parameter hash: of `text`. Texts of equal hashes take each other's place, no more.
    /// - Returns: false when that is not known.
    func append(_ text: Span<UInt8>, hash: UInt64, to tokens: inout [TokenID]) -> Bool {
        let place = Int(truncatingIfNeeded: hash >> 54)
        let known = entries[place].text
        guard known.count == text.count, !text.isEmpty else { return false }
        let bytes = known.span
        var at = 0
        while at < text.count {
            guard bytes.word(at: at, before: text.count) == text.word(at: at, before: text.count) else { return false }
            at += 8
        }
        tokens += entries[place].tokens
        return true
    }

    /// Keeps what a stretch became, if it was seen before.
    mutating func keep(_ text: Span<UInt8>, hash: UInt64, _ tokens: ArraySlice<TokenID>) {
        let mark = UInt32(truncatingIfNeeded: hash) | 1
        let place = Int(truncatingIfNeeded: hash >> 52)
        guard seen[place] == mark else {
            seen[place] = mark
            return
        }
        var copy: [UInt8] = []
        copy.reserveCapacity(text.count)
        for place in text.indices { copy.append(text[place]) }
        entries[Int(truncatingIfNeeded: hash >> 54)] = Entry(text: copy, tokens: Array(tokens))
    }
}
