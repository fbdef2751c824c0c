import Foundation
import Testing

/// A real embedding model through a real router and its workers.
@Suite(.serialized) struct EmbeddingTests {
    static func cluster(workers: Int) throws -> Cluster {
        try Cluster(workers: workers, model: ApusProcess.embeddingModel, name: "minilm")
    }

    static let reference = ApusProcess.repository.appending(path: "Tests/Fixtures/reference/embeddings.json").path

    @Test func `the openai package gets the reference's vectors, the same alone and in a batch`() throws {
        let cluster = try Self.cluster(workers: 2)
        let (status, said) = try PythonEnvironment.outcome(
            "embedding_client.py", ["http://127.0.0.1:\(cluster.port)/v1", Self.reference],
            packages: ["openai==3.52.0"])
        #expect(status == 0, "\(said)")
    }

    @Test func `the ollama package gets the same vectors as OpenAI's`() throws {
        let cluster = try Self.cluster(workers: 1)
        let (status, said) = try PythonEnvironment.outcome(
            "ollama_embedding_client.py", ["http://127.0.0.1:\(cluster.port)"], packages: DialectTests.packages)
        #expect(status == 0, "\(said)")
    }

    @Test func `documents are ranked by what they mean`() throws {
        let cluster = try Self.cluster(workers: 1)
        let ranked = try cluster.request(
            "/v1/rerank",
            body: #"{"query":"What do swifts do all day?","documents":["Paris is the capital of France.","#
                + #""The bird spends most of its life in the air.",{"text":"Interest rates rose again."}],"top_n":1}"#)
        let scored = try cluster.request(
            "/v1/score", body: #"{"text_1":"a small dog","text_2":["a little puppy","a tax form"]}"#)

        let results = ranked.json["results"] as? [[String: Any]]
        #expect(results?.count == 1 && results?.first?["index"] as? Int == 1, "\(ranked.body)")
        let scores = (scored.json["data"] as? [[String: Any]])?.compactMap { $0["score"] as? Double } ?? []
        #expect(scores.count == 2 && scores[0] > 0.6 && scores[1] < 0.3, "\(scored.body)")
    }

    @Test func `workers killed in the middle of a batch leave no trace in it`() throws {
        let cluster = try Self.cluster(workers: 2)
        let texts = (0..<200).map { #""\#($0) \#(String(repeating: "a bird in the air ", count: 5 + $0 % 20))""# }
        let body = #"{"input":[\#(texts.joined(separator: ","))],"encoding_format":"base64"}"#
        let file = FileManager.default.temporaryDirectory.appending(path: "apus-\(UUID().uuidString)")
        try body.write(to: file, atomically: true, encoding: .utf8)
        defer { try? FileManager.default.removeItem(at: file) }
        let url = "http://127.0.0.1:\(cluster.port)/v1/embeddings"
        let calm = try Curl.run(url, body: "@\(file.path)")
        #expect(calm.status == 200, "\(calm.body.prefix(300))")

        let transfer = try Curl.Transfer(url, body: "@\(file.path)", extra: [])
        let before = try cluster.metric("apus_sequence_moves_total", label: "worker_lost")
        try eventually("a running batch") { try cluster.metric("vllm:num_requests_running") > 0 }
        kill(try #require(cluster.process.children.first), SIGKILL)
        let struck = try transfer.finish()

        #expect(struck.status == 200 && struck.body == calm.body)
        #expect(try cluster.metric("apus_sequence_moves_total", label: "worker_lost") > before)
    }

    @Test func `a model that generates says that it does not embed`() throws {
        let cluster = try Cluster(workers: 1)
        let answer = try cluster.request("/v1/embeddings", body: #"{"input":"Hi"}"#)

        #expect(answer.status == 400)
        #expect(answer.body.contains("model_does_not_embed"))
    }
}
