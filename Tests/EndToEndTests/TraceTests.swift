import Foundation
import TestSupport
import Testing

/// One trace across a router, a worker that is killed and the one that takes over, as a collector receives it.
@Suite(.serialized, .timeLimit(.minutes(3))) struct TraceTests {
    static let trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    static let caller = "00f067aa0ba902b7"
    static let canary = "canary-7f3a"

    struct Span {
        var object: [String: Any]
        func text(_ key: String) -> String { object[key] as? String ?? "" }
        var isError: Bool { object["error"] as? Bool ?? false }
        func attribute(_ key: String) -> Any? { (object["attributes"] as? [String: Any])?[key] }
        func resource(_ key: String) -> Any? { (object["resource"] as? [String: Any])?[key] }
        var processID: Int32 { Int32(resource("process.pid") as? Int ?? 0) }
    }

    /// trace_collector.py, which ends with this value.
    final class Collector {
        private let process = Process()
        private let output: FileHandle
        private let file: URL

        init() throws {
            file = FileManager.default.temporaryDirectory.appending(path: "apus-\(UUID().uuidString).log")
            _ = FileManager.default.createFile(atPath: file.path, contents: nil)
            output = try FileHandle(forWritingTo: file)
            process.executableURL = try PythonEnvironment.python(packages: PythonEnvironment.tracePackages)
            process.arguments = [
                ApusProcess.repository.appending(path: "Tests/EndToEndTests/trace_collector.py").path
            ]
            process.standardOutput = output
            process.standardError = output
            try process.run()
            try eventually("the collector's port") { try self.port() != nil }
        }

        deinit {
            process.terminate()
            try? FileManager.default.removeItem(at: file)
        }

        /// All that it said, its own errors included.
        func text() throws -> String { try String(contentsOf: file, encoding: .utf8) }

        private func lines() throws -> [[String: Any]] {
            try text().split(separator: "\n").filter { $0.hasPrefix("{") && $0.hasSuffix("}") }.compactMap {
                try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any]
            }
        }

        func port() throws -> Int? { try lines().first?["port"] as? Int }
        func url() throws -> String { "http://127.0.0.1:\(try port() ?? 0)" }

        /// Spans of a name, in the order in which they ended.
        func spans(_ name: String) throws -> [Span] {
            try lines().filter { $0["name"] as? String == name }.map { Span(object: $0) }
                .sorted { ($0.object["end"] as? Int ?? 0) < ($1.object["end"] as? Int ?? 0) }
        }
    }

    static let body =
        #"{"model":"apart","prompt":"Once upon a time there was a \#(canary)","max_tokens":800,"min_tokens":800,"#
        + #""stream":true,"temperature":0.7,"seed":5}"#

    @Test func `a killed worker's attempt and its successor are in one trace`() throws {
        let collector = try Collector()
        let ports = try [freePort(), freePort()]
        let workers = try ports.map { port in
            try ApusProcess([
                "worker", ApusProcess.model, "--name", "apart", "--port", "\(port)", "--metrics-port", "0",
                "--threads", "1", "--trace-endpoint", try collector.url(),
            ])
        }
        let (httpPort, adminPort) = (try freePort(), try freePort())
        let router = try ApusProcess(
            [
                "router", "--worker-address", ports.map { "127.0.0.1:\($0)" }.joined(separator: ","), "--http-port",
                "\(httpPort)", "--grpc-port", "0", "--admin-port", "\(adminPort)", "--trace-sample",
                "0",
            ], environment: ["OTEL_EXPORTER_OTLP_ENDPOINT": try collector.url() + "/"])
        try router.waitFor("is ready")
        let url = "http://127.0.0.1:\(httpPort)"
        try eventually("two workers", seconds: 60) {
            try Curl.run("http://127.0.0.1:\(adminPort)/metrics").body.contains("apus_workers{state=\"ready\"} 2")
        }

        let transfer = try Curl.Transfer(
            "\(url)/v1/completions", body: Self.body,
            extra: ["-H", "traceparent: 00-\(Self.trace)-\(Self.caller)-01", "-H", "tracestate: vendor=x"])
        try eventually("a worker's prefill") { try !collector.spans("prefill").isEmpty }
        let victim = try #require(try collector.spans("prefill").first).processID
        #expect(workers.map(\.processID).contains(victim))
        kill(victim, SIGKILL)
        let answer = try transfer.finish()
        #expect(answer.status == 200 && answer.isComplete)
        try eventually("the whole trace") {
            try !collector.spans("text_completion apart").isEmpty && collector.spans("decode").count == 1
        }

        let root = try #require(try collector.spans("text_completion apart").first)
        #expect(root.text("trace") == Self.trace && root.text("parent") == Self.caller)
        #expect(root.text("kind") == "SPAN_KIND_SERVER" && !root.isError && root.text("state") == "vendor=x")
        #expect(root.attribute("gen_ai.operation.name") as? String == "text_completion")
        #expect(root.attribute("gen_ai.usage.output_tokens") as? Int == 800)
        #expect(root.attribute("gen_ai.response.finish_reasons") as? [String] == ["length"])
        #expect(root.attribute("apus.moves") as? Int == 1)
        #expect(root.resource("service.name") as? String == "apus-router" && root.processID == router.processID)

        let attempts = try collector.spans("attempt")
        #expect(attempts.map(\.isError) == [true, false])
        #expect(attempts.map { $0.text("parent") } == [root.text("id"), root.text("id")])
        #expect(attempts.first?.attribute("error.type") as? String == "worker_lost")
        #expect(try collector.spans("queue").map { $0.text("parent") } == [root.text("id"), root.text("id")])

        // What each worker says of itself is below its attempt.
        let (prefills, decodes) = (try collector.spans("prefill"), try collector.spans("decode"))
        #expect(prefills.map { $0.text("parent") } == attempts.map { $0.text("id") })
        #expect(prefills.map(\.processID) == [victim] + workers.map(\.processID).filter { $0 != victim })
        #expect(decodes.map { $0.text("parent") } == [attempts.last?.text("id")])
        #expect(decodes.first?.processID == prefills.last?.processID)
        let all = [root] + attempts + prefills + decodes
        #expect(all.allSatisfy { $0.text("trace") == Self.trace })
        let said = try collector.text()
        #expect(!said.contains(Self.canary), "text of the prompt is in the trace")
        #expect(!said.contains("Traceback"), "\(said)")
    }

    @Test func `apus serve gives its workers the collector, and traces nobody without the setting`() throws {
        let collector = try Collector()
        let body = #"{"model":"smollm2","messages":[{"role":"user","content":"Hello"}],"max_tokens":4}"#
        let parent = ["-H", "traceparent: 00-\(Self.trace)-\(Self.caller)-01"]
        do {
            let cluster = try Cluster(workers: 1, flags: ["--trace-endpoint", try collector.url()])
            #expect(try cluster.request("/v1/chat/completions", body: body, extra: parent).status == 200)
            cluster.process.signal(SIGTERM)
            #expect(try cluster.process.waitForExit() == 0)
        }
        #expect(try collector.spans("chat smollm2").isEmpty)

        let cluster = try Cluster(
            workers: 1, flags: ["--trace-endpoint", try collector.url(), "--trace-sample", "1"])
        #expect(try cluster.request("/v1/chat/completions", body: body).status == 200)
        // What waits at the end is sent before it.
        cluster.process.signal(SIGTERM)
        #expect(try cluster.process.waitForExit() == 0)

        let root = try #require(try collector.spans("chat smollm2").first)
        #expect(root.text("parent").isEmpty)
        for name in ["queue", "attempt", "prefill", "decode"] {
            #expect(try collector.spans(name).map { $0.text("trace") } == [root.text("trace")], "\(name)")
        }
    }

    @Test(arguments: [
        (["--trace-sample", "2", "--trace-endpoint", "http://a:1"], "a number from 0 to 1"),
        (["--trace-sample", "0.5"], "trace-endpoint"),
        (["--trace-sample", "0.5", "--trace-endpoint", "collector:4318"], "a URL such as http://collector:4318"),
        (["--trace-sample", "1", "--trace-endpoint", "ftp://a"], "a URL such as"),
    ]) func `settings that cannot be are named`(flags: [String], sentence: String) throws {
        let (status, text) = try ApusProcess.outcome(
            ["router", "--worker-address", "127.0.0.1:1", "--http-port", "0"] + flags)

        #expect(status == 1)
        #expect(text.contains(sentence), "\(text)")
    }
}
