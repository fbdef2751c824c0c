import Foundation
import TestSupport
import Testing

/// Workers and routers that come and go as somebody means them to, under requests.
@Suite(.serialized) struct PlannedRestartTests {
    struct Front {
        let process: ApusProcess
        let port: Int
        let adminPort: Int

        init(workers: [Int]) throws {
            port = try freePort()
            adminPort = try freePort()
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
        let ports = [try freePort(), try freePort()]
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

    @Test func `a router that is told to end resets no client that reached it`() async throws {
        let front = try Front(workers: [1])
        let clients = 32
        // Stopped, it accepts nobody: who connects now waits in the kernel, with a request.
        front.process.signal(SIGSTOP)
        let transfers = try (0..<clients).map { _ in
            try Curl.Transfer(front.url, body: #"{"model":"m","prompt":"Hello"}"#, extra: [])
        }
        try eventually("\(clients) connections") { Self.connections(to: front.port) >= clients }
        front.process.signal(SIGTERM)
        front.process.signal(SIGCONT)

        let answers = try transfers.map { try $0.finish() }
        #expect(try front.process.waitForExit() == 0)
        #expect(answers.allSatisfy { [404, 503].contains($0.status) })
    }

    /// Established connections of clients to a port of this machine.
    private static func connections(to port: Int) -> Int {
        // Read to its end: it has no size.
        var table = ""
        if let file = fopen("/proc/net/tcp", "r") {
            defer { fclose(file) }
            var bytes = [UInt8](repeating: 0, count: 1 << 16)
            while case let count = fread(&bytes, 1, bytes.count, file), count > 0 {
                table += String(decoding: bytes.prefix(count), as: UTF8.self)
            }
        }
        let address = ":" + String(port, radix: 16, uppercase: true)
        return table.split(separator: "\n").count { line in
            let fields = line.split(separator: " ")
            return fields.count > 3 && fields[2].hasSuffix(address) && fields[3] == "01"
        }
    }
}
