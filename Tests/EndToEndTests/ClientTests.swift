import Foundation
import Testing

/// The commands that ask a running server, each as a process of its own.
@Suite(.serialized) struct ClientTests {
    @Test func `health says yes of a router and of a worker, on the ports that the environment sets`() throws {
        let cluster = try Cluster(workers: 1)
        let workerPort = try Cluster.freePort()
        let place = ["APUS_METRICS_PORT": "\(workerPort)", "APUS_ADMIN_PORT": "\(try Cluster.freePort())"]
        #expect(try ApusProcess.outcome(["health", "--port", "\(cluster.adminPort)"]).status == 0)
        #expect(
            try ApusProcess.outcome(["health"], environment: ["APUS_ADMIN_PORT": "\(cluster.adminPort)"]).status == 0)

        let worker = try ApusProcess(["worker", ApusProcess.model, "--port", "0"], environment: place)
        try worker.waitFor("is ready")
        #expect(try ApusProcess.outcome(["health"], environment: place).status == 0)

        worker.signal(SIGKILL)
        _ = try worker.waitForExit()
        let (status, text) = try ApusProcess.outcome(["health"], environment: place)
        #expect(status == 1)
        #expect(text.contains("Nothing listens on 127.0.0.1:\(workerPort)"), "\(text)")
    }

    @Test func `health says no when the answer is another status`() throws {
        let cluster = try Cluster(workers: 1)

        let (status, text) = try ApusProcess.outcome(["health", "--port", "\(cluster.adminPort)", "--path", "/nowhere"])

        #expect(status == 1)
        #expect(text.contains("answered 404"), "\(text)")
    }

    @Test func `chat prints what the model says, turn by turn`() throws {
        let cluster = try Cluster(workers: 1)

        let (status, text) = try ApusProcess.outcome(
            ["chat", "--url", "http://127.0.0.1:\(cluster.port)", "--temperature", "0", "--max-tokens", "8"],
            input: "Say hello.\nOnce more.\n")

        #expect(status == 0)
        let parts = text.components(separatedBy: "> ")
        #expect(parts.count == 4 && parts[0].hasPrefix("Talking to smollm2."), "\(text)")
        #expect(parts.dropFirst().prefix(2).allSatisfy { $0.count > 2 && $0.hasSuffix("\n") }, "\(text)")
    }

    @Test func `chat tells what is missing, in a sentence`() throws {
        let (status, text) = try ApusProcess.outcome(["chat", "--url", "http://127.0.0.1:\(try Cluster.freePort())"])

        #expect(status == 1)
        #expect(text.hasPrefix("apus: Nothing listens on"), "\(text)")
    }
}
