import Foundation
import TestSupport
import Testing

/// Keys on a running cluster.
@Suite(.serialized) struct AccessTests {
    /// Of several KV pages.
    static let body =
        #"{"model":"smollm2","prompt":"\#(String(repeating: "Once upon a time there lived a bird. ", count: 12))","#
        + #""max_tokens":4,"temperature":0}"#

    /// A key for a caller, and its entry in the file, as `apus key` makes them.
    static func make(_ name: String) throws -> (key: String, entry: String) {
        let (status, text) = try ApusProcess.outcome(["key", name])
        let key = text.components(separatedBy: "written nowhere: ").last?.prefix { !$0.isNewline }
        let entry = text.components(separatedBy: "\n").filter { $0.hasPrefix("  ") }.joined(separator: "\n")
        guard status == 0, let key, key.hasPrefix("apus-"), key.count == 69, entry.contains("sha256: ") else {
            throw ApusProcess.Failure(description: text)
        }
        return (String(key), entry)
    }

    @Test func `keys open a cluster, keep tenants apart, and stop when they are taken away`() throws {
        let (first, second) = try (Self.make("first"), Self.make("second"))
        let file = FileManager.default.temporaryDirectory.appending(path: "apus-keys-\(UUID().uuidString).yaml")
        defer { try? FileManager.default.removeItem(at: file) }
        func write(_ entries: String...) throws {
            try ("keys:\n" + entries.joined(separator: "\n") + "\n").write(to: file, atomically: true, encoding: .utf8)
        }
        try write(first.entry, second.entry + "\n    requests-per-minute: 2")
        let cluster = try Cluster(workers: 1, flags: ["--api-keys", file.path])
        func ask(_ key: String?) throws -> Answer {
            try cluster.request(
                "/v1/completions", body: Self.body, extra: key.map { ["-H", "authorization: Bearer \($0)"] } ?? [])
        }
        func cached(_ answer: Answer) -> Int? {
            let usage = answer.json["usage"] as? [String: Any]
            return (usage?["prompt_tokens_details"] as? [String: Any])?["cached_tokens"] as? Int
        }

        #expect(try ask(nil).status == 401)
        #expect(try ask("apus-guess").status == 401)
        #expect(try cluster.request("/health").status == 200)
        let answers = try (ask(first.key), ask(first.key), ask(second.key))
        #expect(answers.0.status == 200 && answers.0.text() == answers.2.text(), "\(answers.0.body)")
        #expect(cached(answers.0) == 0 && cached(answers.2) == 0)
        #expect(cached(answers.1) ?? 0 > 32)
        #expect(try ask(second.key).status == 200)
        #expect(try ask(second.key).status == 429)

        try write(second.entry)
        try eventually("a key that is taken away") { try ask(first.key).status == 401 }
        try "keys: nonsense".write(to: file, atomically: true, encoding: .utf8)
        try cluster.process.waitFor("keys not read again")
        #expect(try ask(second.key).status != 401)
    }
}
