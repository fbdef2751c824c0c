import Inference
import JSON
import Text

/// What happens to a text before and behind the merging: normalizer, pre-tokenizer, post-processor and decoder.
extension TokenizerJSON {
    enum Rules {
        /// Bytes, in words that the pre-tokenizer cuts.
        case bytes(preTokenizer: String, composes: Bool)
        /// Characters with U+2581 for spaces; one in front of parts of the text, nil: of none.
        case characters(prefix: TokenizerSpec.SpacePrefixPlace?)
    }

    /// Regular expressions of `Split` that a scanner is there for → the scanner's name. Those who take words that are
    /// tokens without merging have a name of their own.
    private static let expressions: [(pattern: String, name: String, takingWholeWords: String?)] = [
        (
            #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#,
            "dbrx", "llama-bpe"
        ),
        (
            #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#,
            "qwen2", nil
        ),
        (
            #"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"#,
            "gpt-4o", nil
        ),
        (#"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#, "gpt-2", nil),
    ]

    func rules() throws(TokenizerError) -> Rules {
        let cutters = try steps("pre_tokenizer", "pretokenizers")
        let isByteLevel = cutters.contains { $0["type"] == .string("ByteLevel") }
        try checkDecoder(isByteLevel: isByteLevel)
        guard isByteLevel else { return .characters(prefix: try prefix(cutters)) }
        guard model["byte_fallback"] != .bool(true) else {
            throw .malformed("tokenizer.json has a byte_fallback beside the pre_tokenizer ByteLevel")
        }
        var composes = false
        for step in try steps("normalizer", "normalizers") {
            guard step["type"] == .string("NFC") else { throw refusal("normalizer", step) }
            composes = true
        }
        return .bytes(preTokenizer: try cutter(cutters), composes: composes)
    }

    /// The scanner that does what the steps do.
    private func cutter(_ steps: [JSONObject]) throws(TokenizerError) -> String {
        guard let last = steps.last, last["type"] == .string("ByteLevel"), last["add_prefix_space"] != .bool(true),
            steps.count <= 2
        else {
            throw .malformed("the pre_tokenizer of tokenizer.json is not supported: it adds spaces, or has other steps")
        }
        let usesExpression = last["use_regex"] != .bool(false)
        let takesWholeWords = model["ignore_merges"] == .bool(true)
        guard steps.count == 2 else {
            guard usesExpression, !takesWholeWords else {
                throw .malformed("tokenizer.json cuts texts into no words, or takes words without merging")
            }
            return "gpt-2"
        }
        let first = steps[0]
        if first["type"] == .string("Digits"), first["individual_digits"] == .bool(true), usesExpression,
            !takesWholeWords
        {
            return "smollm"
        }
        // The expressions leave nothing between their matches: to keep these alone is the same as to part them.
        let isolates = first["behavior"] == .string("Isolated") && first["invert"] != .bool(true)
        let keepsMatches = first["behavior"] == .string("Removed") && first["invert"] == .bool(true)
        guard first["type"] == .string("Split"), isolates || keepsMatches, !usesExpression,
            let pattern = first["pattern"]?.object?["Regex"]?.string
        else { throw refusal("pre_tokenizer", first) }
        guard let known = Self.expressions.first(where: { $0.pattern == pattern }),
            let name = takesWholeWords ? known.takingWholeWords : known.name
        else {
            throw .malformed(
                "the pre_tokenizer of tokenizer.json cuts by the expression \(pattern), which is not supported")
        }
        return name
    }

    /// Which parts of a text get a space in front, in tokenizers that read characters.
    private func prefix(_ cutters: [JSONObject]) throws(TokenizerError) -> TokenizerSpec.SpacePrefixPlace? {
        var (prepends, replaces) = (false, false)
        for step in try steps("normalizer", "normalizers") {
            switch step["type"]?.string {
            case "Prepend" where step["prepend"] == .string("\u{2581}") && !replaces: prepends = true
            case "Replace"
            where step["pattern"]?.object?["String"] == .string(" ") && step["content"] == .string("\u{2581}"):
                replaces = true
            default: throw refusal("normalizer", step)
            }
        }
        guard let cutter = cutters.first else {
            guard replaces else { throw .malformed("tokenizer.json writes spaces as they are, which is not supported") }
            return prepends ? .everywhere : nil
        }
        guard cutters.count == 1 else { throw refusal("pre_tokenizer", cutters[1]) }
        // Gemma's: there are no spaces left to split at.
        if cutter["type"] == .string("Split"), cutter["pattern"]?.object?["String"] == .string(" "), replaces {
            return prepends ? .everywhere : nil
        }
        guard cutter["type"] == .string("Metaspace"), !replaces, !prepends, cutter["split"] == .bool(false),
            cutter["replacement"] == .string("\u{2581}")
        else { throw refusal("pre_tokenizer", cutter) }
        switch cutter["prepend_scheme"]?.string {
        case "never": return nil
        case "first": return .startUnspaced
        case "always": return .everywhereUnspaced
        default: throw refusal("pre_tokenizer", cutter)
        }
    }

    /// The token that the post-processor puts in front; nil when it puts none there.
    func frame() throws(TokenizerError) -> TokenID? {
        var begin: TokenID?
        for step in try steps("post_processor", "processors") {
            switch step["type"]?.string {
            case "ByteLevel": break
            case "TemplateProcessing":
                guard begin == nil, let single = step["single"]?.array, let last = single.last,
                    last.object?["Sequence"] != nil, single.count <= 2
                else {
                    throw .malformed(
                        "the post_processor of tokenizer.json puts more around a text than one token in front")
                }
                guard single.count == 2 else { break }
                guard let text = single[0].object?["SpecialToken"]?.object?["id"]?.string, let id = tokens.id(of: text)
                else {
                    throw .malformed("the post_processor of tokenizer.json begins with a token that is not there")
                }
                begin = id
            default: throw refusal("post_processor", step)
            }
        }
        return begin
    }

    /// What tokens stand for is decided by their kind: the decoder may only say the same.
    private func checkDecoder(isByteLevel: Bool) throws(TokenizerError) {
        let known: Set<String> =
            isByteLevel ? ["ByteLevel"] : ["Replace", "ByteFallback", "Fuse", "Strip", "Metaspace"]
        for step in try steps("decoder", "decoders") {
            guard let type = step["type"]?.string, known.contains(type) else { throw refusal("decoder", step) }
        }
    }

    /// The steps of one part of the file, whether it is a sequence of them or one alone.
    private func steps(_ name: String, _ list: String) throws(TokenizerError) -> [JSONObject] {
        guard let value = file[name]?.some else { return [] }
        guard let whole = value.object else { throw .malformed("the \(name) of tokenizer.json is \(value.kind)") }
        guard whole["type"] == .string("Sequence") else { return [whole] }
        var steps: [JSONObject] = []
        for element in whole[list]?.array ?? [] {
            guard let step = element.object else {
                throw .malformed("the \(name) of tokenizer.json has a step that is \(element.kind)")
            }
            steps.append(step)
        }
        return steps
    }

    private func refusal(_ name: String, _ step: JSONObject) -> TokenizerError {
        let type = step["type"]?.string?.prefix(40) ?? "without a type"
        return .malformed(
            "the \(name) of tokenizer.json has a step, \(type), that is not supported, or not as it is there")
    }
}
