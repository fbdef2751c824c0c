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
    private let recent = EncodingCache()

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
            merges.insert(left, right, .init(cost: UInt32(truncatingIfNeeded: rank), token: token))
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

    /// What is kept of each byte of a short word: going through all pairs each time beats a heap.
    private typealias Short<Element> = InlineArray<24, Element>
    private static let shortByteCount = Short<TokenID>.count

    func encode(_ text: ArraySlice<UInt8>, into tokens: inout [TokenID]) {
        guard text.count <= StretchCache.byteMax else {
            // So long a text keeps nobody from looking: it does so word by word.
            return preTokenizer.split(text) { range in
                let isDone: Void? = recent.withoutWaiting { words, _ in encode(text, range, &words, into: &tokens) }
                if isDone == nil { encodeWord(text[range], into: &tokens) }
            }
        }
        let isDone: Void? = recent.withoutWaiting { encode(text, &$0, &$1, into: &tokens) }
        if isDone == nil { preTokenizer.split(text) { encodeWord(text[$0], into: &tokens) } }
    }

    private func encode(
        _ text: ArraySlice<UInt8>, _ words: inout WordCache, _ stretches: inout StretchCache,
        into tokens: inout [TokenID]
    ) {
        let hash = text.span.mixedHash
        guard !stretches.append(text.span, hash: hash, to: &tokens) else { return }
        let start = tokens.count
        preTokenizer.split(text) { encode(text, $0, &words, into: &tokens) }
        stretches.keep(text.span, hash: hash, tokens[start...])
    }

    /// One word of a text.
    private func encode(
        _ text: ArraySlice<UInt8>, _ range: Range<Int>, _ words: inout WordCache, into tokens: inout [TokenID]
    ) {
        let place = range.lowerBound - text.startIndex..<range.upperBound - text.startIndex
        guard let word = WordCache.Word(text.span, place) else { return encodeWord(text[range], into: &tokens) }
        guard !words.append(word, to: &tokens) else { return }
        let start = tokens.count
        encodeWord(text[range], into: &tokens)
        words.keep(word, tokens[start...])
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
                merges.find(left.token, right.token)
            }
            tokens += pieces.map(\.token)
        }
    }

    /// Most words are short; this gives what `PairMerging` gives.
    private static func encodeShort(
        _ word: ArraySlice<UInt8>, _ byteTokens: [TokenID], _ merges: MergeTable, into tokens: inout [TokenID]
    ) {
        var pieces = Short<TokenID>(repeating: 0)
        var count = 0
        for byte in word where byteTokens[Int(byte)] >= 0 {
            pieces[count] = byteTokens[Int(byte)]
            count += 1
        }
        // What each piece and the next one become.
        var next = Short<PairMerging.Merge>(repeating: .none)
        for index in 0..<max(0, count - 1) { next[index] = merges.look(pieces[index], pieces[index + 1]) }
        while count > 1 {
            var best = 0
            for index in 1..<count - 1 where next[index].cost < next[best].cost { best = index }
            guard next[best].token >= 0 else { break }
            pieces[best] = next[best].token
            count -= 1
            for index in best + 1..<count {
                pieces[index] = pieces[index + 1]
                next[index] = next[index + 1]
            }
            next[best] = best + 1 < count ? merges.look(pieces[best], pieces[best + 1]) : .none
            if best > 0 { next[best - 1] = merges.look(pieces[best - 1], pieces[best]) }
        }
        for index in 0..<count { tokens.append(pieces[index]) }
    }
}
