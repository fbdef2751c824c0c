import Foundation
import TestSupport
import Testing

/// Workers give up what they do not need, and serve.
@Suite(.serialized) struct WorkerSandboxTests {
    /// Whether this kernel has all that a sandbox is made of.
    static let isComplete = {
        let outcome = try? ApusProcess.outcome([
            "worker", "/nowhere/model.gguf", "--port", "0", "--metrics-port", "0", "--sandbox", "required",
        ])
        return outcome?.text.contains("sandbox is required") == false
    }()

    /// Values of a line of /proc/PID/status, of all threads.
    static func status(_ name: String, of process: Int32) throws -> Set<String> {
        let threads = try FileManager.default.contentsOfDirectory(atPath: "/proc/\(process)/task")
        let values = threads.compactMap { thread -> String? in
            let text = try? String(contentsOfFile: "/proc/\(process)/task/\(thread)/status", encoding: .utf8)
            return text?.split(separator: "\n").first { $0.hasPrefix(name + ":") }.map {
                String($0.dropFirst(name.count + 1)).trimmingCharacters(in: .whitespaces)
            }
        }
        return Set(values)
    }

    @Test func `every thread of a worker is in the sandbox, its router is not, and off is off`() throws {
        for (flags, expected) in [([], ["1", "2"]), (["--sandbox", "off"], ["0", "0"])] {
            let cluster = try Cluster(workers: 1, flags: flags)
            let worker = try #require(cluster.process.children.first)
            let answer = try cluster.request(
                "/v1/completions", body: #"{"model":"smollm2","prompt":"Hi","max_tokens":3}"#)

            #expect(answer.status == 200, "\(answer.body)")
            #expect(try Self.status("NoNewPrivs", of: worker) == [expected[0]])
            #expect(try Self.status("Seccomp", of: worker) == [expected[1]])
            #expect(try Self.status("Seccomp", of: cluster.process.processID) == ["0"])
        }
    }

    @Test(.enabled(if: isComplete)) func `a worker in the sandbox takes certificates that replace its own`() throws {
        let (files, next) = try (TestCertificates(), TestCertificates())
        for each in [files, next] { try each.sign("worker", "URI:spiffe://apus/worker", by: "ca") }
        func link(_ name: String, _ files: TestCertificates, _ other: String) -> [String] {
            [
                "--link-tls-cert", files.path("\(name).pem"), "--link-tls-key", files.path("\(name).key"),
                "--link-tls-ca", files.path("ca.pem"), "--link-tls-peer", "spiffe://apus/\(other)",
            ]
        }
        let port = try freePort()
        let worker = try ApusProcess(
            [
                "worker", ApusProcess.model, "--name", "apart", "--port", "\(port)", "--metrics-port", "0",
                "--sandbox", "required",
            ] + link("worker", files, "router"))
        try worker.waitFor("is ready")
        let before = try SeparateProcessTests.router(port, link("client", files, "worker"))
        try before.waitUntilLinked()

        // Other files by the same names, as an operator's tools put them there.
        for name in ["worker.key", "worker.pem", "ca.pem"] {
            #expect(rename(next.path(name), files.path(name)) == 0)
            try FileManager.default.copyItem(atPath: files.path(name), toPath: next.path(name))
        }
        try worker.waitFor("certificates read again")
        let after = try SeparateProcessTests.router(port, link("client", next, "worker"))
        try after.waitUntilLinked()

        let answer = try Curl.run("http://\(after.url)/v1/completions", body: SeparateProcessTests.body, extra: [])
        #expect(answer.status == 200, "\(answer.body) \(worker.text)")
        #expect(try WorkerSandboxTests.status("Seccomp", of: worker.processID) == ["2"])
    }
}
