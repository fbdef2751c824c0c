import Inference
import Text
import Weights

extension GGUFEntries {
    /// A folder's tokenizer: tokenizer.json as it is, from which Apus reads it again, and the keys of other programs.
    ///
    /// - Parameter json: tokenizer.json.
    /// - Throws: where more tokens end an answer than a file has keys for.
    mutating func set(_ spec: TokenizerSpec, json: String) throws(TokenizerError) {
        func key(_ name: String) -> String { "tokenizer.ggml.\(name)" }
        func token(_ name: String, _ id: TokenID?) {
            if let id { set(key(name), to: UInt32(clamping: id)) }
        }
        let readsBytes = spec.kind == .bytePairEncoding
        set(key("model"), to: readsBytes ? "gpt2" : "llama")
        set(key("pre"), to: readsBytes ? spec.preTokenizer : "default")
        // Rows of the embedding that no token stands for; others want names for them.
        set(key("tokens"), to: spec.tokens.enumerated().map { $1.isEmpty ? "[PAD\($0)]" : $1 })
        set(key("token_type"), to: spec.tokenKinds.map { Int32($0.rawValue) })
        if readsBytes {
            set(key("merges"), to: spec.merges)
        } else {
            set(key("scores"), to: spec.scoresOfMerges)
            set(key("add_space_prefix"), to: spec.addsSpacePrefix)
        }
        token("bos_token_id", spec.bosToken)
        token("eos_token_id", spec.eosToken)
        token("unknown_token_id", spec.unknownToken)
        let otherEnds = spec.endOfTurnTokens.filter { $0 != spec.eosToken }
        guard otherEnds.count <= 2 else {
            throw .malformed(
                "the model's answers end with any of \(otherEnds.count + 1) tokens, and GGUF files have keys for three")
        }
        token("eot_token_id", otherEnds.first)
        token("eom_token_id", otherEnds.dropFirst().first)
        set(key("add_bos_token"), to: spec.addsBOS)
        if let template = spec.chatTemplate { set("tokenizer.chat_template", to: template) }
        set(TokenizerSpec.huggingFaceKey, to: json)
    }
}

extension TokenizerSpec {
    /// tokenizer.json in a GGUF file. Source: the GGUF specification.
    static let huggingFaceKey = "tokenizer.huggingface.json"

    /// Scores that lead to the same merges, but where pairs of tokens make the same token: the sooner, the better.
    fileprivate var scoresOfMerges: [Float] {
        let ids = Dictionary(tokens.enumerated().map { ($1, $0) }) { first, _ in first }
        var ranks: [Int: Int] = [:]
        for (rank, merge) in merges.enumerated() {
            let whole = String(String.UnicodeScalarView(merge.unicodeScalars.filter { $0 != " " }))
            if let id = ids[whole], ranks[id] == nil { ranks[id] = rank }
        }
        return tokens.indices.map { id in
            tokenKinds[id] == .normal ? -Float(ranks[id] ?? merges.count) - 1 : 0
        }
    }
}
