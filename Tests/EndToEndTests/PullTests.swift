import Foundation
import TestSupport
import Testing

/// `apus pull` from servers that redirect, break off, lie and refuse.
@Suite(.serialized) struct PullTests {
    /// The servers of pull_server.py, which end with this value.
    final class Servers {
        private let process = Process()
        private let input = Pipe()
        private let output: FileHandle
        private let file: URL
        let certificates: TestCertificates
        let ports: [String: Any]

        init() throws {
            certificates = try TestCertificates()
            file = FileManager.default.temporaryDirectory.appending(path: "apus-\(UUID().uuidString).log")
            _ = FileManager.default.createFile(atPath: file.path, contents: nil)
            output = try FileHandle(forWritingTo: file)
            process.executableURL = URL(filePath: "/usr/bin/env")
            process.arguments = [
                "python3", ApusProcess.repository.appending(path: "Tests/EndToEndTests/pull_server.py").path,
                certificates.path("server.pem"), certificates.path("server.key"),
            ]
            process.standardInput = input
            process.standardOutput = output
            try process.run()
            let file = file
            try eventually("the servers' ports") { try !Self.lines(file).isEmpty }
            ports = try Self.lines(file)[0]
        }

        deinit {
            process.terminate()
            try? FileManager.default.removeItem(at: file)
        }

        private static func lines(_ file: URL) throws -> [[String: Any]] {
            try String(contentsOf: file, encoding: .utf8).split(separator: "\n").compactMap {
                try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any]
            }
        }

        /// What the servers were asked, in order.
        func requests() throws -> [[String: Any]] { Array(try Self.lines(file).dropFirst()) }
        func port(_ name: String) -> Int { ports[name] as? Int ?? 0 }
        var digest: String { ports["digest"] as? String ?? "" }
        var hub: String { "http://127.0.0.1:\(port("hub"))" }

