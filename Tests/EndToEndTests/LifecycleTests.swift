import Foundation
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
            try eventually("the worker's replacement", seconds: 20) {
                try cluster.metric("apus_workers", label: "state=\"ready\"") == 2
            }
        }
        #expect(try cluster.metric("apus_worker_restarts_total") == 2)
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

        _ = try cluster.process.waitForExit(seconds: 5)
        try eventually("the end of the workers", seconds: 2) { children.allSatisfy { !isAlive($0) } }
        transfer.process.terminate()
    }

    @Test func `a killed parent leaves no orphan`() throws {
        let cluster = try Cluster()
        let children = cluster.process.children
        #expect(children.count == 2)

        cluster.process.signal(SIGKILL)

        try eventually("the end of the workers", seconds: 5) { children.allSatisfy { !isAlive($0) } }
    }
}
