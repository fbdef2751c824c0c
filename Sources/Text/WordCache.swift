import Inference
import Synchronization

/// What words became that are several tokens: texts repeat their words, and copying tokens is quicker than merging anew.
/// Each place holds one word, the one seen last. Bounded: some 250 KiB.
final class WordCache: Sendable {
    private struct Entry {
        var byteCount: UInt8 = 0
        var tokenCount: UInt8 = 0
        var bytes = InlineArray<24, UInt8>(repeating: 0)
        var tokens = InlineArray<8, TokenID>(repeating: 0)

        func holds(_ word: Span<UInt8>) -> Bool {
            guard word.count == Int(byteCount) else { return false }
            for place in word.indices where bytes[place] != word[place] { return false }
            return true
        }
    }

    /// As many as a power of two.
    private let entries = Mutex([Entry](repeating: Entry(), count: 4096))

    /// Appends what `word` became.
    /// - Parameter hash: of `word`.
    /// - Returns: false when that is not known, or when another thread looks just now: merging is no slower than waiting.
    func append(_ word: Span<UInt8>, hash: Int, to tokens: inout [TokenID]) -> Bool {
        entries.withLockIfAvailable { entries in
            let entry = entries[hash & (entries.count - 1)]
            guard entry.holds(word) else { return false }
            for place in 0..<Int(entry.tokenCount) { tokens.append(entry.tokens[place]) }
            return true
        } ?? false
    }

    /// Keeps what `word` became, if there is room for both.
    func keep(_ word: Span<UInt8>, hash: Int, _ tokens: ArraySlice<TokenID>) {
        var entry = Entry()
        guard (1...entry.bytes.count).contains(word.count), (1...entry.tokens.count).contains(tokens.count) else {
            return
        }
        entry.byteCount = UInt8(truncatingIfNeeded: word.count)
        entry.tokenCount = UInt8(truncatingIfNeeded: tokens.count)
        for place in word.indices { entry.bytes[place] = word[place] }
        for (place, token) in tokens.enumerated() { entry.tokens[place] = token }
        entries.withLockIfAvailable { $0[hash & ($0.count - 1)] = entry }
    }
}
