import Inference
import JSON
import Text
import Weights

/// A BPE tokenizer as Hugging Face's `tokenizers` library stores it: byte-level, or SentencePiece-like with a fallback to
/// bytes. What it says that Apus does not do is refused by name: a tokenizer that is nearly right gives answers that look
/// right.
struct TokenizerJSON {
    /// The files that decide what a text becomes, and where answers end.
    static let fileNames = ["tokenizer.json", "tokenizer_config.json", "generation_config.json", "chat_template.jinja"]

    let file: JSONObject
    let model: JSONObject
    /// By id.
    private(set) var tokens: [String]
    private(set) var kinds: [TokenizerSpec.TokenKind]
    private(set) var spaceTakingTokens: [TokenID] = []
    private(set) var tokensTakingSpaceBefore: [TokenID] = []

    /// - Parameter vocabularySize: of the model, whose embedding may have rows that no token stands for.
    static func spec(of folder: ModelFolder, vocabularySize: Int) throws(TokenizerError) -> TokenizerSpec {
        guard let file = try folder.tokenizerFile("tokenizer.json") else {
            throw .malformed("the folder \(folder.path) has no tokenizer.json")
        }
        var spec = try TokenizerJSON(file, vocabularySize: vocabularySize).spec()
        try TokenizerConfig(folder).complete(&spec)
        return spec
    }

    init(_ file: JSONObject, vocabularySize: Int) throws(TokenizerError) {
        self.file = file
        // The oldest files do not say their type.
        guard let model = file["model"]?.object, ["BPE", nil].contains(model["type"]?.string),
            let vocabulary = model["vocab"]?.object
        else {
            let type = file["model"]?.object?["type"]?.string.map { " (\($0.prefix(40)))" } ?? ""
            throw .malformed("tokenizer.json has a model of another type than BPE\(type)")
        }
        self.model = model
        for name in ["dropout", "continuing_subword_prefix", "end_of_word_suffix"] {
            guard let value = model[name]?.some, value != .string(""), value != .double(0), value != .integer(0) else {
                continue
            }
            throw .malformed("tokenizer.json has a \(name), which is not supported")
        }
        tokens = Array(repeating: "", count: vocabularySize)
        kinds = Array(repeating: .unused, count: vocabularySize)
        for member in vocabulary.members {
            guard let id = member.value.id else {
                throw .malformed("the id of the token '\(member.name.prefix(40))' is no whole number from 0 on")
            }
            try put(member.name, at: id)
        }
        for value in file["added_tokens"]?.some?.array ?? [] { try add(value) }
        if let unknown = model["unk_token"]?.some?.string, let id = tokens.id(of: unknown), kinds[Int(id)] == .control {
            kinds[Int(id)] = .unknown
        }
    }

    private mutating func put(_ text: String, at id: Int) throws(TokenizerError) {
        guard id < tokens.count else {
            throw .malformed(
                "the token '\(text.prefix(40))' has the id \(id), the model's embedding \(tokens.count) rows")
        }
        guard kinds[id] == .unused else {
            throw .malformed("the tokens '\(tokens[id].prefix(40))' and '\(text.prefix(40))' have the same id, \(id)")
        }
        (tokens[id], kinds[id]) = (text, .normal)
    }

    /// A token that is found as it is spelled.
    private mutating func add(_ value: JSONValue) throws(TokenizerError) {
        guard let token = value.object, let id = token["id"]?.id, let text = token["content"]?.string, !text.isEmpty
        else { throw .malformed("an added token of tokenizer.json has no id or no content") }
        guard token["single_word"] != .bool(true) else {
            throw .malformed(
                "the added token '\(text.prefix(40))' of tokenizer.json has single_word, which is not supported")
        }
        guard token["normalized"] != .bool(true) || file["normalizer"]?.some == nil else {
            throw .malformed(
                "the added token '\(text.prefix(40))' of tokenizer.json is looked for in normalized text, which is not "
                    + "supported beside a normalizer")
        }
        // Gemma 3's has one that its smallest model has no row for: that can be neither read nor written.
        guard id < tokens.count else { return }
        if !tokens[id].utf8.elementsEqual(text.utf8) { try put(text, at: id) }
        kinds[id] = token["special"] == .bool(true) ? .control : .userDefined
        if token["rstrip"] == .bool(true) { spaceTakingTokens.append(TokenID(truncatingIfNeeded: id)) }
        if token["lstrip"] == .bool(true) { tokensTakingSpaceBefore.append(TokenID(truncatingIfNeeded: id)) }
    }

    /// Without what the files beside it say.
    func spec() throws(TokenizerError) -> TokenizerSpec {
        let bos = try frame()
        let rules = try rules()
        var spec: TokenizerSpec
        switch rules {
        case .bytes(let preTokenizer, let composes):
            spec = TokenizerSpec(
                kind: .bytePairEncoding, preTokenizer: preTokenizer, tokens: tokens, tokenKinds: kinds,
                merges: try merges(), addsSpacePrefix: false, composesText: composes)
        case .characters(let place):
            guard model["byte_fallback"] == .bool(true) else {
                throw .malformed("tokenizer.json has no byte_fallback, without which characters are not read")
            }
            spec = TokenizerSpec(
                kind: .sentencePiece, preTokenizer: "", tokens: tokens, tokenKinds: kindsWithBytes(),
                merges: try merges(), addsSpacePrefix: place != nil, spacePrefixPlace: place ?? .afterControl)
            guard !spec.merges.isEmpty else { throw .malformed("tokenizer.json has no merges") }
            guard model["fuse_unk"] == .bool(true) || spec.tokenKinds.count(where: { $0 == .byte }) == 256 else {
                throw .malformed("tokenizer.json has neither fuse_unk nor a token for each byte")
            }
        }
        spec.unknownToken = model["unk_token"]?.some?.string.flatMap(tokens.id)
        (spec.spaceTakingTokens, spec.tokensTakingSpaceBefore) = (spaceTakingTokens, tokensTakingSpaceBefore)
        (spec.bosToken, spec.addsBOS) = (bos, bos != nil)
        return spec
    }

    /// `<0x0A>` is a byte where characters are read.
    private func kindsWithBytes() -> [TokenizerSpec.TokenKind] {
        zip(tokens, kinds).map { text, kind in
            kind == .normal && text.utf8.count == 6 && text.hasPrefix("<0x") && text.hasSuffix(">") ? .byte : kind
        }
    }

    /// "left right"; newer files have pairs.
    private func merges() throws(TokenizerError) -> [String] {
        guard let elements = model["merges"]?.array else { throw .malformed("tokenizer.json has no merges") }
        var merges: [String] = []
        merges.reserveCapacity(elements.count)
        for (rank, element) in elements.enumerated() {
            if let merge = element.string {
                merges.append(merge)
            } else if let pair = element.array, pair.count == 2, let left = pair[0].string, let right = pair[1].string,
                !left.utf8.contains(0x20), !right.utf8.contains(0x20)
            {
                merges.append(left + " " + right)
            } else {
                throw .malformed("merge \(rank) of tokenizer.json is no pair of tokens without spaces")
            }
        }
        return merges
    }
}

extension [String] {
    /// The token that is spelled with these very bytes.
    func id(of text: String) -> TokenID? {
        firstIndex { $0.utf8.elementsEqual(text.utf8) }.map { TokenID(truncatingIfNeeded: $0) }
    }
}
