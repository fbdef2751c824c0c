import Inference

/// Byte-level BPE with ranked merges. Source: Sennrich et al., 2016; GPT-2's byte alphabet.
/// A class, so that closures take one reference along.
final class BytePairEncoding: Sendable {
    private let preTokenizer: PreTokenizer
    /// Token of each single byte; -1 when the vocabulary has none.
    private let byteTokens: [TokenID]
    private let merges: MergeTable
    /// Words that become one token: merging need not find out.
    private let words: VocabularyIndex

    /// - Parameter bytes: what each token stands for.
    init(_ spec: TokenizerSpec, bytes: [[UInt8]]) throws(TokenizerError) {
        preTokenizer = try PreTokenizer(named: spec.preTokenizer)
        var ids: [String: TokenID] = [:]
        ids.reserveCapacity(spec.tokens.count)
        for (index, token) in spec.tokens.enumerated() where ids[token] == nil { ids[token] = TokenID(index) }
        let byteTokens = ByteAlphabet.scalars.map { value in
            Unicode.Scalar(value).flatMap { ids[String(Character($0))] } ?? -1
        }
        self.byteTokens = byteTokens
        var merges = MergeTable(count: spec.merges.count)
        for (rank, merge) in spec.merges.enumerated() {
            let sides = merge.split(separator: " ", omittingEmptySubsequences: false)
            guard sides.count == 2, let left = ids[String(sides[0])], let right = ids[String(sides[1])],
                let token = ids[String(sides[0] + sides[1])]
            else { throw .malformed("merge \(rank) of the tokenizer, '\(merge.prefix(40))', is not of two tokens") }
            merges.insert(left, right, .init(rank: UInt32(truncatingIfNeeded: rank), token: token))
        }
        self.merges = merges
        let normal = bytes.indices.filter { spec.tokenKinds[$0] == .normal }.map { (bytes[$0], TokenID($0)) }
        words = VocabularyIndex(
            preTokenizer.takesWholeWords
                ? normal
                : normal.filter { word, token in
                    guard word.count <= Self.shortByteCount else { return false }
                    var tokens: [TokenID] = []
                    Self.encodeShort(word[...], byteTokens, merges, into: &tokens)
                    return tokens == [token]
                })
    }

    /// Below, looking at all pairs each time beats a heap.
    private static let shortByteCount = 24

    func encode(_ text: ArraySlice<UInt8>, into tokens: inout [TokenID]) {
        preTokenizer.split(text) { word in encodeWord(text[word], into: &tokens) }
    }

    private func encodeWord(_ word: ArraySlice<UInt8>, into tokens: inout [TokenID]) {
        if let whole = words.find(word) {
            tokens.append(whole)
        } else if word.count <= Self.shortByteCount {
            Self.encodeShort(word, byteTokens, merges, into: &tokens)
        } else {
            let start = word.map { byteTokens[Int($0)] }.filter { $0 >= 0 }
                .map { PairMerging.Piece(start: 0, token: $0) }
            let pieces = PairMerging.run(start, end: 0) { left, right, _ in
                merges.find(left.token, right.token).map { .init(cost: $0.rank, token: $0.token) }
            }
            tokens += pieces.map(\.token)
        }
    }

    /// Most words are short; this gives what `PairMerging` gives.
    private static func encodeShort(
        _ word: ArraySlice<UInt8>, _ byteTokens: [TokenID], _ merges: MergeTable, into tokens: inout [TokenID]
    ) {
        let start = tokens.count
        for byte in word where byteTokens[Int(byte)] >= 0 { tokens.append(byteTokens[Int(byte)]) }
        while tokens.count - start > 1 {
            var best: (rank: UInt32, token: TokenID, at: Int)?
            for index in start..<tokens.count - 1 {
                if let merge = merges.find(tokens[index], tokens[index + 1]), merge.rank < best?.rank ?? .max {
                    best = (merge.rank, merge.token, index)
                }
            }
            guard let best else { return }
            tokens[best.at] = best.token
            tokens.remove(at: best.at + 1)
        }
    }
}
