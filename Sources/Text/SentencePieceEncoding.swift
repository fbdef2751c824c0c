import Inference

/// SentencePiece's BPE: merges by score, spaces as U+2581, unknown characters as bytes.
/// Source: Kudo and Richardson, 2018.
final class SentencePieceEncoding: Sendable {
    private static let space: [UInt8] = [0xE2, 0x96, 0x81]

    private let index: VocabularyIndex
    /// Of each token: lower the better its score.
    private let costs: [UInt32]
    private let byteTokens: [TokenID]
    private let unknown: TokenID?
    private let addsSpacePrefix: Bool

    init(_ spec: TokenizerSpec) throws(TokenizerError) {
        guard spec.scores.count == spec.tokens.count else {
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
        index = VocabularyIndex(entries)
        costs = spec.scores.map(Self.cost)
        self.byteTokens = byteTokens
        unknown = spec.unknownToken
        addsSpacePrefix = spec.addsSpacePrefix
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

    /// - Parameter isStart: the text begins the input or follows a control token: then it gets its space prefix.
    func encode(_ text: [UInt8], isStart: Bool, into tokens: inout [TokenID]) {
        guard !text.isEmpty else { return }
        var spelled = isStart && addsSpacePrefix ? Self.space : []
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
        let pieces = PairMerging.run(start, end: end) { left, _, end in
            index.find(spelled[Int(left.start)..<Int(end)]).map { .init(cost: costs[Int($0)], token: $0) }
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
