import Foundation
import TestSupport

/// `apus serve` with the real model, or another, on ports of its own.
struct Cluster {
    let process: ApusProcess
    let port: Int
    let grpcPort: Int
    let adminPort: Int

    init(workers: Int = 2, model: String = ApusProcess.model, name: String = "smollm2", flags: [String] = []) throws {
        port = try freePort()
        adminPort = try freePort()
        grpcPort = try freePort()
        process = try ApusProcess(
            [
                "serve", model, "--name", name, "--workers", "\(workers)", "--http-port", "\(port)",
                "--grpc-port", "\(grpcPort)", "--admin-port", "\(adminPort)",
            ] + flags)
        try process.waitFor("is ready")
        try eventually("\(workers) workers") {
            try metric("apus_workers", label: "state=\"ready\"") == Double(workers)
        }
    }

    /// Asks with curl.
    /// - Returns: status and body.
    func request(_ path: String, body: String? = nil, admin: Bool = false, extra: [String] = []) throws -> Answer {
        try Curl.run("http://127.0.0.1:\(admin ? adminPort : port)\(path)", body: body, extra: extra)
    }

    /// The sum of a metric's series whose labels contain `label`.
    func metric(_ name: String, label: String = "") throws -> Double {
        let text = try request("/metrics", admin: true).body
        return text.split(separator: "\n").filter { $0.hasPrefix(name) && (label.isEmpty || $0.contains(label)) }
            .filter { line in ["{", " "].contains(line.dropFirst(name.count).first.map(String.init) ?? "") }
            .compactMap { $0.split(separator: " ").last.flatMap { Double($0) } }.reduce(0, +)
    }
}

struct Answer {
    var status: Int
    var body: String

    /// The JSON object of the body, or of each `data:` line of a stream.
    var events: [[String: Any]] {
        body.components(separatedBy: "\n").filter { $0.hasPrefix("data: {") }.compactMap { object($0.dropFirst(6)) }
    }
    var json: [String: Any] { object(body[...]) ?? [:] }
    var isComplete: Bool { body.hasSuffix("data: [DONE]\n\n") }

    /// Text of a choice, from a stream or from a whole answer, chat or completion.
    func text(choice: Int = 0) -> String {
        let parts = events.isEmpty ? [json] : events
        return parts.flatMap { ($0["choices"] as? [[String: Any]]) ?? [] }
            .filter { ($0["index"] as? Int) == choice }
            .map { part in
                let message = (part["delta"] ?? part["message"]) as? [String: Any]
                return (message?["content"] as? String) ?? (part["text"] as? String) ?? ""
            }.joined()
    }

    private func object(_ text: Substring) -> [String: Any]? {
        (try? JSONSerialization.jsonObject(with: Data(text.utf8))) as? [String: Any]
    }
}

/// The HTTP client that everybody has.
enum Curl {
    /// A transfer that is under way.
    final class Transfer {
        let process = Process()
        private let output: URL

        init(_ url: String, body: String?, extra: [String]) throws {
            output = FileManager.default.temporaryDirectory.appending(path: "apus-\(UUID().uuidString)")
            process.executableURL = URL(filePath: "/usr/bin/env")
            let content = body.map { ["-H", "content-type: application/json", "--data-binary", $0] } ?? []
            process.arguments =
                ["curl", "-sS", "-N", "--max-time", "120", "-o", output.path, "-w", "%{http_code}"] + content + extra
                + [url]
            process.standardOutput = Pipe()
            process.standardError = Pipe()
            try process.run()
        }

        /// What has arrived so far.
        var text: String { (try? String(contentsOf: output, encoding: .utf8)) ?? "" }

        func finish() throws -> Answer {
            process.waitUntilExit()
            defer { try? FileManager.default.removeItem(at: output) }
            let status = (process.standardOutput as? Pipe)?.fileHandleForReading.readDataToEndOfFile() ?? Data()
            return Answer(status: Int(String(decoding: status, as: UTF8.self)) ?? 0, body: text)
        }
    }

    static func run(_ url: String, body: String? = nil, extra: [String] = []) throws -> Answer {
        try Transfer(url, body: body, extra: extra).finish()
    }
}
