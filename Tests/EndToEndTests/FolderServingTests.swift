import Foundation
import TestSupport
import Testing

/// A folder as Hugging Face lays it out, from files to clients: a tiny Qwen 2 of random weights in two shards.
@Suite(.serialized) struct FolderServingTests {
    private static let width = 64
    private static let rowCount = 512

    static func folder() throws -> TemporaryFolder {
        let folder = try TemporaryFolder()
        let fixture = ApusProcess.repository.appending(path: "Tests/Fixtures/tokenizers.json")
        let whole = try #require(JSONSerialization.jsonObject(with: Data(contentsOf: fixture)) as? [String: Any])
        let kinds = try #require(whole["kinds"] as? [[String: Any]])
        let kind = try #require(kinds.first { $0["name"] as? String == "qwen2" })
        var tokenizer = try #require(kind["changes"] as? [String: Any])
        tokenizer["model"] = (whole["bases"] as? [String: Any])?["bytes"]
        let added = try #require(tokenizer["added_tokens"] as? [[String: Any]])
        let end = try #require(added.first { $0["content"] as? String == "<|end|>" }?["id"] as? Int)
        try folder.write("tokenizer.json", json: tokenizer)
        try folder.write("tokenizer_config.json", json: ["eos_token": "<|end|>"])
        try folder.write("generation_config.json", json: ["eos_token_id": [end]])
        try folder.write(
            "chat_template.jinja",
            Data("{% for m in messages %}<|user|>{{ m.content }}<|end|>{% endfor %}<|assistant|>".utf8))
        try folder.write(
            "config.json",
            json: [
                "model_type": "qwen2", "architectures": ["Qwen2ForCausalLM"], "hidden_size": width,
                "hidden_act": "silu",
                "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "intermediate_size": 96,
                "vocab_size": rowCount, "max_position_embeddings": 4096, "rms_norm_eps": 1e-6,
                "rope_theta": 10_000.0, "tie_word_embeddings": true,
            ])
        try SafetensorsWriter(tensors()).write(to: folder, shardCount: 2)
        return folder
    }

    private static func tensors() -> [SafetensorsWriter.Tensor] {
        var random = SeededRandom(seed: 5)
        var tensors: [SafetensorsWriter.Tensor] = []
        func add(_ name: String, _ shape: [Int]) {
            let isNorm = name.hasSuffix("norm.weight")
            let numbers = random.floats(shape.reduce(1, *), magnitude: isNorm ? 0.3 : 0.4)
            tensors.append(.init("model." + name, shape, floats: numbers.map { isNorm ? 1 + $0 : $0 }))
        }
        add("embed_tokens.weight", [rowCount, width])
        add("norm.weight", [width])
        for layer in 0..<2 {
            let block = "layers.\(layer)."
            for norm in ["input_layernorm", "post_attention_layernorm"] { add("\(block)\(norm).weight", [width]) }
            for (name, rows) in [("q", 64), ("k", 32), ("v", 32)] {
                add("\(block)self_attn.\(name)_proj.weight", [rows, width])
                add("\(block)self_attn.\(name)_proj.bias", [rows])
            }
            add("\(block)self_attn.o_proj.weight", [width, 64])
            for name in ["gate", "up"] { add("\(block)mlp.\(name)_proj.weight", [96, width]) }
            add("\(block)mlp.down_proj.weight", [width, 96])
        }
        return tensors
    }

    private static let chat =
        #"{"model":"smollm2","messages":[{"role":"user","content":"The quick brown fox"}],"max_tokens":3000,"#
        + #""temperature":0.8,"seed":3,"ignore_eos":true"#

    @Test func `a worker killed in mid-stream leaves no trace in a folder's answer`() throws {
        let folder = try Self.folder()
        let cluster = try Cluster(workers: 1, model: folder.path, flags: ["--threads", "1"])
        let whole = try cluster.request("/v1/chat/completions", body: Self.chat + "}")
        let transfer = try Curl.Transfer(
            "http://127.0.0.1:\(cluster.port)/v1/chat/completions", body: Self.chat + #","stream":true}"#, extra: [])
        try eventually("a stream under way") { transfer.text.components(separatedBy: "data: ").count > 20 }
        let before = try cluster.metric("apus_sequence_moves_total", label: "worker_lost")

        kill(try #require(cluster.process.children.first), SIGKILL)
        let struck = try transfer.finish()

        #expect(whole.status == 200, "\(whole.body)")
        #expect((whole.json["usage"] as? [String: Any])?["completion_tokens"] as? Int == 3000)
        #expect(Set(whole.text()).count > 20)
        #expect(struck.isComplete && struck.text() == whole.text())
        #expect(try cluster.metric("apus_sequence_moves_total", label: "worker_lost") > before)
    }

    @Test func `a folder is quantized when it is loaded, inspected and evaluated, or once and for all`() throws {
        let folder = try Self.folder()
        let file = folder.url.appending(path: "model.gguf").path
        let (writeStatus, report) = try ApusProcess.outcome(["quantize", folder.path, file, "--to", "q8_0"])
        let (badStatus, refusal) = try ApusProcess.outcome(
            ["quantize", folder.path, folder.url.appending(path: "model-1.safetensors").path, "--to", "q8_0"])
        func answer(_ model: String, _ flags: [String] = []) throws -> Answer {
            let cluster = try Cluster(workers: 1, model: model, flags: ["--threads", "1"] + flags)
            return try cluster.request(
                "/v1/chat/completions",
                body: #"{"model":"smollm2","messages":[{"role":"user","content":"The fox"}],"max_tokens":32,"#
                    + #""seed":5,"ignore_eos":true}"#)
        }
        let (loaded, written) = (try answer(folder.path, ["--quantize", "q8_0"]), try answer(file))
        let (status, text) = try ApusProcess.outcome(["inspect", folder.path])
        let license = ApusProcess.repository.appending(path: "LICENSE").path
        let (evalStatus, line) = try ApusProcess.outcome(
            ["eval", folder.path, license, "--context", "128", "--tokens", "300", "--quantize", "q4_0"])

        #expect(loaded.status == 200, "\(loaded.body)")
        #expect((loaded.json["usage"] as? [String: Any])?["completion_tokens"] as? Int == 32)
        #expect(writeStatus == 0 && report.contains("15 of 26 tensors are Q8_0"), "\(report)")
        #expect(!loaded.text().isEmpty && loaded.text() == written.text())
        #expect(status == 0 && text.contains("26 tensors") && text.contains("model-1.safetensors"), "\(text)")
        #expect(evalStatus == 0 && line.contains("mean_nll"), "\(line)")
        #expect(badStatus != 0 && refusal.contains("is a file to be read"), "\(refusal)")
    }
}
