import Inference

/// Finds tokens that are matched in text as they are spelled: control tokens and those that users added.
struct SpecialTokens: Sendable {
    private let index: VocabularyIndex
    /// Tokens of one length that begin with the same byte.
    private struct Kind {
        var byteCount: Int
        /// The bits of their last bytes, one of 64 for each. Nearly all text is told apart by this.
        var ends: UInt64
    }

    /// By first byte, the longest first.
    private var kinds: [[Kind]] = Array(repeating: [], count: 256)
    /// Whether any token begins with a byte: few do.
    private var begins = Array(repeating: false, count: 256)
    /// The byte with which all of them begin, if there is one: mostly "<".
    private var onlyBegin: UInt8?

    init(_ entries: [(bytes: [UInt8], id: TokenID)]) {
        index = VocabularyIndex(entries)
        for entry in entries {
            guard let first = entry.bytes.first else { continue }
            begins[Int(first)] = true
            let end = entry.bytes.last.map(Self.bit) ?? 0
            if let place = kinds[Int(first)].firstIndex(where: { $0.byteCount == entry.bytes.count }) {
                kinds[Int(first)][place].ends |= end
            } else {
                kinds[Int(first)].append(Kind(byteCount: entry.bytes.count, ends: end))
            }
        }
        if begins.count(where: \.self) == 1 { onlyBegin = begins.firstIndex(of: true).map { UInt8($0) } }
        for first in 0..<256 { kinds[first].sort { $0.byteCount > $1.byteCount } }
    }

    private static func bit(of byte: UInt8) -> UInt64 { 1 << UInt64(byte & 63) }

    /// Cuts `text` at special tokens: calls `plain` with what lies between and the token that follows it, and `special`
    /// with each, in order.
    func split(_ text: [UInt8], plain: (ArraySlice<UInt8>, TokenID?) -> Void, special: (TokenID) -> Void) {
        var start = 0
        var at = 0
        let (bytes, begins) = (text.span, begins.span)
        while at < bytes.count {
            if let onlyBegin, let word = bytes.word(at: at), !word.hasByte(onlyBegin) {
                at += 8
                continue
            }
            guard begins[Int(bytes[at])] else {
                at += 1
                continue
            }
            if let (byteCount, token) = find(in: text, at: at) {
                if start < at { plain(text[start..<at], token) }
                special(token)
                at += byteCount
                start = at
            } else {
                at += 1
            }
        }
        if start < text.count { plain(text[start...], nil) }
    }

    private func find(in text: [UInt8], at start: Int) -> (byteCount: Int, token: TokenID)? {
        for kind in kinds[Int(text[start])] where start + kind.byteCount <= text.count {
            let end = start + kind.byteCount
            guard kind.ends & Self.bit(of: text[end - 1]) != 0 else { continue }
            if let token = index.find(text[start..<end]) { return (kind.byteCount, token) }
        }
        return nil
    }
}
