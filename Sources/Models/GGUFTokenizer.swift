import Inference
import JSON
package import Text
package import Weights

extension TokenizerSpec {
    /// The tokenizer that a model file describes, from its `tokenizer.*` keys.
    ///
    /// Where keys are missing, what other programs assume for the same files holds: SentencePiece begins with BOS 1, ends
    /// with EOS 2 and puts a space in front; byte-level BPE has none of these, but Llama 3's begins with BOS.
    /// - Throws: `malformed` with one sentence; `unsupportedPreTokenizer` also for a BPE that names none, since a
    ///   wrong guess would give wrong answers that look right.
    package init(metadata: GGUFMetadata) throws(TokenizerError) {
        let keys = TokenizerKeys(metadata: metadata)
        guard let model = try keys.read("model", GGUFMetadata.string) else {
            throw .malformed("the model file has no tokenizer (tokenizer.ggml.model is missing)")
        }
        let kind: Kind
        switch model {
        case "bert":
            try self.init(wordPiece: keys)
            return
        case "gpt2": kind = .bytePairEncoding
        case "llama": kind = .sentencePiece
        default:
            throw .malformed(
                "the tokenizer model '\(model.prefix(40))' is not supported; supported are gpt2 (byte-level BPE), "
                    + "llama (SentencePiece BPE) and bert (WordPiece)")
        }
        let isSentencePiece = kind == .sentencePiece
        let tokens = try keys.required("tokens", GGUFMetadata.strings)
        if let json = try keys.read(path: Self.huggingFaceKey, GGUFMetadata.string) {
            try self.init(huggingFace: json, keys, vocabularySize: tokens.count)
            return
        }
        let preTokenizer = isSentencePiece ? "" : try keys.read("pre", GGUFMetadata.string) ?? ""
        let beginsWithBOS = isSentencePiece || ["llama-bpe", "llama3", "llama-v3"].contains(preTokenizer)

        self.init(
            kind: kind, preTokenizer: preTokenizer, tokens: tokens,
            tokenKinds: try keys.tokenKinds(count: tokens.count, isRequired: isSentencePiece),
            scores: isSentencePiece ? try keys.required("scores", GGUFMetadata.floats) : [],
            merges: isSentencePiece ? [] : try keys.required("merges", GGUFMetadata.strings),
            bosToken: try keys.token("bos_token_id", among: tokens.count, otherwise: isSentencePiece ? 1 : nil),
            eosToken: try keys.token("eos_token_id", among: tokens.count, otherwise: isSentencePiece ? 2 : nil),
            unknownToken: try keys.token("unknown_token_id", among: tokens.count, otherwise: isSentencePiece ? 0 : nil),
            addsBOS: try keys.read("add_bos_token", GGUFMetadata.bool) ?? beginsWithBOS,
            addsEOS: try keys.read("add_eos_token", GGUFMetadata.bool) ?? false,
            addsSpacePrefix: try keys.read("add_space_prefix", GGUFMetadata.bool) ?? isSentencePiece,
            chatTemplate: try keys.read(path: "tokenizer.chat_template", GGUFMetadata.string))
        try readEnds(keys)
        if isSentencePiece, try keys.read(path: "general.architecture", GGUFMetadata.string) == "phi3" {
            spaceTakingTokens = spaceTakingTokensOfPhi3
        }
    }

    /// From a tokenizer.json in the file, with what the other keys say of its tokens: they need not be guessed at.
    private init(huggingFace json: String, _ keys: TokenizerKeys, vocabularySize: Int) throws(TokenizerError) {
        let value: JSONValue
        do throws(JSONError) { value = try ModelFolder.parse(Array(json.utf8)) } catch {
            throw .malformed("the model file's \(Self.huggingFaceKey) is not valid JSON: \(error.cause)")
        }
        guard let object = value.object else {
            throw .malformed("the model file's \(Self.huggingFaceKey) is \(value.kind) and no object")
        }
        self = try TokenizerJSON(object, vocabularySize: vocabularySize).spec()
        bosToken = try keys.token("bos_token_id", among: vocabularySize, otherwise: nil) ?? bosToken
        eosToken = try keys.token("eos_token_id", among: vocabularySize, otherwise: nil)
        addsBOS = try keys.read("add_bos_token", GGUFMetadata.bool) ?? addsBOS
        chatTemplate = try keys.read(path: "tokenizer.chat_template", GGUFMetadata.string)
        try readEnds(keys)
    }

