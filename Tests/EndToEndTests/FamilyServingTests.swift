import Foundation
import TestSupport
import Testing

/// A family other than the real model's, from file to client: Qwen 3 with experts, tiny, of random weights.
@Suite(.serialized) struct FamilyServingTests {
    private static let width = 64
    private static let marks = ["<before>", "<behind>", "<gap>"]

    /// A vocabulary of the printable ASCII characters, ends of turns, and marks around what is filled in.
    private static func model() -> [UInt8] {
        var random = SeededRandom(seed: 5)
        var writer = GGUFWriter()
        let tokens =
            (33..<127).map { String(UnicodeScalar(UInt8($0))) } + ["Ġ", "Ċ", "<|im_start|>", "<|im_end|>"] + marks
        let sizes: [(String, UInt32)] = [
            ("context_length", 256), ("embedding_length", UInt32(width)), ("block_count", 2),
            ("feed_forward_length", 64), ("attention.head_count", 4), ("attention.head_count_kv", 2),
            ("attention.key_length", 16), ("expert_count", 6), ("expert_used_count", 2),
            ("expert_feed_forward_length", 32),
        ]
        writer.entries =
            [
                ("general.architecture", .string("qwen3moe")),
                ("qwen3moe.attention.layer_norm_rms_epsilon", .float(1e-6)),
                ("tokenizer.ggml.model", .string("gpt2")), ("tokenizer.ggml.pre", .string("qwen2")),
                ("tokenizer.ggml.tokens", .strings(tokens)), ("tokenizer.ggml.merges", .strings([])),
                ("tokenizer.ggml.token_type", .ints(tokens.indices.map { $0 < 96 ? 1 : 3 })),
                ("tokenizer.ggml.eos_token_id", .uint32(97)), ("tokenizer.ggml.fim_pre_token_id", .uint32(98)),
                ("tokenizer.ggml.fim_suf_token_id", .uint32(99)), ("tokenizer.ggml.fim_mid_token_id", .uint32(100)),
                (
                    "tokenizer.chat_template",
                    .string("{% for m in messages %}<|im_start|>{{ m.content }}<|im_end|>{% endfor %}")
                ),
            ] + sizes.map { ("qwen3moe." + $0.0, .uint32($0.1)) }
        func add(_ name: String, _ dimensions: [Int]) {
            let isNorm = dimensions.count == 1
            let numbers = random.floats(dimensions.reduce(1, *), magnitude: isNorm ? 0.3 : 0.4)
            writer.add(name + ".weight", dimensions, floats: numbers.map { isNorm ? 1 + $0 : $0 })
        }
        add("token_embd", [width, tokens.count])
        add("output_norm", [width])
        for layer in 0..<2 {
            for (name, dimensions) in [
                ("attn_norm", [width]), ("attn_q", [width, 64]), ("attn_k", [width, 32]), ("attn_v", [width, 32]),
                ("attn_q_norm", [16]), ("attn_k_norm", [16]), ("attn_output", [64, width]), ("ffn_norm", [width]),
                ("ffn_gate_inp", [width, 6]), ("ffn_gate_exps", [width, 32, 6]), ("ffn_up_exps", [width, 32, 6]),
                ("ffn_down_exps", [32, width, 6]),
            ] { add("blk.\(layer).\(name)", dimensions) }
        }
        return writer.bytes()
    }

    @Test func `experts answer alike in streams and whole, alone and in company`() throws {
        let file = try TemporaryFile(Self.model())
        let cluster = try Cluster(model: file.path, flags: ["--threads", "2"])
        let chat =
            #"{"model":"smollm2","messages":[{"role":"user","content":"The quick brown fox"}],"#
            + #""max_tokens":40,"temperature":0.8,"seed":3,"ignore_eos":true"#

        let alone = try cluster.request("/v1/chat/completions", body: chat + "}")
        let stream = try cluster.request("/v1/chat/completions", body: chat + #","stream":true}"#)
        let choices = try cluster.request("/v1/chat/completions", body: chat + #","n":4}"#)

        #expect(alone.status == 200 && stream.status == 200 && choices.status == 200, "\(alone.body)")
        #expect((alone.json["usage"] as? [String: Any])?["completion_tokens"] as? Int == 40)
        #expect(Set(alone.text()).count > 5)
        #expect(stream.text() == alone.text())
        #expect(choices.text() == alone.text())
        #expect(choices.text(choice: 1) != alone.text())

        // What is filled in is what the same tokens would be continued with.
        let wish = #""max_tokens":24,"temperature":0.8,"seed":3,"ignore_eos":true"#
        let filled = try cluster.request(
            "/v1/completions", body: #"{"model":"smollm2","prompt":"fox","suffix":"dog",\#(wish)}"#)
        let spelled = try cluster.request(
            "/v1/completions", body: #"{"model":"smollm2","prompt":"<before>fox<behind>dog<gap>",\#(wish)}"#)
        let other = try cluster.request(
            "/v1/completions", body: #"{"model":"smollm2","prompt":"fox","suffix":"cat",\#(wish)}"#)
        let ollama = try cluster.request(
            "/api/generate",
            body:
                #"{"model":"smollm2","prompt":"fox","suffix":"dog","stream":false,"options":{"num_predict":24,"temperature":0.8,"seed":3,"ignore_eos":true}}"#
        )
        #expect((filled.json["usage"] as? [String: Any])?["prompt_tokens"] as? Int == 9, "\(filled.body)")
        #expect(filled.text() == spelled.text() && filled.text() != other.text())
        #expect(ollama.json["response"] as? String == filled.text(), "\(ollama.body)")
    }
}
