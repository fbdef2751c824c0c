import Foundation
import TestSupport
import Testing

/// Several models in one `apus serve`: the same small file under two names.
@Suite(.serialized) struct ModelRepositoryTests {
    /// A server of a manifest in a folder of its own.
    struct Server {
        let process: ApusProcess
        let port: Int
        let adminPort: Int
        let folder: URL

        init(_ manifest: String, flags: [String] = []) throws {
            folder = FileManager.default.temporaryDirectory.appending(path: "apus-models-\(UUID().uuidString)")
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
            let file = folder.appending(path: "models.yaml")
            try manifest.write(to: file, atomically: true, encoding: .utf8)
            port = try freePort()
            adminPort = try freePort()
            process = try ApusProcess(
                [
                    "serve", "--models", file.path, "--http-port", "\(port)", "--grpc-port", "0", "--admin-port",
                    "\(adminPort)", "--threads", "1", "--context-length", "1024", "--slots", "4",
                ] + flags)
        }

        func post(_ path: String, _ body: String = "{}", admin: Bool = false) throws -> Answer {
            try Curl.run("http://127.0.0.1:\(admin ? adminPort : port)\(path)", body: body)
        }

        func change(_ model: String, _ change: String) throws -> Answer {
            try post("/v2/repository/models/\(model)/\(change)", admin: true)
        }

        /// State and reason by model.
        func index() throws -> [String: String] {
            let text = try post("/v2/repository/index").body
            let rows = try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [[String: String]] ?? []
            return Dictionary(
                uniqueKeysWithValues: rows.map { ($0["name"] ?? "", "\($0["state"] ?? "") \($0["reason"] ?? "")") })
        }

        func ask(_ model: String, _ prompt: String = "Once", tokens: Int = 8) throws -> Answer {
            try post("/v1/completions", Self.body(model, prompt, tokens) + "}")
        }

        func stream(_ model: String, tokens: Int) throws -> Curl.Transfer {
            try Curl.Transfer(
                "http://127.0.0.1:\(port)/v1/completions",
                body: Self.body(model, "Once", tokens) + #","stream":true}"#, extra: [])
        }

        private static func body(_ model: String, _ prompt: String, _ tokens: Int) -> String {
            #"{"model":"\#(model)","prompt":"\#(prompt)","max_tokens":\#(tokens),"temperature":0,"ignore_eos":true"#
        }
    }

    @Test func `models are loaded and unloaded beside one that serves, and requests divide among them`() throws {
        let server = try Server(
            """
            models:
              - {name: one, path: \(ApusProcess.model)}
              - {name: two, path: \(ApusProcess.model), load: false}
              - {name: broken, path: models.yaml, load: false}
              - {name: changed, path: models.yaml, sha256: \(String(repeating: "00", count: 32)), load: false}
            """, flags: ["--model-alias", "both=one,both=two"])
        defer { try? FileManager.default.removeItem(at: server.folder) }
        try server.process.waitFor("is ready: one on 1 worker")
        #expect(try server.index()["two"] == "UNAVAILABLE not loaded")
        #expect(try server.index()["both"] == "READY ")
        #expect(try server.ask("two").status == 404)
        let undisturbed = try server.ask("one", tokens: 200)
        #expect(undisturbed.status == 200)

        // A long stream of the one, while the other comes and goes.
        let long = try server.stream("one", tokens: 200)
        try eventually("a stream under way") { long.text.contains("data: ") }
        #expect(try server.change("two", "load").status == 200)
        #expect(try server.change("two", "load").status == 200)
        #expect(try server.index()["two"] == "READY ")
        #expect(server.process.children.count == 2)
        let answers = try (0..<12).map { try server.ask("both", "Once \($0)") }
        #expect(answers.allSatisfy { $0.status == 200 })
        #expect(Set(answers.compactMap { $0.json["model"] as? String }) == ["one", "two"])
        let again = try server.ask("both", "Once 0")
        #expect(again.json["model"] as? String == answers[0].json["model"] as? String)

        // What runs ends, what comes is refused.
        let last = try server.stream("two", tokens: 100)
        try eventually("a stream of the other") { last.text.contains("data: ") }
        #expect(try server.change("two", "unload").status == 200)
        #expect(try last.finish().isComplete)
        #expect(server.process.children.count == 1)
        #expect(try server.index()["two"] == "UNAVAILABLE unloaded")
        #expect(try server.ask("two").status == 404)
        #expect(try server.ask("both").json["model"] as? String == "one")
        let disturbed = try long.finish()
        #expect(disturbed.isComplete && disturbed.text() == undisturbed.text())

        // Once more, for good.
        #expect(try server.change("two", "load").status == 200)
        #expect(try server.ask("two").status == 200)
        #expect(try server.post("/v2/repository/models/two/unload").status == 403)

        for (model, reason) in [("broken", "GGUF"), ("changed", "SHA-256")] {
            let refusal = try server.change(model, "load")
            #expect(refusal.status == 500 && refusal.body.contains(reason), "\(refusal.body)")
            #expect(try server.index()[model]?.contains(reason) == true)
        }
        #expect(try server.change("other", "load").status == 404)
        #expect(try server.ask("one").status == 200)
        server.process.signal(SIGTERM)
        #expect(try server.process.waitForExit() == 0)
    }