    /// Tokens that end a turn, and those for filling in.
    private mutating func readEnds(_ keys: TokenizerKeys) throws(TokenizerError) {
        for key in ["eot_token_id", "eom_token_id"] {
            if let token = try keys.token(key, among: tokens.count, otherwise: nil) { endOfTurnTokens.append(token) }
        }
        infillTokens = try keys.infillTokens(among: tokens.count)
    }

    /// Files do not say that Phi 3's control tokens take the white space behind them: its family does. Not those that begin
    /// a text, end one, or stand for what is unknown.
    private var spaceTakingTokensOfPhi3: [TokenID] {
        zip(tokens, tokenKinds).enumerated().compactMap { index, token in
            let id = TokenID(truncatingIfNeeded: index)
            let isSpelled = [.control, .userDefined, .unknown].contains(token.1)
            return isSpelled && id != bosToken && id != unknownToken && token.0 != "<|endoftext|>" ? id : nil
        }
    }
}

/// The `tokenizer.ggml.*` keys of a file; what is wrong with the file becomes the tokenizer's error.
struct TokenizerKeys {
    let metadata: GGUFMetadata

    typealias Getter<T> = (GGUFMetadata) -> (String) throws(GGUFError) -> T?

    func read<T>(_ name: String, _ getter: Getter<T>) throws(TokenizerError) -> T? {
        try read(path: "tokenizer.ggml." + name, getter)
    }

    func read<T>(path: String, _ getter: Getter<T>) throws(TokenizerError) -> T? {
        do throws(GGUFError) { return try getter(metadata)(path) } catch { throw .malformed(error.description) }
    }

    func required<T>(_ name: String, _ getter: Getter<T>) throws(TokenizerError) -> T {
        guard let value = try read(name, getter) else {
            throw .malformed("the model file lacks tokenizer.ggml.\(name)")
        }
        return value
    }

    /// Files have had two names for each.
    func infillTokens(among count: Int) throws(TokenizerError) -> InfillTokens? {
        func either(_ new: String, _ old: String) throws(TokenizerError) -> Int32? {
            let older = try token(old, among: count, otherwise: nil)
            return try token(new, among: count, otherwise: nil) ?? older
        }
        guard let prefix = try either("fim_pre_token_id", "prefix_token_id"),
            let suffix = try either("fim_suf_token_id", "suffix_token_id"),
            let middle = try either("fim_mid_token_id", "middle_token_id")
        else { return nil }
        return InfillTokens(prefix: prefix, suffix: suffix, middle: middle)
    }

    /// - Parameter isRequired: SentencePiece cannot tell bytes and control tokens apart without their kinds.
    func tokenKinds(count: Int, isRequired: Bool) throws(TokenizerError) -> [TokenizerSpec.TokenKind] {
        guard let codes = try read("token_type", GGUFMetadata.ints) else {
            guard !isRequired else { throw .malformed("the model file lacks tokenizer.ggml.token_type") }
            return Array(repeating: .normal, count: count)
        }
        var kinds: [TokenizerSpec.TokenKind] = []
        kinds.reserveCapacity(codes.count)
        for (index, code) in codes.enumerated() {
            guard let raw = UInt8(exactly: code), let kind = TokenizerSpec.TokenKind(rawValue: raw) else {
                throw .malformed("token \(index) has the type \(code); types are 1 to 6")
            }
            kinds.append(kind)
        }
        return kinds
    }

    /// - Parameter fallback: used when the key is missing and the vocabulary is large enough to have it.
    func token(_ name: String, among count: Int, otherwise fallback: Int32?) throws(TokenizerError) -> Int32? {
        guard let id = try read(name, GGUFMetadata.int) else {
            return fallback.flatMap { Int($0) < count ? $0 : nil }
        }
        // Files write -1, as a signed or an unsigned number, for a token that the vocabulary does not have.
        guard id != -1, id != Int(UInt32.max) else { return nil }
        guard (0..<count).contains(id), let token = Int32(exactly: id) else {
            throw .malformed("tokenizer.ggml.\(name) is \(id), outside the vocabulary of \(count)")
        }
        return token
    }
}
