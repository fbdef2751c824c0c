import Foundation
import TestSupport
import Testing

/// A client that loses its router in mid-stream goes on at another, and has the same text in the end.
@Suite(.serialized) struct ResumeTests {
    /// A client as it should be: keeps what came up to the last event that is whole, and that event's id.
    private struct Heard {
        var events: [String] = []
        /// "" before the first.
        var lastID = ""

        mutating func hear(_ text: String) {
            for event in text.components(separatedBy: "\n\n").dropLast() {
                let lines = event.components(separatedBy: "\n")
                events += lines.filter { $0.hasPrefix("data: ") }
                if let id = lines.first(where: { $0.hasPrefix("id: ") }) { lastID = String(id.dropFirst(4)) }
            }
        }

        private var answer: Answer { Answer(status: 200, body: events.map { $0 + "\n\n" }.joined()) }
        func text(choice: Int = 0) -> String { answer.text(choice: choice) }
        var isComplete: Bool { events.last == "data: [DONE]" }
        /// Of every chunk: what must be the same in all of them.
        var envelopes: Set<String> {
            Set(answer.events.map { "\($0["id"] ?? "") \($0["created"] ?? "") \($0["system_fingerprint"] ?? "")" })
        }
        /// Log-probabilities of a choice's tokens, as numbers.
        func logprobs(choice: Int = 0) -> [Double] {
            answer.events.flatMap { ($0["choices"] as? [[String: Any]]) ?? [] }
                .filter { $0["index"] as? Int == choice }
                .flatMap { ((($0["logprobs"] as? [String: Any])?["token_logprobs"]) as? [Double]) ?? [] }
        }
        var finishReasons: [String] {
            answer.events.flatMap { ($0["choices"] as? [[String: Any]]) ?? [] }
                .compactMap { $0["finish_reason"] as? String }
        }
    }

    private final class Cluster {
        let worker: ApusProcess
        let workerPort: Int
        let key = FileManager.default.temporaryDirectory.appending(path: "apus-\(UUID().uuidString).key")

        init() throws {
            workerPort = try freePort()
            try Data((0..<32).map { _ in UInt8.random(in: 0...255) }).write(to: key)
            worker = try ApusProcess([
                "worker", ApusProcess.model, "--name", "apart", "--port", "\(workerPort)", "--metrics-port", "0",
            ])
            try worker.waitFor("is ready")
        }

        deinit { try? FileManager.default.removeItem(at: key) }

        func router(_ flags: [String] = []) throws -> SeparateProcessTests.Door {
            let door = try SeparateProcessTests.router(workerPort, ["--resume-key-file", key.path] + flags)
            try door.waitUntilLinked()
            return door
        }
    }

    private static func stream(
        _ door: SeparateProcessTests.Door, _ body: String, after id: String? = nil
    ) throws -> Curl.Transfer {
        let path = body.contains("messages") ? "/v1/chat/completions" : "/v1/completions"
        return try Curl.Transfer(
            "http://\(door.url)\(path)", body: body, extra: id.map { ["-H", "last-event-id: \($0)"] } ?? [])
    }

    static let bodies = [
        #"{"model":"apart","prompt":"Once upon a time","max_tokens":160,"seed":5,"stream":true,"logprobs":2,"ignore_eos":true}"#,
        #"{"model":"apart","messages":[{"role":"user","content":"Tell me of swifts and 鳥."}],"max_tokens":100,"seed":6,"#
            + #""n":2,"stream":true,"stop":["zzz"],"stream_options":{"include_usage":true},"ignore_eos":true}"#,
    ]

    @Test func `the router is killed in mid-stream, and another makes the rest`() throws {
        let cluster = try Cluster()
        let survivor = try cluster.router()
        for body in Self.bodies {
            let victim = try cluster.router()
            let calm = try Self.stream(survivor, body).finish()
            var whole = Heard()
            whole.hear(calm.body)
            try #require(calm.isComplete, "\(calm.body)")

            let broken = try Self.stream(victim, body)
            try eventually("some of the stream") { broken.text.components(separatedBy: "\n\n").count > 12 }
            victim.process.signal(SIGKILL)
            var heard = Heard()
            heard.hear(try broken.finish().body)
            #expect(!heard.isComplete && heard.finishReasons.isEmpty)
            let firstCount = heard.events.count

            let rest = try Self.stream(survivor, body, after: heard.lastID).finish()
            #expect(rest.status == 200, "\(rest.body)")
            heard.hear(rest.body)

            #expect(heard.isComplete && heard.events.count > firstCount)
            for choice in 0...1 {
                #expect(heard.text(choice: choice) == whole.text(choice: choice))
                #expect(heard.logprobs(choice: choice) == whole.logprobs(choice: choice))
            }
            #expect(heard.finishReasons == whole.finishReasons)
            #expect(heard.envelopes.count == 1, "\(heard.envelopes)")
        }
    }

    @Test func `a seed that was drawn is drawn no second time, at the same router, after any event`() throws {
        let cluster = try Cluster()
        let door = try cluster.router()
        let body =
            #"{"model":"apart","messages":[{"role":"user","content":"Name a bird."}],"max_tokens":48,"stream":true}"#
        let first = try Self.stream(door, body).finish()
        var whole = Heard()
        whole.hear(first.body)
        let events = first.body.components(separatedBy: "\n\n")
        for place in [0, 1, events.count / 2, events.count - 3] {
            var heard = Heard()
            heard.hear(events.prefix(place + 1).joined(separator: "\n\n") + "\n\n")
            let rest = try Self.stream(door, body, after: heard.lastID).finish()
            heard.hear(rest.body)
            #expect(heard.text() == whole.text() && heard.isComplete, "after event \(place)")
            #expect(heard.finishReasons == whole.finishReasons && heard.envelopes == whole.envelopes)
        }
        #expect(!whole.text().isEmpty)
    }

    @Test func `a router with another key, or whose window has passed, says so`() throws {
        let cluster = try Cluster()
        let body = #"{"model":"apart","prompt":"Swifts","max_tokens":4,"seed":1,"stream":true}"#
        var heard = Heard()
        let door = try cluster.router()
        heard.hear(try Self.stream(door, body).finish().body)
        let id = heard.lastID
        #expect(!id.isEmpty)

        let stranger = try SeparateProcessTests.router(cluster.workerPort, [])
        try stranger.waitUntilLinked()
        let refused = try Self.stream(stranger, body, after: id).finish()
        #expect(refused.status == 400 && refused.body.contains("invalid_event_id"), "\(refused.body)")
        let without = try cluster.router(["--resume-window", "0"])
        let plain = try Self.stream(without, body).finish()
        #expect(plain.isComplete && !plain.body.contains("id: "))
        let hasty = try cluster.router(["--resume-window", "1"])
        sleep(2)
        let late = try Self.stream(hasty, body, after: id).finish()
        #expect(late.status == 410 && late.body.contains("event_id_expired"), "\(late.body)")
    }
}
