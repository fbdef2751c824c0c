import Inference

/// SentencePiece's BPE: merges by score, spaces as U+2581, unknown characters as bytes. Hugging Face's files have ranked
/// merges in place of scores.
/// Source: Kudo and Richardson, 2018.
final class SentencePieceEncoding: Sendable {
    /// Where a part of a text lies.
    enum Place {
        case start
        case afterControl
        case inside
    }

    private enum Order {
        /// Of each token: lower the better its score.
        case costs([UInt32])
        case merges(MergeTable)
    }

    private static let space: [UInt8] = [0xE2, 0x96, 0x81]

    private let index: VocabularyIndex
    private let order: Order
    private let byteTokens: [TokenID]
    private let unknown: TokenID?
    /// nil: no part gets a space in front.
    private let prefixPlace: TokenizerSpec.SpacePrefixPlace?

    init(_ spec: TokenizerSpec) throws(TokenizerError) {
        guard spec.scores.count == spec.tokens.count || !spec.merges.isEmpty else {
            throw .malformed("the tokenizer has \(spec.tokens.count) tokens and \(spec.scores.count) scores")
        }
        var entries: [(bytes: [UInt8], id: TokenID)] = []
        var byteTokens = [TokenID](repeating: -1, count: 256)
        for (id, token) in spec.tokens.enumerated() {
            switch spec.tokenKinds[id] {
            case .byte:
                guard let byte = Self.byte(token) else {
                    throw .malformed("token \(id), '\(token.prefix(20))', should be a byte such as <0x0A>")
                }
                byteTokens[Int(byte)] = TokenID(id)
            case .normal, .userDefined, .unused: entries.append((Array(token.utf8), TokenID(id)))
            case .unknown, .control: break
            }
        }
        let index = VocabularyIndex(entries)
        self.index = index
        order =
            spec.merges.isEmpty
            ? .costs(spec.scores.map(Self.cost)) : .merges(try Self.mergeTable(spec.merges, index))
        self.byteTokens = byteTokens
        unknown = spec.unknownToken
        prefixPlace = spec.addsSpacePrefix ? spec.spacePrefixPlace : nil
    }

    private static func mergeTable(_ merges: [String], _ index: VocabularyIndex) throws(TokenizerError) -> MergeTable {
        var table = MergeTable(count: merges.count)
        for (rank, merge) in merges.enumerated() {
            let sides = Array(merge.utf8).split(separator: 0x20, omittingEmptySubsequences: false)
            guard sides.count == 2, let left = index.find(sides[0]), let right = index.find(sides[1]),
                let token = index.find((sides[0] + sides[1])[...])
            else { throw .malformed("merge \(rank) of the tokenizer, '\(merge.prefix(40))', is not of two tokens") }
            table.insert(left, right, .init(cost: UInt32(truncatingIfNeeded: rank), token: token))
        }
        return table
    }

    /// The order of floating-point numbers, reversed, as the order of integers.
    private static func cost(_ score: Float) -> UInt32 {
        let bits = (-score).bitPattern
        return bits >> 31 == 1 ? ~bits : bits | 1 << 31
    }

    /// `<0x0A>`: exactly two hexadecimal digits.
    static func byte(_ token: String) -> UInt8? {
        let text = Array(token.utf8)
        guard text.count == 6, text.starts(with: "<0x".utf8), text[5] == UInt8(ascii: ">") else { return nil }
        let digits = text[3...4].compactMap { digit -> UInt8? in
            switch digit {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
            case UInt8(ascii: "A")...UInt8(ascii: "F"): digit - UInt8(ascii: "A") + 10
            case UInt8(ascii: "a")...UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
            default: nil
            }
        }
        return digits.count == 2 ? digits[0] << 4 | digits[1] : nil
    }

    private func hasPrefix(_ text: [UInt8], at place: Place) -> Bool {
        let isUnspaced = text.first != 0x20 && !text.starts(with: Self.space)
        return switch prefixPlace {
        case nil: false
        case .afterControl?: place != .inside
        case .everywhere?: true
        case .everywhereUnspaced?: isUnspaced
        case .startUnspaced?: place == .start && isUnspaced
        }
    }

    func encode(_ text: [UInt8], at place: Place, into tokens: inout [TokenID]) {
        guard !text.isEmpty else { return }
        var spelled = hasPrefix(text, at: place) ? Self.space : []
        for byte in text {
            if byte == 0x20 { spelled += Self.space } else { spelled.append(byte) }
        }
        var start: [PairMerging.Piece] = []
        var at = 0
        while at < spelled.count {
            var end = at + 1
            while end < spelled.count, spelled[end] & 0xC0 == 0x80 { end += 1 }
            start.append(.init(start: Int32(truncatingIfNeeded: at), token: index.find(spelled[at..<end]) ?? -1))
            at = end
        }
        let end = Int32(truncatingIfNeeded: spelled.count)
        let pieces =
            switch order {
            case .costs(let costs):
                PairMerging.run(start, end: end) { left, _, end in
                    index.find(spelled[Int(left.start)..<Int(end)]).map { .init(cost: costs[Int($0)], token: $0) }
                }
            case .merges(let merges):
                PairMerging.run(start, end: end) { left, right, _ in
                    guard left.token >= 0, right.token >= 0 else { return nil }
                    return merges.find(left.token, right.token)
                }
            }
        var isUnknown = false
        for (position, piece) in pieces.enumerated() {
            let wasUnknown = isUnknown
            isUnknown = false
            if piece.token >= 0 {
                tokens.append(piece.token)
            } else {
                let end = position + 1 < pieces.count ? Int(pieces[position + 1].start) : spelled.count
                let fallback = spelled[Int(piece.start)..<end].map { byteTokens[Int($0)] }
                if fallback.allSatisfy({ $0 >= 0 }) {
                    tokens += fallback
                } else if let unknown {
                    // Neighbouring unknown characters are one token, as in the library.
                    if !wasUnknown { tokens.append(unknown) }
                    isUnknown = true
                }
            }
        }
    }
}
