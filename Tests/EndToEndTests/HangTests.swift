import Foundation
import Testing

/// A worker that lives and does nothing is worse than a dead one: nobody waits for its end.
@Suite(.serialized) struct HangTests {
    static let story =
        #"{"model":"smollm2","prompt":"Once upon a time","max_tokens":300,"temperature":0.8,"seed":11,"ignore_eos":true,"stream":true}"#

    @Test func `a worker whose engine hangs is killed and replaced, and no byte differs`() throws {
        let cluster = try Cluster(flags: ["--hang-timeout", "2"])
        let undisturbed = try cluster.request("/v1/completions", body: Self.story)
        #expect(undisturbed.isComplete)
        let children = cluster.process.children
        let before = children.map { HeldThread.seconds("apus-engine", of: $0) }

        let transfer = try Curl.Transfer(
            "http://127.0.0.1:\(cluster.port)/v1/completions", body: Self.story, extra: [])
        try eventually("a stream under way") { transfer.text.components(separatedBy: "data: ").count > 40 }
        let spent = zip(children, before).map { HeldThread.seconds("apus-engine", of: $0) - $1 }
        let victim = try #require(zip(children, spent).max { $0.1 < $1.1 }?.0)
        try HeldThread.hold("apus-engine", of: victim)
        let disturbed = try transfer.finish()

        #expect(disturbed.isComplete)
        #expect(disturbed.text() == undisturbed.text())
        try eventually("the worker's replacement") {
            try cluster.metric("apus_worker_restarts_total", label: #"cause="hung""#) == 1
                && cluster.metric("apus_workers", label: "state=\"ready\"") == 2
        }
        #expect(!isAlive(victim))
        #expect(cluster.process.children.count == 2)
        #expect(Set(cluster.process.children).isDisjoint(with: [victim]))
        #expect(cluster.process.text.contains("worker hangs: it is killed and started again"))
        #expect(try cluster.metric("apus_worker_restarts_total", label: #"cause="exited""#) == 0)
    }
}
