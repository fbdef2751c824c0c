import Foundation
import Testing

/// What a stranger does first, through real processes and sockets.
@Suite(.serialized) struct ServingTests {
    static let chat =
        #"{"model":"smollm2","messages":[{"role":"user","content":"Name three birds."}],"max_tokens":24,"seed":7"#

    @Test func `a stream and a whole answer say the same`() throws {
        let cluster = try Cluster()

        let stream = try cluster.request("/v1/chat/completions", body: Self.chat + #","stream":true}"#)
        let whole = try cluster.request("/v1/chat/completions", body: Self.chat + "}")

        #expect(stream.status == 200)
        #expect(stream.isComplete)
        #expect(whole.status == 200)
        #expect(!whole.text().isEmpty)
        #expect(stream.text() == whole.text())
        #expect((whole.json["usage"] as? [String: Any])?["completion_tokens"] as? Int == 24)
    }

    @Test func `HTTP/2 without TLS gives the same bytes as HTTP/1.1`() throws {
        let cluster = try Cluster(workers: 1)
        let one = try cluster.request("/v1/chat/completions", body: Self.chat + "}")
        let two = try cluster.request(
            "/v1/chat/completions", body: Self.chat + "}", extra: ["--http2-prior-knowledge"])
        #expect(one.text() == two.text())
        #expect(two.status == 200)
    }

    @Test func `choices of one request differ and repeat with the seed`() throws {
        let cluster = try Cluster()
        let body = Self.chat + #","n":3,"temperature":1.2}"#
        let first = try cluster.request("/v1/chat/completions", body: body)
        let second = try cluster.request("/v1/chat/completions", body: body)
        let texts = (0..<3).map { first.text(choice: $0) }
        #expect(Set(texts).count > 1)
        #expect(texts == (0..<3).map { second.text(choice: $0) })
    }

    @Test func `a client that leaves frees its sequence`() throws {
        let cluster = try Cluster()
        let transfer = try Curl.Transfer(
            "http://127.0.0.1:\(cluster.port)/v1/completions",
            body: #"{"model":"smollm2","prompt":"Once","max_tokens":4000,"ignore_eos":true,"stream":true}"#, extra: [])
        try eventually("a running stream") { transfer.text.contains("data: ") }
        try eventually("a running sequence") { try cluster.metric("vllm:num_requests_running") == 1 }

        kill(transfer.process.processIdentifier, SIGKILL)

        try eventually("its end") { try cluster.metric("vllm:num_requests_running") == 0 }
    }

    @Test func `health, readiness and models are told on their paths`() throws {
        let cluster = try Cluster()
        for path in ["/health", "/v2/health/live", "/v2/health/ready", "/v1/models", "/v1/models/smollm2"] {
            #expect(try cluster.request(path).status == 200, "\(path)")
        }
        for path in ["/livez", "/readyz", "/metrics"] {
            #expect(try cluster.request(path, admin: true).status == 200, "\(path)")
        }
        for path in ["/v1/models/nobody", "/metrics"] {
            #expect(try cluster.request(path).status == 404, "\(path)")
        }
    }

    @Test func `settings may all come by the environment and a file`() throws {
        let file = FileManager.default.temporaryDirectory.appending(path: "apus-\(UUID().uuidString).yaml")
        defer { try? FileManager.default.removeItem(at: file) }
        try "http-port: 0\ngrpc-port: 0\nworkers: 2\n".write(to: file, atomically: true, encoding: .utf8)

        let serve = try ApusProcess(
            ["serve", "--admin-port", "0"],
            environment: ["APUS_CONFIG": file.path, "APUS_MODEL": ApusProcess.model, "APUS_NAME": "named"])

        try serve.waitFor("is ready: named on 2 workers")
        serve.signal(SIGTERM)
        #expect(try serve.waitForExit() == 0)
    }

    @Test func `the openai package streams an answer`() throws {
        let cluster = try Cluster()
        let (status, said) = try PythonEnvironment.outcome(
            "openai_client.py", ["http://127.0.0.1:\(cluster.port)/v1"], packages: ["openai==3.52.0"])
        #expect(status == 0, "\(said)")
    }
}
