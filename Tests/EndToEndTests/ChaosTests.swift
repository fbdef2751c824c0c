import Foundation
import Testing

/// Many streams while workers are killed: nothing differs from the undisturbed run.
///
/// APUS_TEST_CHAOS_SECONDS and APUS_TEST_CHAOS_STREAMS make it longer and wider than CI does.
@Suite(.serialized) struct ChaosTests {
    static let environment = ProcessInfo.processInfo.environment
    static let seconds = environment["APUS_TEST_CHAOS_SECONDS"].flatMap { Int($0) } ?? 12
    static let streams = environment["APUS_TEST_CHAOS_STREAMS"].flatMap { Int($0) } ?? 16

    /// - Returns: the line of JSON that the load generator prints.
    static func load(_ cluster: Cluster, requests: Int, whileRunning disturb: () -> Void) throws -> [String: Any] {
        let bench = try ApusProcess([
            "bench", "--url", "http://127.0.0.1:\(cluster.port)", "--model", "smollm2", "--concurrency", "\(streams)",
            "--requests", "\(requests)", "--prompt-tokens", "48", "--output-tokens", "96", "--temperature", "0.8",
        ])
        while !bench.text.contains("}") && isAlive(bench.processID) {
            disturb()
            usleep(100_000)
        }
        let status = try bench.waitForExit(seconds: 120)
        #expect(status == 0, "\(bench.text)")
        let line = bench.text.split(separator: "\n").first { $0.hasPrefix("{") } ?? ""
        return (try? JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]) ?? [:]
    }

    @Test func `streams under repeated kills of workers have no error and no differing byte`() throws {
        let cluster = try Cluster()
        let probe = try Self.load(cluster, requests: Self.streams) {}
        let rate = Double(Self.streams) / max(0.1, probe["duration_s"] as? Double ?? 1)
        let requests = max(Self.streams, Int(rate * Double(Self.seconds)))
        let undisturbed = try Self.load(cluster, requests: requests) {}

        var lastKill = Date()
        var kills = 0
        let interval = max(2, Double(Self.seconds) / 6)
        let disturbed = try Self.load(cluster, requests: requests) {
            guard Date().timeIntervalSince(lastKill) > interval else { return }
            let workers = cluster.process.children
            guard workers.count == 2 else { return }
            kill(workers[kills % 2], SIGKILL)
            kills += 1
            lastKill = Date()
        }

        print("chaos: \(Self.streams) streams, \(requests) requests, \(kills) kills")
        #expect(kills >= 1)
        #expect(undisturbed["errors"] as? Int == 0)
        #expect(disturbed["errors"] as? Int == 0)
        #expect(disturbed["digest"] as? String == undisturbed["digest"] as? String)
        #expect(try cluster.metric("apus_sequence_moves_total", label: "worker_lost") >= 1)
    }
}
