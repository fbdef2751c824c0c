import Inference
import Serving
import Text

/// Models as small as models can be: a token for each byte and a few more.
enum FuzzModel {
    static let numericsID = "0123456789abcdef"
    static let generator = model("tiny", pooledOutput: nil)
    static let reader = model("reader", pooledOutput: .vector(size: 4))

    /// Byte-level BPE: each byte, then merges, then control tokens.
    static func bytePairSpec(_ preTokenizer: String) -> TokenizerSpec {
        let bytes = (0...255).map { String(character($0)) }
        let merged = ["he", "ll", "hell", "Ġw", "12"]
        var spec = TokenizerSpec(
            kind: .bytePairEncoding, preTokenizer: preTokenizer,
            tokens: bytes + merged + ["<|im_start|>", "<|im_end|>", "<tool_call>"],
            tokenKinds: Array(repeating: .normal, count: 256 + merged.count) + [.control, .control, .userDefined],
            merges: ["h e", "l l", "he ll", "Ġ w", "1 2"])
        spec.bosToken = 261
        spec.eosToken = 262
        return spec
    }

    /// The character that stands for a byte in GPT-2's vocabularies: itself where it can be seen, else one from 256 on.
    private static func character(_ byte: Int) -> Character {
        let seen = { (byte: Int) in (33...126).contains(byte) || (161...172).contains(byte) || byte >= 174 }
        let code = seen(byte) ? byte : 256 + (0..<byte).count { !seen($0) }
        return Character(UnicodeScalar(UInt32(code)) ?? " ")
    }

    private static let template = """
        {% if tools %}{% for tool in tools %}{{ tool | tojson }}{% endfor %}<tool_call>{% endif %}\
        {% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + (message['content'] or '') }}\
        {% for call in message.tool_calls or [] %}{{ call.function.name + (call.function.arguments | tojson) }}\
        {% endfor %}{{ '<|im_end|>' }}{% endfor %}
        """

    private static func model(_ name: String, pooledOutput: PooledOutput?) -> ServedModel {
        guard let tokenizer = try? Tokenizer(bytePairSpec("gpt-2")),
            let chatTemplate = try? ChatTemplate(source: template, bosToken: "", eosToken: "<|im_end|>")
        else { fatalError("the tokenizer and the template above are sound") }
        return ServedModel(
            name: name, tokenizer: tokenizer, chatTemplate: chatTemplate, contextLength: 4096, numericsID: numericsID,
            created: 1_600_000_000, pooledOutput: pooledOutput)
    }
}
