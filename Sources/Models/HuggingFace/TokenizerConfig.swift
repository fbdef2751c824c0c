import Inference
import JSON
import Text
import Weights

/// What a folder says of its tokenizer beside tokenizer.json: which tokens begin and end texts, and the chat template.
struct TokenizerConfig {
    private let folder: ModelFolder
    /// tokenizer_config.json
    private let config: JSONObject?

    init(_ folder: ModelFolder) throws(TokenizerError) {
        self.folder = folder
        config = try folder.tokenizerFile("tokenizer_config.json")
    }

    func complete(_ spec: inout TokenizerSpec) throws(TokenizerError) {
        guard config?["add_eos_token"] != .bool(true) else {
            throw .malformed("tokenizer_config.json has add_eos_token: a prompt that ends a text is not supported")
        }
        if let begin = try token("bos_token", spec) {
            guard spec.bosToken == nil || spec.bosToken == begin else {
                throw .malformed("tokenizer_config.json names another bos_token than tokenizer.json puts in front")
            }
            spec.bosToken = begin
        }
        if let addsBOS = config?["add_bos_token"]?.bool {
            guard !addsBOS || spec.bosToken != nil else {
                throw .malformed("tokenizer_config.json has add_bos_token, but names no bos_token")
            }
            spec.addsBOS = addsBOS
        }
        spec.endOfTurnTokens = try endTokens(spec)
        spec.eosToken = try token("eos_token", spec) ?? spec.endOfTurnTokens.first
        spec.chatTemplate = try chatTemplate()
    }

    /// A token that is named by its spelling, or by an object that holds it.
    private func token(_ name: String, _ spec: TokenizerSpec) throws(TokenizerError) -> TokenID? {
        guard let value = config?[name]?.some else { return nil }
        guard let text = value.string ?? value.object?["content"]?.string else {
            throw .malformed("the \(name) of tokenizer_config.json is \(value.kind) and no token")
        }
        guard let id = spec.tokens.id(of: text), !text.isEmpty else {
            throw .malformed("the \(name) of tokenizer_config.json, '\(text.prefix(40))', is not in the vocabulary")
        }
        return id
    }

    /// Tokens that end an answer: one, or a list.
    private func endTokens(_ spec: TokenizerSpec) throws(TokenizerError) -> [TokenID] {
        var found = try folder.tokenizerFile("generation_config.json")?["eos_token_id"]?.some
        if found == nil { found = try folder.tokenizerFile("config.json")?["eos_token_id"]?.some }
        guard let value = found else { return [] }
        var tokens: [TokenID] = []
        for element in value.array ?? [value] {
            guard let id = element.id, id < spec.tokens.count else {
                throw .malformed("an eos_token_id is none of the \(spec.tokens.count) tokens")
            }
            tokens.append(TokenID(truncatingIfNeeded: id))
        }
        return tokens
    }

    /// chat_template.jinja, or what tokenizer_config.json has: one template, or several, of which "default" is meant.
    private func chatTemplate() throws(TokenizerError) -> String? {
        if let bytes = try folder.tokenizerBytes("chat_template.jinja") {
            guard let text = String(validating: bytes, as: UTF8.self) else {
                throw .malformed("chat_template.jinja is not UTF-8")
            }
            return text
        }
        guard let value = config?["chat_template"]?.some else { return nil }
        if let text = value.string { return text }
        guard let elements = value.array else {
            throw .malformed("the chat_template of tokenizer_config.json is \(value.kind)")
        }
        for element in elements where element.object?["name"] == .string("default") {
            if let text = element.object?["template"]?.string { return text }
        }
        throw .malformed("none of the \(elements.count) templates of tokenizer_config.json is called default")
    }
}
