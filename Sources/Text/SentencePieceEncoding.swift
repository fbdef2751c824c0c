import Inference

/// SentencePiece's BPE: merges by score, spaces as U+2581, unknown characters as bytes.
/// Source: Kudo and Richardson, 2018.
struct SentencePieceEncoding: Sendable {
    private static let space: [UInt8] = [0xE2, 0x96, 0x81]

    private let index: VocabularyIndex
    private let scores: [Float]
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
        scores = spec.scores
        self.byteTokens = byteTokens
        unknown = spec.unknownToken
        addsSpacePrefix = spec.addsSpacePrefix
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
        var start: [(range: Range<Int>, token: TokenID)] = []
        var at = 0
        while at < spelled.count {
            var end = at + 1
            while end < spelled.count, spelled[end] & 0xC0 == 0x80 { end += 1 }
            start.append((at..<end, index.find(spelled[at..<end]) ?? -1))
            at = end
        }
        let pieces = PairMerging.run(start) { left, right in
            guard let token = index.find(spelled[left.range.lowerBound..<right.range.upperBound]) else { return nil }
            return .init(cost: -Double(scores[Int(token)]), token: token)
        }
        for piece in pieces {
            if piece.token >= 0 {
                tokens.append(piece.token)
            } else {
                let fallback = spelled[piece.range].map { byteTokens[Int($0)] }
                if fallback.allSatisfy({ $0 >= 0 }) {
                    tokens += fallback
                } else if let unknown {
                    tokens.append(unknown)
                }
            }
        }
    }
}
