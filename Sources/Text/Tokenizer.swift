package import Inference
@_spi(_Unicode) import Swift

/// Text to tokens and back, for one model. Immutable; shared between threads.
package final class Tokenizer: Sendable {
    private enum Encoding {
        case bytePair(BytePairEncoding)
        case sentencePiece(SentencePieceEncoding)
        case wordPiece(WordPieceEncoding)
    }

    package let spec: TokenizerSpec
    /// Tokens that end a turn or a text (EOS, EOT, end of message …), sorted.
    package let endTokens: [TokenID]
    /// nil where the model cannot fill in.
    package let infill: InfillTokens?
    /// Tokens that end what is filled in, besides `endTokens`. Sorted.
    package let infillEndTokens: [TokenID]
    private let encoding: Encoding
    private let tokenBytes: [[UInt8]]
    /// What each token adds to a text that ends with a whole character; nil for bytes that are no whole characters.
    private let tokenTexts: [String?]
    private let userDefined: SpecialTokens
    private let userDefinedAndControl: SpecialTokens
    private let spaceTakingTokens: Set<TokenID>
    private let tokensTakingSpaceBefore: Set<TokenID>

    /// - Throws: a sentence when the data cannot be a tokenizer's.
    package init(_ spec: TokenizerSpec) throws(TokenizerError) {
        try Self.check(spec)
        self.spec = spec
        let bytes = spec.tokens.indices.map { Self.bytes(of: $0, in: spec) }
        tokenBytes = bytes
        tokenTexts = bytes.map { String(validating: $0, as: UTF8.self) }
        encoding =
            switch spec.kind {
            case .bytePairEncoding: .bytePair(try BytePairEncoding(spec, bytes: bytes))
            case .sentencePiece: .sentencePiece(try SentencePieceEncoding(spec))
            case .wordPiece: .wordPiece(try WordPieceEncoding(spec))
            }
        func entries(_ kinds: [TokenizerSpec.TokenKind]) -> [(bytes: [UInt8], id: TokenID)] {
            spec.tokens.indices.filter { kinds.contains(spec.tokenKinds[$0]) }
                .map { (Array(spec.tokens[$0].utf8), TokenID($0)) }
        }
        userDefined = SpecialTokens(entries([.userDefined]))
        userDefinedAndControl = SpecialTokens(entries([.userDefined, .control, .unknown]))
        spaceTakingTokens = Set(spec.spaceTakingTokens)
        tokensTakingSpaceBefore = Set(spec.tokensTakingSpaceBefore)
        endTokens = Self.endTokens(of: spec)
        infill = spec.infillTokens ?? InfillTokens(spelledIn: spec)
        infillEndTokens = infill?.ends(in: spec) ?? []
    }

    package var vocabularySize: Int { spec.tokens.count }

    /// - Parameters:
    ///   - parsesSpecialTokens: text that spells a control token becomes that token.
    ///   - addsBOS: puts the model's beginning-of-sequence token in front if the model wants one and it is not there;
    ///     BERT's texts are ended too.
    package func encode(_ text: String, parsesSpecialTokens: Bool, addsBOS: Bool) -> [TokenID] {
        encode(utf8: Array(text.utf8), parsesSpecialTokens: parsesSpecialTokens, addsBOS: addsBOS)
    }

    /// The same of a text that is there as UTF-8.
    package func encode(utf8 text: [UInt8], parsesSpecialTokens: Bool, addsBOS: Bool) -> [TokenID] {
        var tokens = encode(text, parsesSpecialTokens ? userDefinedAndControl : userDefined, isStart: true)
        guard spec.kind != .wordPiece else { return addsBOS ? enclosed(tokens) : tokens }
        if addsBOS, spec.addsBOS, let bos = spec.bosToken, tokens.first != bos { tokens.insert(bos, at: 0) }
        return tokens
    }

    /// Text that goes on from another one: with no space in front. Control tokens are parsed.
    func encodeInside(_ text: String) -> [TokenID] {
        encode(Array(text.utf8), userDefinedAndControl, isStart: false)
    }

    private func encode(_ text: [UInt8], _ specials: SpecialTokens, isStart beginsText: Bool) -> [TokenID] {
        var tokens: [TokenID] = []
        var place = beginsText ? SentencePieceEncoding.Place.start : .inside
        var dropsSpace = false
        tokens.reserveCapacity(text.count / 4 + 8)
        specials.split(text) { plain, next in
            var plain = dropsSpace ? Self.withoutLeadingSpace(plain) : plain
            if let next, tokensTakingSpaceBefore.contains(next) { plain = Self.withoutTrailingSpace(plain) }
            switch encoding {
            case .bytePair(let encoding): encoding.encode(composed(plain), into: &tokens)
            case .sentencePiece(let encoding): encoding.encode(Array(plain), at: place, into: &tokens)
            case .wordPiece(let encoding): encoding.encode(plain, into: &tokens)
            }
            (place, dropsSpace) = (.inside, false)
        } special: { token in
            tokens.append(token)
            place = spec.tokenKinds[Int(token)] == .userDefined ? .inside : .afterControl
            dropsSpace = spaceTakingTokens.contains(token)
        }
        return tokens
    }

    /// In Unicode's NFC where the model wants it. ASCII is.
    private func composed(_ text: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        guard spec.composesText, text.contains(where: { $0 >= 0x80 }) else { return text }
        var composed: [UInt8] = []
        composed.reserveCapacity(text.count)
        for scalar in String(decoding: text, as: UTF8.self)._nfc { composed += UTF8.encode(scalar) ?? .init() }
        return composed[...]
    }

    private static func withoutLeadingSpace(_ text: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        guard let first = text.first, first.isASCIISpace || first >= 0x80 else { return text }
        let scalars = String(decoding: text, as: UTF8.self).unicodeScalars
        return text.dropFirst(scalars.prefix { $0.properties.isWhitespace }.reduce(0) { $0 + UTF8.width($1) })
    }

    private static func withoutTrailingSpace(_ text: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        guard let last = text.last, last.isASCIISpace || last >= 0x80 else { return text }
        let scalars = String(decoding: text, as: UTF8.self).unicodeScalars.reversed()
        return text.dropLast(scalars.prefix { $0.properties.isWhitespace }.reduce(0) { $0 + UTF8.width($1) })
    }

    /// BERT's frame around a text, whatever the text spells.
    private func enclosed(_ tokens: [TokenID]) -> [TokenID] {
        (spec.addsBOS ? [spec.bosToken].compactMap(\.self) : []) + tokens
            + (spec.addsEOS ? [spec.eosToken].compactMap(\.self) : [])
    }

    /// Two texts as BERT reads a pair: BOS, the first, EOS, the second, EOS.
    /// - Returns: with where the second begins.
    package func encodePair(_ first: String, _ second: String) -> (tokens: [TokenID], secondStart: Int) {
        let start = encode(first, parsesSpecialTokens: true, addsBOS: true)
        let rest = encode(second, parsesSpecialTokens: true, addsBOS: false)
        return (start + rest + (spec.addsEOS ? [spec.eosToken].compactMap(\.self) : []), start.count)
    }

    /// The bytes a token stands for in text; for a control token its spelling. Empty for ids outside the vocabulary.
    package func bytes(of token: TokenID) -> [UInt8] {
        tokenBytes.indices.contains(Int(token)) ? tokenBytes[Int(token)] : []
    }

    /// The same as text; nil where the bytes are no whole characters.
    func text(of token: TokenID) -> String? {
        tokenTexts.indices.contains(Int(token)) ? tokenTexts[Int(token)] : nil
    }

    /// Control tokens: left out of text unless asked for.
    package func isSpecial(_ token: TokenID) -> Bool {
        guard spec.tokenKinds.indices.contains(Int(token)) else { return true }
        let kind = spec.tokenKinds[Int(token)]
        return kind == .control || kind == .unknown
    }

    /// Whole text of `tokens`; bytes that are not UTF-8 become U+FFFD. A SentencePiece text loses the space that
    /// encoding put in front. WordPiece knows no more than words, in lower case as a rule.
    package func decode(_ tokens: [TokenID], skipsSpecialTokens: Bool) -> String {
        var bytes: [UInt8] = []
        for token in tokens where !(skipsSpecialTokens && isSpecial(token)) { bytes += self.bytes(of: token) }
        let hasSpace = spec.kind == .wordPiece || (spec.kind == .sentencePiece && spec.addsSpacePrefix)
        if hasSpace, bytes.first == 0x20 { bytes.removeFirst() }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// The bytes of each token where it is text; empty for those that never are: control tokens and the like, and those
    /// that end a text or a turn.
    package static func textBytes(of spec: TokenizerSpec) -> [[UInt8]] {
        let ends = Set(endTokens(of: spec))
        return spec.tokens.indices.map { index in
            guard spec.tokenKinds.indices.contains(index), !ends.contains(TokenID(truncatingIfNeeded: index)) else {
                return []
            }
            switch spec.tokenKinds[index] {
            case .control, .unknown, .unused: return []
            case .normal, .userDefined, .byte: return bytes(of: index, in: spec)
            }
        }
    }

    private static func check(_ spec: TokenizerSpec) throws(TokenizerError) {
        let count = spec.tokens.count
        guard count > 0, count <= Int(Int32.max) else { throw .malformed("the tokenizer has \(count) tokens") }
        guard spec.tokenKinds.count == count else {
            throw .malformed("the tokenizer has \(count) tokens and \(spec.tokenKinds.count) token types")
        }
        if let long = spec.tokens.firstIndex(where: { $0.utf8.count > 4096 }) {
            throw .malformed("token \(long) is longer than 4096 bytes")
        }
        let named: [(String, TokenID?)] =
            [("BOS", spec.bosToken), ("EOS", spec.eosToken), ("unknown", spec.unknownToken)]
            + spec.endOfTurnTokens.map { ("end-of-turn", $0) }
            + (spec.spaceTakingTokens + spec.tokensTakingSpaceBefore).map { ("space-taking", $0) }
            + [spec.infillTokens?.prefix, spec.infillTokens?.suffix, spec.infillTokens?.middle].map { ("infill", $0) }
        for case (let name, let id?) in named where !(0..<count).contains(Int(id)) {
            throw .malformed("the \(name) token \(id) is outside the vocabulary of \(count)")
        }
    }

    private static func bytes(of index: Int, in spec: TokenizerSpec) -> [UInt8] {
        let text = spec.tokens[index]
        let kind = spec.tokenKinds[index]
        switch spec.kind {
        case .bytePairEncoding:
            return kind == .normal ? ByteAlphabet.decode(text) ?? Array(text.utf8) : Array(text.utf8)
        case .sentencePiece:
            if kind == .byte, let byte = SentencePieceEncoding.byte(text) { return [byte] }
            guard kind != .control else { return Array(text.utf8) }
            var bytes: [UInt8] = []
            for scalar in text.unicodeScalars {
                if scalar.value == 0x2581 { bytes.append(0x20) } else { bytes += Array(UTF8.encode(scalar) ?? .init()) }
            }
            return bytes
        case .wordPiece:
            guard kind == .normal else { return Array(text.utf8) }
            return text.utf8.starts(with: WordPieceEncoding.continuation)
                ? Array(text.utf8.dropFirst(2)) : [0x20] + text.utf8
        }
    }

    /// Spellings of tokens that end a turn, whether or not the file says so, and as whatever kind it has them: some
    /// files call them user-defined or normal.
    private static let endSpellings: Set<String> = [
        "<|im_end|>", "<|eot_id|>", "<|eom_id|>", "<|end|>", "<end_of_turn>", "<|endoftext|>", "<|end_of_text|>",
        "<EOT>", "_<EOT>", "<|return|>", "<|call|>", "<｜end▁of▁sentence｜>",
    ]

    private static func endTokens(of spec: TokenizerSpec) -> [TokenID] {
        var ids = Set(spec.endOfTurnTokens)
        if let eos = spec.eosToken { ids.insert(eos) }
        for (index, text) in spec.tokens.enumerated()
        where text.utf8.count <= 32 && endSpellings.contains(text) {
            ids.insert(TokenID(index))
        }
        return ids.sorted()
    }
}