        /// - Returns: exit status and what was said.
        func pull(_ arguments: [String], environment: [String: String] = [:]) throws -> (status: Int32, text: String) {
            let common = [
                "HF_ENDPOINT": hub, "SSL_CERT_FILE": certificates.path("ca.pem"), "HF_TOKEN": "hf_secret",
                "no_proxy": "127.0.0.1",
            ]
            let process = Process()
            process.executableURL = ApusProcess.binary
            process.arguments = ["pull"] + arguments
            process.environment = ProcessInfo.processInfo.environment.merging(common) { $1 }.merging(environment) { $1 }
            return try process.outcome()
        }
    }

    let servers: Servers
    let folder = FileManager.default.temporaryDirectory.appending(path: "apus-pull-\(UUID().uuidString)")

    init() throws { servers = try Servers() }

    func digest(_ name: String) throws -> String {
        let sum = try Tool.run("sha256sum", [folder.appending(path: name).path])
        return String(sum.output.prefix { $0 != " " })
    }

    var left: [String] { (try? FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()) ?? [] }

    @Test func `a file comes through redirects and breaks, and the token stays with its host`() throws {
        defer { try? FileManager.default.removeItem(at: folder) }
        let outcome = try servers.pull(["hf:org/repo@v1/model.gguf", "--to", folder.path])
        #expect(outcome.status == 0, "\(outcome.text)")
        #expect(outcome.text.contains("3000000 bytes, sha256 \(servers.digest)"), "\(outcome.text)")
        #expect(outcome.text.contains("model.gguf: 2 MiB of 2 MiB\n"), "\(outcome.text)")
        #expect(try digest("model.gguf") == servers.digest && left == ["model.gguf"])

        let asked = try servers.requests()
        let hub = asked.filter { $0["server"] as? String == "hub" }
        let storage = asked.filter { $0["server"] as? String == "storage" }
        #expect(hub.count == 3 && hub.allSatisfy { $0["path"] as? String == "/org/repo/resolve/v1/model.gguf" })
        #expect(hub.allSatisfy { $0["token"] as? String == "Bearer hf_secret" })
        #expect(storage.count == 3 && storage.allSatisfy { $0["token"] is NSNull })
        #expect(storage.map { $0["path"] as? String } == Array(repeating: "/files/model.gguf?sig=1", count: 3))
        #expect(storage[0]["range"] is NSNull && storage[1]["condition"] as? String == "\"a\"")
        #expect(storage.dropFirst().allSatisfy { ($0["range"] as? String)?.hasPrefix("bytes=") == true })

        let again = try servers.pull(["hf:org/repo@v1/model.gguf", "--to", folder.path])
        #expect(again.status == 0 && again.text.contains("is there already"))
        #expect(try servers.requests().count == asked.count)
    }

    @Test func `a file that changes on the way begins anew`() throws {
        defer { try? FileManager.default.removeItem(at: folder) }
        let outcome = try servers.pull(["\(servers.hub)/files/changing.gguf", "--to", folder.path])
        #expect(outcome.status == 0, "\(outcome.text)")
        #expect(try digest("changing.gguf") == servers.digest && left == ["changing.gguf"])
    }

    @Test func `a proxy leads to both, by a tunnel where it is encrypted`() throws {
        defer { try? FileManager.default.removeItem(at: folder) }
        let proxy = "http://user:pass@127.0.0.1:\(servers.port("proxy"))"
        let outcome = try servers.pull(
            ["hf:org/repo/plain.gguf", "--to", folder.path],
            environment: ["https_proxy": proxy, "http_proxy": proxy, "no_proxy": "example.org"])
        #expect(outcome.status == 0, "\(outcome.text)")
        #expect(try digest("plain.gguf") == servers.digest)
        let asked = try servers.requests()
        #expect(asked.map { $0["server"] as? String } == ["proxy", "proxy", "storage"])
        #expect(asked[0]["path"] as? String == "\(servers.hub)/org/repo/resolve/main/plain.gguf")
        #expect(asked[1]["connect"] as? String == "127.0.0.1:\(servers.port("storage"))")
        #expect(asked[1]["authorization"] as? String == "Basic dXNlcjpwYXNz")
    }

    @Test func `what cannot be had ends in a sentence, and leaves nothing wrong behind`() throws {
        defer { try? FileManager.default.removeItem(at: folder) }
        let storage = "https://127.0.0.1:\(servers.port("storage"))"
        let zero = String(repeating: "0", count: 64)
        let rows: [(arguments: [String], environment: [String: String], says: String)] = [
            (["hf:org/repo/damaged.gguf"], [:], "it was damaged on its way, or is another"),
            (["\(servers.hub)/files/plain.gguf", "--sha256", zero], [:], "not \(zero)"),
            (["\(servers.hub)/files/plain.gguf", "--sha256", "12"], [:], "--sha256 must be 64 hexadecimal digits"),
            (["\(servers.hub)/loop.gguf"], [:], "more than 10 redirects"),
            (["\(storage)/downgrade.gguf"], [:], "is not encrypted"),
            (["\(servers.hub)/secret.gguf"], [:], "HF_TOKEN"),
            (["\(servers.hub)/nowhere.gguf"], [:], "there is no such file"),
            (["hf:org/model.gguf"], [:], "must be hf:ORG/REPO/FILE"),
            (["hf:org/repo/../x.gguf"], [:], "must be hf:ORG/REPO/FILE"),
            (["ftp://example.org/x.gguf"], [:], "neither hf:ORG/REPO/FILE nor a URL"),
            (["hf:org/repo/x.gguf"], ["HTTP_PROXY": "ftp://x"], "HTTP_PROXY must be a URL"),
        ]
        for row in rows {
            let outcome = try servers.pull(row.arguments + ["--to", folder.path], environment: row.environment)
            #expect(outcome.status == 1 && outcome.text.contains(row.says), "\(row.arguments): \(outcome.text)")
            #expect(left.allSatisfy { $0.hasSuffix(".part") }, "\(row.arguments): \(left)")
        }
    }

    @Test func `a server that is busy is asked again, and a strange certificate is not trusted`() throws {
        defer { try? FileManager.default.removeItem(at: folder) }
        let outcome = try servers.pull(["\(servers.hub)/busy-plain.gguf", "--to", folder.path])
        #expect(outcome.status == 0 && outcome.text.contains("it answered 503; once more"), "\(outcome.text)")
        let strange = try servers.pull(
            ["https://127.0.0.1:\(servers.port("storage"))/files/plain.gguf", "--to", folder.path],
            environment: ["SSL_CERT_FILE": servers.certificates.path("stranger.pem")])
        #expect(strange.status == 1 && strange.text.contains("TLS handshake"), "\(strange.text)")
    }
}