    @Test func `a shadow gets copies of requests, and clients notice nothing`() throws {
        let server = try Server(
            """
            models:
              - {name: one, path: \(ApusProcess.model)}
              - {name: two, path: \(ApusProcess.model)}
            """, flags: ["--model-shadow", "one=two"])
        defer { try? FileManager.default.removeItem(at: server.folder) }
        try server.process.waitFor("is ready")
        try eventually("both models") { try Set(server.index().values) == ["READY "] }
        func metric(_ line: String) throws -> Int {
            let text = try Curl.run("http://127.0.0.1:\(server.adminPort)/metrics").body
            let found = text.split(separator: "\n").first { $0.hasPrefix(line) }
            return found?.split(separator: " ").last.flatMap { Double($0) }.map { Int($0) } ?? 0
        }

        let alone = try server.ask("two", "Once 0", tokens: 12)
        for number in 0..<3 {
            let answer = try server.ask("one", "Once \(number)", tokens: 12)
            #expect(answer.status == 200 && answer.json["model"] as? String == "one", "\(answer.body)")
            if number == 0 { #expect(answer.text() == alone.text()) }
            try eventually("the end of a copy") {
                try metric(#"apus_shadow_requests_total{model_name="one",shadow="two",outcome="completed"}"#) == number
                    + 1
            }
        }
        #expect(try metric(#"vllm:generation_tokens_total{model_name="one""#) == 36)
        #expect(try metric(#"vllm:generation_tokens_total{model_name="two""#) == 48)
        #expect(try metric(#"vllm:num_incoming_requests_total{model_name="two""#) == 4)
        #expect(try metric(#"apus_http_requests_total{route="/v1/completions",status="200"}"#) == 4)
    }

    @Test func `what an unloaded model has not answered in time fails, and says why`() throws {
        let server = try Server(
            "models: [{name: one, path: \(ApusProcess.model)}]", flags: ["--drain-timeout", "0.2"])
        defer { try? FileManager.default.removeItem(at: server.folder) }
        try server.process.waitFor("is ready: one on 1 worker")
        let stream = try server.stream("one", tokens: 1000)
        try eventually("a stream under way") { stream.text.contains("data: ") }

        #expect(try server.change("one", "unload").status == 200)

        let answer = try stream.finish()
        #expect(!answer.isComplete && answer.body.contains("was unloaded"), "\(answer.body.suffix(300))")
        #expect(server.process.children.isEmpty)
        #expect(try server.change("one", "load").status == 200)
        #expect(try server.ask("one").status == 200)
    }

    @Test(arguments: [
        ("models: [{path: nowhere.gguf}]", "nowhere.gguf"),
        ("models: [{path: \(ApusProcess.model), sha256: \(String(repeating: "00", count: 32))}]", "SHA-256"),
        ("models: [{name: a, path: \(ApusProcess.model)}, {name: a, path: x}]", "a name of its own for each model"),
        ("models: [{name: a, path: \(ApusProcess.model), slots: 0}]", "models[0].slots"),
    ])
    func `a list that cannot be served ends the start in a sentence`(manifest: String, sentence: String) throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "apus-\(UUID().uuidString).yaml")
        defer { try? FileManager.default.removeItem(at: folder) }
        try manifest.write(to: folder, atomically: true, encoding: .utf8)
        let outcome = try ApusProcess.outcome(["serve", "--models", folder.path])
        #expect(outcome.status == 1)
        #expect(outcome.text.contains(sentence), "\(outcome.text)")
    }
}
