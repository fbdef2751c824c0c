import Foundation
import Testing

/// Workers and routers that come and go as somebody means them to, under requests.
@Suite(.serialized) struct PlannedRestartTests {
    struct Front {
        let process: ApusProcess
        let port: Int
        let adminPort: Int

        init(workers: [Int]) throws {
            port = try Cluster.freePort()
            adminPort = try Cluster.freePort()
            let addresses = workers.map { "127.0.0.1:\($0)" }.joined(separator: ",")
            process = try ApusProcess([
                "router", "--worker-address", addresses, "--http-port", "\(port)", "--grpc-port", "0",
                "--admin-port", "\(adminPort)",
            ])
            try process.waitFor("is ready")
        }

        var url: String { "http://127.0.0.1:\(port)/v1/completions" }
        var metrics: String {
            get throws { try Curl.run("http://127.0.0.1:\(adminPort)/metrics").body }
        }

        func hasWorkers(_ count: Int) throws -> Bool {
            try metrics.split(separator: "\n").contains { line in
                line.hasPrefix("apus_workers{") && line.contains("state=\"ready\"") && line.hasSuffix(" \(count)")
            }
        }
    }

    static func worker(_ model: String, port: Int) throws -> ApusProcess {
        let worker = try ApusProcess([
            "worker", model, "--name", "m", "--port", "\(port)", "--metrics-port", "0", "--threads", "1",
            "--context-length", "2048",
        ])
        try worker.waitFor("serving")
        return worker
    }

    static let story =
        #"{"model":"m","prompt":"Once upon a time","max_tokens":160,"temperature":0.8,"seed":11,"ignore_eos":true"#

    @Test func `while a model is upgraded each answer comes from one version, and says which`() throws {
        let upgraded = FileManager.default.temporaryDirectory.appending(path: "apus-\(UUID().uuidString).gguf").path
        defer { try? FileManager.default.removeItem(atPath: upgraded) }
        #expect(try ApusProcess.outcome(["quantize", ApusProcess.model, upgraded, "--to", "q8_0"]).status == 0)
        let ports = [try Cluster.freePort(), try Cluster.freePort()]
        let old = try Self.worker(ApusProcess.model, port: ports[0])
        let front = try Front(workers: ports)
        try eventually("the old worker's link") { try front.hasWorkers(1) }
        let undisturbed = try Curl.run(front.url, body: Self.story + "}")
        let before = undisturbed.json["system_fingerprint"] as? String
        #expect(before != nil)

        let transfer = try Curl.Transfer(front.url, body: Self.story + #","stream":true}"#, extra: [])
        try eventually("a stream under way") { transfer.text.components(separatedBy: "data: ").count > 5 }
        let new = try Self.worker(upgraded, port: ports[1])
        try eventually("the new worker's link") { try front.metrics.contains("\(ports[1])") && front.hasWorkers(2) }
        let between = try Curl.run(front.url, body: Self.story + "}")
        old.signal(SIGTERM)
        let disturbed = try transfer.finish()
        #expect(try old.waitForExit() == 0)
        try eventually("the old worker's end at the router") { try front.hasWorkers(1) }
        let after = try Curl.run(front.url, body: Self.story + "}")

        #expect(disturbed.isComplete)
        #expect(disturbed.text() == undisturbed.text())
        #expect(after.status == 200 && after.text() != undisturbed.text())
        #expect([undisturbed.text(), after.text()].contains(between.text()))
        #expect(between.json["system_fingerprint"] is NSNull)
        #expect((after.json["system_fingerprint"] as? String).map { $0 != before } ?? false)
        _ = new.processID
    }
}
