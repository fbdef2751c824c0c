import Inference

/// Finds tokens that are matched in text as they are spelled: control tokens and those that users added.
struct SpecialTokens: Sendable {
    private let index: VocabularyIndex
    /// For each first byte the lengths of tokens that begin with it, longest first.
    private var lengths: [[Int]] = Array(repeating: [], count: 256)
    /// Whether any token begins with a byte: few do.
    private var begins = Array(repeating: false, count: 256)

    init(_ entries: [(bytes: [UInt8], id: TokenID)]) {
        index = VocabularyIndex(entries)
        for entry in entries {
            guard let first = entry.bytes.first else { continue }
            begins[Int(first)] = true
            if !lengths[Int(first)].contains(entry.bytes.count) { lengths[Int(first)].append(entry.bytes.count) }
        }
        for first in 0..<256 { lengths[first].sort(by: >) }
    }

    /// Cuts `text` at special tokens: calls `plain` with what lies between and the token that follows it, and `special`
    /// with each, in order.
    func split(_ text: [UInt8], plain: (ArraySlice<UInt8>, TokenID?) -> Void, special: (TokenID) -> Void) {
        var start = 0
        var at = 0
        let (bytes, begins) = (text.span, begins.span)
        while at < bytes.count {
            guard begins[Int(bytes[at])] else {
                at += 1
                continue
            }
            let found = lengths[Int(text[at])].lazy.filter { at + $0 <= text.count }
                .compactMap { length in index.find(text[at..<at + length]).map { (length, $0) } }.first
            if let (length, token) = found {
                if start < at { plain(text[start..<at], token) }
                special(token)
                at += length
                start = at
            } else {
                at += 1
            }
        }
        if start < text.count { plain(text[start...], nil) }
    }
}
