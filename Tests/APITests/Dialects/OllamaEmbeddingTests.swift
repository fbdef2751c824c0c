import HTTP
import Inference
import Serving
import Testing

@testable import API

/// Ollama's two endpoints for vectors.
@Suite struct OllamaEmbeddingTests {
    static func desk() -> Desk { Desk(models: [.tiny(pooledOutput: .vector(size: 2))]) }
    static let usage = Usage(promptTokens: 3, completionTokens: 0, cachedTokens: 0)

    @Test func `texts become vectors in order`() {
        let desk = Self.desk()
        let answer = desk.post(
            "/api/embed", #"{"model":"tiny:latest","input":["a","bc"],"keep_alive":"5m","options":{}}"#)
        #expect(desk.service.submitted.first?.prompts == [[97], [98, 99]])
        desk.service.produce(
            .pooled(choice: 1, [0, -1]), .pooled(choice: 0, [0.5, 0.25]), .finished(Self.usage))
        #expect(
            answer.text.hasPrefix(#"{"model":"tiny","embeddings":[[0.5,0.25],[0,-1]],"total_duration":"#)
                || answer.text.hasPrefix(#"{"model":"tiny","embeddings":[[0.5,0.25],[0.0,-1.0]],"total_duration":"#),
            "\(answer.text)")
        #expect(answer.text.hasSuffix(#","load_duration":0,"prompt_eval_count":3}"#))
    }

    @Test func `the older endpoint makes one of a prompt`() {
        let desk = Self.desk()
        let answer = desk.post("/api/embeddings", #"{"model":"tiny","prompt":"abc"}"#)
        desk.service.produce(.pooled(choice: 0, [0.5, 0.25]), .finished(Self.usage))
        #expect(answer.text == #"{"embedding":[0.5,0.25]}"#)
    }

    @Test(arguments: [
        ("/api/embed", "{}", "model is required", 400), ("/api/embed", #"{"model":"x"}"#, "does not exist", 404),
        ("/api/embed", #"{"model":"tiny"}"#, "input is required", 400),
        ("/api/embed", #"{"model":"tiny","input":5}"#, "input must be a string", 400),
        ("/api/embed", #"{"model":"tiny","input":[5]}"#, "input[0] must be a string", 400),
        ("/api/embed", #"{"model":"tiny","input":[]}"#, "input is empty", 400),
        ("/api/embed", #"{"model":"tiny","input":["a",""]}"#, "input[1] is empty", 400),
        ("/api/embed", #"{"model":"tiny","input":"a","dimensions":3}"#, "dimensions is not supported", 400),
        ("/api/embed", #"{"model":"tiny","input":"a","truncate":true}"#, "truncate is not supported", 400),
        ("/api/embed", #"{"model":"tiny","input":"\#(String(repeating: "a", count: 300))"}"#, "300 tokens", 400),
        (
            "/api/embed", #"{"model":"tiny","input":["\#(String(repeating: #"a",""#, count: 2048))a"]}"#,
            "2048 elements", 400
        ),
        ("/api/embeddings", #"{"model":"tiny"}"#, "prompt is required", 400),
        ("/api/embeddings", #"{"model":"tiny","prompt":["a"]}"#, "prompt must be a string", 400),
        ("/api/embeddings", #"{"model":"tiny","prompt":""}"#, "prompt is empty", 400),
        ("/api/generate", #"{"model":"tiny","prompt":"a"}"#, "generates none", 400),
        (
            "/v1/messages", #"{"model":"tiny","max_tokens":1,"messages":[{"role":"user","content":"a"}]}"#,
            "generates none", 400
        ),
        ("/v1/responses", #"{"model":"tiny","input":"a"}"#, "generates none", 400),
    ]) func `what is wrong is refused by name`(path: String, body: String, sentence: String, status: Int) {
        let desk = Self.desk()
        let answer = desk.post(path, body)
        #expect(answer.status == status && answer.text.contains(sentence), "\(answer.text)")
        #expect(desk.service.submitted.isEmpty)
    }
}
