package import Inference

/// What stands before each part when a model fills in the middle of a text: the text before, the text behind, and then what
/// is to be made.
package struct InfillTokens: Equatable, Sendable {
    package var prefix: TokenID
    package var suffix: TokenID
    package var middle: TokenID

    package init(prefix: TokenID, suffix: TokenID, middle: TokenID) {
        self.prefix = prefix
        self.suffix = suffix
        self.middle = middle
    }
}

extension InfillTokens {
    /// Spellings by family. Source: the families' own descriptions of filling in.
    private static let spellings: [(prefix: String, suffix: String, middle: String)] = [
        // Qwen2.5-Coder, CodeGemma.
        ("<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"),
        // StarCoder, Granite.
        ("<fim_prefix>", "<fim_suffix>", "<fim_middle>"),
        // SantaCoder.
        ("<fim-prefix>", "<fim-suffix>", "<fim-middle>"),
        // CodeLlama.
        ("▁<PRE>", "▁<SUF>", "▁<MID>"), ("<PRE>", "<SUF>", "<MID>"),
        // DeepSeek-Coder: the hole is where the text behind begins, and the end is where the answer does.
        ("<｜fim▁begin｜>", "<｜fim▁hole｜>", "<｜fim▁end｜>"),
    ]
    /// Tokens that only end what was filled in: another file would follow.
    private static let endSpellings: Set<String> = [
        "<|fim_pad|>", "<fim_pad>", "<fim-pad>", "<|repo_name|>", "<|file_sep|>", "<|file_separator|>", "<file_sep>",
        "▁<EOT>",
    ]

    /// Those that a vocabulary has as no plain text.
    init?(spelledIn spec: TokenizerSpec) {
        let places = Self.places(in: spec) { text in
            Self.spellings.contains { [$0.prefix, $0.suffix, $0.middle].contains(text) }
        }
        for names in Self.spellings {
            if let prefix = places[names.prefix], let suffix = places[names.suffix], let middle = places[names.middle] {
                self.init(prefix: prefix, suffix: suffix, middle: middle)
                return
            }
        }
        return nil
    }

    /// Tokens that end what is filled in, besides those that end any text. Sorted.
    func ends(in spec: TokenizerSpec) -> [TokenID] {
        (Self.places(in: spec) { Self.endSpellings.contains($0) }.values + [prefix, suffix, middle]).sorted()
    }

    private static func places(in spec: TokenizerSpec, _ isWanted: (String) -> Bool) -> [String: TokenID] {
        var places: [String: TokenID] = [:]
        for (index, text) in spec.tokens.enumerated()
        where text.utf8.count <= 24 && spec.tokenKinds[index] != .normal && isWanted(text) {
            places[text] = TokenID(truncatingIfNeeded: index)
        }
        return places
    }
}

extension Tokenizer {
    /// A prompt that asks for what stands between two texts; nil where the model has no tokens for that.
    ///
    /// The text behind gets no space in front, whatever the model puts in front of texts. Source: CodeLlama's own program.
    package func encodeInfill(prefix: String, suffix: String, addsBOS: Bool) -> [TokenID]? {
        guard let infill else { return nil }
        var tokens = encode(prefix, parsesSpecialTokens: true, addsBOS: false)
        tokens.insert(infill.prefix, at: 0)
        if addsBOS, spec.addsBOS, let bos = spec.bosToken { tokens.insert(bos, at: 0) }
        return tokens + [infill.suffix] + encodeInside(suffix) + [infill.middle]
    }
}
