import Inference
import JSON
import Text
import Weights

/// A WordPiece tokenizer from a model's folder: tokenizer.json, or vocab.txt and what tokenizer_config.json says of it.
enum HuggingFaceWordPiece {
    static let fileNames = ["tokenizer.json", "vocab.txt", "tokenizer_config.json"]

    static func read(_ folder: ModelFolder) throws(TokenizerError) -> TokenizerSpec {
        if let file = try folder.tokenizerFile("tokenizer.json") { return try tokenizer(file) }
        guard let vocabulary = try folder.tokenizerBytes("vocab.txt") else {
            throw .malformed("the folder \(folder.path) has neither tokenizer.json nor vocab.txt")
        }
        return try tokenizer(vocabulary: vocabulary, config: try folder.tokenizerFile("tokenizer_config.json"))
    }

    // MARK: - tokenizer.json

    private static func tokenizer(_ file: JSONObject) throws(TokenizerError) -> TokenizerSpec {
        guard case .object(let model)? = file["model"], model["type"] == .string("WordPiece") else {
            throw .malformed("tokenizer.json has a model of another type than WordPiece")
        }
        try expect(model, "continuing_subword_prefix", .string("##"))
        try expect(model, "max_input_chars_per_word", .integer(100))
        guard case .object(let vocabulary)? = model["vocab"] else { throw .malformed("tokenizer.json has no vocab") }
        var entries: [(id: Int, text: String)] = []
        for member in vocabulary.members {
            guard case .integer(let id) = member.value else {
                throw .malformed("the id of the token '\(member.name.prefix(40))' is no whole number")
            }
            entries.append((Int(id), member.name))
        }
        var added: [(id: Int, text: String, isSpecial: Bool)] = []
        if case .array(let elements)? = file["added_tokens"] {
            for element in elements {
                guard case .object(let token) = element, case .integer(let id)? = token["id"],
                    case .string(let text)? = token["content"]
                else { throw .malformed("an added token of tokenizer.json has no id or no content") }
                added.append((Int(id), text, token["special"] == .bool(true)))
            }
        }
        let known = Set(entries.map(\.id))
        entries += added.filter { !known.contains($0.id) }.map { ($0.id, $0.text) }
        entries.sort { $0.id < $1.id }
        guard entries.enumerated().allSatisfy({ $0.offset == $0.element.id }) else {
            throw .malformed("the ids of tokenizer.json are not 0 to \(entries.count - 1), each once")
        }
        var kinds = [TokenizerSpec.TokenKind](repeating: .normal, count: entries.count)
        for token in added where kinds.indices.contains(token.id) {
            kinds[token.id] = token.isSpecial ? .control : .userDefined
        }
        guard case .string(let unknown)? = model["unk_token"] else {
            throw .malformed("tokenizer.json names no unk_token")
        }
        let frame = try frame(file["post_processor"])
        return try spec(
            tokens: entries.map(\.text), kinds: kinds, unknown: unknown, frame: frame,
            normalization: try normalization(file))
    }

    private static func expect(_ object: JSONObject, _ name: String, _ wanted: JSONValue) throws(TokenizerError) {
        guard object[name] == nil || object[name] == wanted else {
            throw .malformed("tokenizer.json has another \(name) than BERT's")
        }
    }

    private static func normalization(_ file: JSONObject) throws(TokenizerError) -> TextNormalization {
        guard case .object(let cutter)? = file["pre_tokenizer"], cutter["type"] == .string("BertPreTokenizer") else {
            throw .malformed("tokenizer.json has another pre_tokenizer than BertPreTokenizer")
        }
        guard let value = file["normalizer"], value != .null else {
            return TextNormalization(
                cleansText: false, separatesIdeographs: false, stripsAccents: false, lowercases: false)
        }
        guard case .object(let fields) = value, fields["type"] == .string("BertNormalizer") else {
            throw .malformed("tokenizer.json has another normalizer than BertNormalizer")
        }
        let lowercases = fields["lowercase"] != .bool(false)
        return TextNormalization(
            cleansText: fields["clean_text"] != .bool(false),
            separatesIdeographs: fields["handle_chinese_chars"] != .bool(false),
            stripsAccents: bool(fields["strip_accents"]) ?? lowercases, lowercases: lowercases)
    }

    private static func bool(_ value: JSONValue?) -> Bool? {
        guard case .bool(let bool)? = value else { return nil }
        return bool
    }

    /// Spellings of the tokens before and behind a text.
    private static func frame(_ value: JSONValue?) throws(TokenizerError) -> (begin: String, end: String) {
        guard case .object(let fields)? = value else { throw .malformed("tokenizer.json has no post_processor") }
        if fields["type"] == .string("BertProcessing"), case .array(let begin)? = fields["cls"],
            case .array(let end)? = fields["sep"], case .string(let beginText)? = begin.first,
            case .string(let endText)? = end.first
        {
            return (beginText, endText)
        }
        guard fields["type"] == .string("TemplateProcessing"), case .array(let single)? = fields["single"],
            single.count == 3, let begin = special(single[0]), special(single[1]) == nil,
            let end = special(single[2])
        else {
            throw .malformed("the post_processor of tokenizer.json does not put a text between two special tokens")
        }
        return (begin, end)
    }

    private static func special(_ value: JSONValue) -> String? {
        guard case .object(let piece) = value, case .object(let token)? = piece["SpecialToken"],
            case .string(let text)? = token["id"]
        else { return nil }
        return text
    }

    // MARK: - vocab.txt

    private static func tokenizer(
        vocabulary bytes: [UInt8], config: JSONObject?
    ) throws(TokenizerError) -> TokenizerSpec {
        var tokens: [String] = []
        for line in bytes.split(separator: 0x0A, omittingEmptySubsequences: false) {
            guard let text = String(validating: line.last == 0x0D ? line.dropLast() : line, as: UTF8.self) else {
                throw .malformed("line \(tokens.count + 1) of vocab.txt is not UTF-8")
            }
            tokens.append(text)
        }
        if tokens.last == "" { tokens.removeLast() }
        let special: Set = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
        let lowercases = bool(config?["do_lower_case"]) ?? true
        return try spec(
            tokens: tokens, kinds: tokens.map { special.contains($0) ? .control : .normal }, unknown: "[UNK]",
            frame: ("[CLS]", "[SEP]"),
            normalization: TextNormalization(
                separatesIdeographs: bool(config?["tokenize_chinese_chars"]) ?? true,
                stripsAccents: bool(config?["strip_accents"]) ?? lowercases, lowercases: lowercases))
    }

    private static func spec(
        tokens: [String], kinds: [TokenizerSpec.TokenKind], unknown: String, frame: (begin: String, end: String),
        normalization: TextNormalization
    ) throws(TokenizerError) -> TokenizerSpec {
        var kinds = kinds
        func id(_ text: String) throws(TokenizerError) -> TokenID {
            guard let index = tokens.firstIndex(of: text) else {
                throw .malformed("the vocabulary lacks the token \(text.prefix(40))")
            }
            return TokenID(truncatingIfNeeded: index)
        }
        let unknownID = try id(unknown)
        kinds[Int(unknownID)] = .unknown
        return TokenizerSpec(
            kind: .wordPiece, preTokenizer: "", tokens: tokens, tokenKinds: kinds, bosToken: try id(frame.begin),
            eosToken: try id(frame.end), unknownToken: unknownID, addsBOS: true, addsEOS: true,
            addsSpacePrefix: false, normalization: normalization)
    }
}
