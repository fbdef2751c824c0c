import Foundation
import Testing

/// Who complains names a request, and whoever serves finds it: one line in the log of each, whatever became of it. Nothing
/// of what the client wrote or of its key is told to logs, metrics or traces.
@Suite(.serialized, .timeLimit(.minutes(3))) struct RequestLineTests {
    static let canary = "canary-5e1d"

    /// A request, and the outcome or status of its line.
    struct Story {
        var name: String
        var expected: String
        var path = "/v1/completions"
        var body = prompt(#""max_tokens":3"#)
        /// nil: the key that may.
        var key: String?
        var extra: [String] = []
    }

    static func prompt(_ more: String) -> String {
        #"{"model":"smollm2","prompt":"Tell of \#(canary)","ignore_eos":true,\#(more)}"#
    }

    static let chat = #""messages":[{"role":"user","content":"Tell of \#(canary)"}],"max_tokens":3"#
    static let stories = [
        Story(name: "whole", expected: "completed"),
        Story(name: "stream", expected: "completed", body: prompt(#""max_tokens":3,"stream":true"#)),
        Story(
            name: "chat", expected: "completed", path: "/v1/chat/completions", body: #"{"model":"smollm2",\#(chat)}"#),
        Story(name: "messages", expected: "completed", path: "/v1/messages", body: #"{"model":"smollm2",\#(chat)}"#),
        Story(
            name: "generate", expected: "completed", path: "/v2/models/smollm2/generate",
            body: #"{"text_input":"Tell of \#(canary)","max_tokens":3}"#),
        Story(
            name: "left", expected: "cancelled", body: prompt(#""max_tokens":8000,"stream":true"#),
            extra: ["--max-time", "0.5"]),
        Story(name: "value", expected: "400", body: prompt(#""temperature":9,"user":"\#(canary)""#)),
        Story(name: "json", expected: "400", body: #"{"\#(canary)"#),
        Story(name: "long", expected: "400", body: prompt(#""max_tokens":9000"#)),
        Story(name: "key", expected: "401", key: "apus-\(canary)"),
        Story(name: "model", expected: "404", body: #"{"model":"\#(canary)","prompt":"x"}"#),
        Story(name: "path", expected: "404", path: "/v1/\(canary)"),
        Story(name: "method", expected: "405", extra: ["-X", "PATCH"]),
        Story(name: "size", expected: "413", body: prompt(#""user":"\#(String(repeating: canary, count: 500))""#)),
        Story(name: "type", expected: "415", extra: ["-H", "content-type: text/\(canary)"]),
        Story(name: "few", expected: "429", key: "few"),
    ]

    /// Objects of the log's lines, by the request's id.
    static func lines(_ process: ApusProcess) -> [String: [[String: Any]]] {
        let objects = process.text.split(separator: "\n").filter { $0.hasPrefix("{") }.compactMap {
            (try? JSONSerialization.jsonObject(with: Data($0.utf8))) as? [String: Any]
        }
        return Dictionary(grouping: objects.filter { $0["id"] != nil }) { $0["id"] as? String ?? "" }
    }

    static func outcome(_ line: [String: Any]) -> String {
        (line["outcome"] as? String) ?? (line["status"] ?? line["grpc_status"]).map { "\($0)" } ?? "none"
    }

    @Test func `each request is found by its id in one line, and no word of it anywhere`() throws {
        let collector = try TraceTests.Collector()
        let (good, few) = try (AccessTests.make("first"), AccessTests.make("second"))
        let file = FileManager.default.temporaryDirectory.appending(path: "apus-keys-\(UUID().uuidString).yaml")
        defer { try? FileManager.default.removeItem(at: file) }
        let entries = [good.entry, few.entry + "\n    tokens-per-minute: 1"].joined(separator: "\n")
        try "keys:\n\(entries)\n".write(to: file, atomically: true, encoding: .utf8)
        let cluster = try Cluster(
            workers: 1,
            flags: [
                "--api-keys", file.path, "--log-format", "json", "--max-body-size", "4096", "--trace-sample", "1",
                "--trace-endpoint", try collector.url(),
            ])
        func ask(_ story: Story, _ id: String, _ version: String) throws {
            let key = story.key == "few" ? few.key : story.key ?? good.key
            var fields = [
                "-H", "x-request-id: \(id)", "-H", "authorization: Bearer \(key)", "-H", "x-note: \(Self.canary)",
            ]
            if !story.extra.contains("content-type: text/\(Self.canary)") {
                fields += ["-H", "content-type: application/json"]
            }
            _ = try Curl.run(
                "http://127.0.0.1:\(cluster.port)\(story.path)", body: nil,
                extra: fields + ["--data-binary", story.body, version] + story.extra)
        }

        var expected = ["few-first": "completed"]
        try ask(Story(name: "", expected: "", key: "few"), "few-first", "--http1.1")
        for (turn, version) in ["--http1.1", "--http2-prior-knowledge", "--http1.1", "--http2-prior-knowledge"]
            .enumerated()
        {
            for story in Self.stories {
                let id = "h\(turn)-\(story.name)"
                try ask(story, id, version)
                expected[id] = story.expected
            }
        }
        let (status, said) = try PythonEnvironment.outcome(
            "log_client.py", ["\(cluster.grpcPort)", good.key, Self.canary, "5"],
            packages: PythonEnvironment.grpcPackages)
        #expect(status == 0, "\(said)")
        for line in said.split(separator: "\n") {
            let words = line.split(separator: " ").map(String.init)
            if words.count == 2 { expected[words[0]] = words[1] }
        }
        #expect(expected.count == 1 + 4 * Self.stories.count + 5 * 5)

        try eventually("a line of each request") { Set(expected.keys).isSubset(of: Self.lines(cluster.process).keys) }
        let lines = Self.lines(cluster.process)
        for (id, outcome) in expected { #expect(lines[id]?.map(Self.outcome) == [outcome], "\(id)") }
        for name in ["whole", "messages", "few", "value"] {
            #expect(lines["h0-\(name)"]?.first?["tenant"] as? String == (name == "few" ? "second" : "first"))
        }
        #expect((lines["h1-chat"]?.first?["answer"] as? String)?.hasPrefix("chatcmpl-") == true)
        #expect(lines["h1-chat"]?.first?["route"] as? String == "/v1/chat/completions")
        #expect((lines["h1-chat"]?.first?["trace"] as? String)?.count == 32)
        #expect(lines["h0-value"]?.first?["code"] != nil)

        try eventually("traces") { try !collector.spans("text_completion smollm2").isEmpty }
        let told = [
            "log": cluster.process.text, "metrics": try cluster.request("/metrics", admin: true).body,
            "traces": try collector.text(),
        ]
        for (place, text) in told {
            #expect(!text.isEmpty)
            for secret in [Self.canary, good.key, few.key] {
                #expect(!text.contains(secret), "\(secret) in the \(place)")
            }
        }
    }
}
