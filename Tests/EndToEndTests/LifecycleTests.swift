import Foundation
import TestSupport
import Testing

/// Processes begin, end and are killed as they should.
@Suite(.serialized) struct LifecycleTests {
    static let story =
        #"{"model":"smollm2","prompt":"Once upon a time","max_tokens":160,"temperature":0.8,"seed":11,"ignore_eos":true,"stream":true}"#

    @Test func `a worker killed in mid-stream is replaced, and no byte differs`() throws {
        let cluster = try Cluster()
        let undisturbed = try cluster.request("/v1/completions", body: Self.story)
        #expect(undisturbed.isComplete)

        for worker in 0..<2 {
            let transfer = try Curl.Transfer(
                "http://127.0.0.1:\(cluster.port)/v1/completions", body: Self.story, extra: [])
            try eventually("a stream under way") { transfer.text.components(separatedBy: "data: ").count > 20 }
            let children = cluster.process.children
            #expect(children.count == 2)
            kill(children[worker], SIGKILL)
            let disturbed = try transfer.finish()

            #expect(disturbed.isComplete)
            #expect(disturbed.text() == undisturbed.text())
            try eventually("the worker's replacement") {
                try cluster.metric("apus_workers", label: "state=\"ready\"") == 2
            }
        }
        #expect(try cluster.metric("apus_worker_restarts_total") == 2)
    }

    static let turns = #""messages":[{"role":"user","content":"List many birds."}]"#
    static let list =
        #"{"type":"object","properties":{"birds":{"type":"array","minItems":16,"items":{"type":"string","minLength":6,"maxLength":30}}},"required":["birds"],"additionalProperties":false}"#
    /// Streams whose every token hangs on what came before: an answer of a schema, and a call of a tool.
    static let held = [
        #"{"model":"smollm2",\#(turns),"max_tokens":400,"temperature":0.9,"seed":4,"stream":true,"response_format":{"type":"json_schema","json_schema":{"name":"a","schema":\#(list)}}}"#,
        #"{"model":"smollm2",\#(turns),"max_tokens":400,"temperature":0.9,"seed":4,"stream":true,"tool_choice":"required","tools":[{"type":"function","function":{"name":"show","parameters":\#(list)}}]}"#,
    ]

    @Test(arguments: held) func `a constrained stream whose workers are killed has the same bytes`(body: String) throws
    {
        let template = ApusProcess.repository.appending(path: "Tests/EndToEndTests/tools.jinja").path
        let cluster = try Cluster(flags: ["--chat-template", template])
        // Texts and calls, as they come.
        func said(_ answer: Answer) throws -> String {
            let deltas = answer.events.flatMap { ($0["choices"] as? [[String: Any]]) ?? [] }
                .compactMap { $0["delta"] as? [String: Any] }
            return deltas.map { delta in
                let calls = (delta["tool_calls"] as? [[String: Any]]) ?? []
                return ((delta["content"] as? String) ?? "")
                    + calls.compactMap { ($0["function"] as? [String: Any])?["arguments"] as? String }.joined()
            }.joined()
        }
        let calm = try cluster.request("/v1/chat/completions", body: body)
        #expect(calm.isComplete, "\(calm.body.suffix(300))")
        let birds = try JSONSerialization.jsonObject(with: Data(try said(calm).utf8)) as? [String: [String]]
        #expect((birds?["birds"]?.count ?? 0) >= 16)

        let transfer = try Curl.Transfer("http://127.0.0.1:\(cluster.port)/v1/chat/completions", body: body, extra: [])
        try eventually("a stream under way") { transfer.text.components(separatedBy: "data: ").count > 12 }
        // All of them: whichever has the stream is among them.
        for worker in cluster.process.children { kill(worker, SIGKILL) }
        let struck = try transfer.finish()

        #expect(struck.isComplete)
        #expect(try said(struck) == said(calm))
        #expect(try cluster.metric("apus_sequence_moves_total", label: "worker_lost") >= 1)
    }

    @Test func `workers end when their model's file is written over, and serve again once it is whole`() throws {
        let folder = try TemporaryFolder()
        let file = URL(filePath: folder.path).appending(path: "model.gguf")
        let whole = try Data(contentsOf: URL(filePath: ApusProcess.model))
        try whole.write(to: file)
        let cluster = try Cluster(workers: 1, model: file.path)
        let body = #"{"model":"smollm2","prompt":"Once","max_tokens":8,"seed":1}"#
        let before = try cluster.request("/v1/completions", body: body)
        func overwrite(_ bytes: Data) throws {
            let handle = try FileHandle(forWritingTo: file)
            try handle.write(contentsOf: bytes)
            try handle.close()
        }

        try overwrite(Data(count: whole.count))
        try cluster.process.waitFor("was written over")
        try overwrite(whole)
        let after = try cluster.request("/v1/completions", body: body)

        #expect(before.status == 200 && after.status == 200, "\(after.body)")
        #expect(after.text() == before.text())
        #expect(try cluster.metric("apus_worker_restarts_total") >= 1)
    }

    @Test func `SIGTERM finishes what runs, then everything is gone`() throws {
        let cluster = try Cluster()
        let transfer = try Curl.Transfer(
            "http://127.0.0.1:\(cluster.port)/v1/completions", body: Self.story, extra: [])
        try eventually("a stream under way") { transfer.text.contains("data: ") }
        let children = cluster.process.children

        cluster.process.signal(SIGTERM)

        #expect(try transfer.finish().isComplete)
        #expect(try cluster.process.waitForExit() == 0)
        #expect(children.allSatisfy { !isAlive($0) })
    }

    @Test func `Ctrl-C twice stops at once`() throws {
        let cluster = try Cluster()
        let transfer = try Curl.Transfer(
            "http://127.0.0.1:\(cluster.port)/v1/completions",
            body: #"{"model":"smollm2","prompt":"Once","max_tokens":8000,"ignore_eos":true,"stream":true}"#, extra: [])
        try eventually("a stream under way") { transfer.text.contains("data: ") }
        let children = cluster.process.children

        cluster.process.signal(SIGINT)
        usleep(200_000)
        cluster.process.signal(SIGINT)

        _ = try cluster.process.waitForExit(seconds: 10)
        try eventually("the end of the workers", seconds: 10) { children.allSatisfy { !isAlive($0) } }
        transfer.process.terminate()
    }

    @Test func `a killed parent leaves no orphan`() throws {
        let cluster = try Cluster()
        let children = cluster.process.children
        #expect(children.count == 2)

        cluster.process.signal(SIGKILL)

        try eventually("the end of the workers") { children.allSatisfy { !isAlive($0) } }
    }
}
