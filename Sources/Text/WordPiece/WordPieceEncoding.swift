import Inference

/// WordPiece: words from the vocabulary's pieces, the longest that fits first; a word that cannot be made is unknown.
///
/// Source: Wu et al., "Google's Neural Machine Translation System", 2016, as BERT uses it.
final class WordPieceEncoding: Sendable {
    /// What a piece begins with that continues a word. Compared by bytes: a mark behind it would make one character of
    /// both.
    static let continuation = Array("##".utf8)
    /// Longer words are unknown. In characters.
    private static let wordScalarMax = 100

    private let words: BertWords
    private let starts: VocabularyIndex
    private let continuations: VocabularyIndex
    private let unknown: TokenID
    /// Bytes of the longest piece.
    private let pieceByteMax: Int

    init(_ spec: TokenizerSpec) throws(TokenizerError) {
        guard let unknown = spec.unknownToken else { throw .malformed("a WordPiece tokenizer needs an unknown token") }
        self.unknown = unknown
        words = BertWords(normalization: spec.normalization)
        var starts: [(bytes: [UInt8], id: TokenID)] = []
        var continuations: [(bytes: [UInt8], id: TokenID)] = []
        for (id, token) in spec.tokens.enumerated() {
            let bytes = Array(token.utf8)
            if bytes.starts(with: Self.continuation) {
                continuations.append((Array(bytes.dropFirst(2)), TokenID(id)))
            } else {
                starts.append((bytes, TokenID(id)))
            }
        }
        self.starts = VocabularyIndex(starts)
        self.continuations = VocabularyIndex(continuations)
        pieceByteMax = spec.tokens.reduce(1) { max($0, $1.utf8.count) }
    }

    func encode(_ text: ArraySlice<UInt8>, into tokens: inout [TokenID]) {
        words.cut(String(decoding: text, as: UTF8.self)) { word, scalarCount in
            let before = tokens.count
            guard scalarCount <= Self.wordScalarMax, append(word, to: &tokens) else {
                tokens.removeLast(tokens.count - before)
                tokens.append(unknown)
                return
            }
        }
    }

    /// - Returns: false when some part of the word is no piece.
    private func append(_ word: ArraySlice<UInt8>, to tokens: inout [TokenID]) -> Bool {
        var start = word.startIndex
        while start < word.endIndex {
            let index = start == word.startIndex ? starts : continuations
            var end = min(word.endIndex, start + pieceByteMax)
            var found: TokenID?
            while end > start {
                // Pieces are whole characters: what ends inside of one is none.
                found = index.find(word[start..<end])
                if found != nil { break }
                end -= 1
            }
            guard let found else { return false }
            tokens.append(found)
            start = end
        }
        return true
    }
}
