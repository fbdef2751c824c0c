import Foundation
import TestSupport
import Testing

/// Routers and workers as separate programs, as they run on several machines.
@Suite(.serialized) struct SeparateProcessTests {
    static let body = #"{"model":"apart","prompt":"Once upon a time","max_tokens":40,"temperature":0.9,"seed":5}"#

    struct Door {
        let process: ApusProcess
        let url: String

        /// Waits until it serves. `extra` is for curl.
        func waitUntilLinked(_ scheme: String = "http", extra: [String] = []) throws {
            try eventually("a router that is linked") {
                try Curl.run("\(scheme)://\(url)/health", body: nil, extra: extra).status == 200
            }
        }
    }

    /// A router in front of the worker at `port`.
    static func router(_ port: Int, _ flags: [String]) throws -> Door {
        let httpPort = try freePort()
        let process = try ApusProcess(
            [
                "router", "--worker-address", "127.0.0.1:\(port)", "--http-port", "\(httpPort)", "--grpc-port", "0",
                "--admin-port", "0",
            ] + flags)
        try process.waitFor("is ready")
        return Door(process: process, url: "127.0.0.1:\(httpPort)")
    }

    @Test func `the bench's worker answers through a router as one with a model does`() throws {
        let port = try freePort()
        let worker = try ApusProcess([
            "bench", "worker", ApusProcess.model, "--name", "apart", "--port", "\(port)", "--metrics-port", "0",
            "--vocabulary-size", "2000",
        ])
        let door = try Self.router(port, [])
        try eventually("a router that is linked") {
            try Curl.run("http://\(door.url)/health", body: nil, extra: []).status == 200
        }

        let answer = try Curl.run("http://\(door.url)/v1/completions", body: Self.body, extra: [])

        #expect(answer.status == 200, "\(answer.body) \(worker.text)")
        #expect(answer.body.contains("\"completion_tokens\":40"))
    }

    /// What an autoscaler does about a model without workers: see the script.
    @Test func `a request waits for a worker that KEDA starts`() throws {
        let (workerPort, httpPort, grpcPort) = try (freePort(), freePort(), freePort())
        let router = try ApusProcess([
            "router", "--worker-address", "127.0.0.1:\(workerPort)", "--http-port", "\(httpPort)",
            "--grpc-port", "\(grpcPort)", "--admin-port", "0", "--expect-model", "apart=\(ApusProcess.model)",
        ])
        try router.waitFor("is ready")
        #expect(try Curl.run("http://127.0.0.1:\(httpPort)/health", body: nil, extra: []).status == 200)

        let outcome = try PythonEnvironment.outcome(
            "keda_client.py",
            [
                "\(httpPort)", "\(grpcPort)", ApusProcess.binary.path, "worker", ApusProcess.model, "--name", "apart",
                "--port", "\(workerPort)", "--metrics-port", "0",
            ], packages: PythonEnvironment.grpcPackages)

        #expect(outcome.status == 0, "\(outcome.text) \(router.text)")
    }

    @Test func `a link with certificates serves several routers, and nobody without them`() throws {
        let files = try TestCertificates()
        func link(_ name: String, authority: String = "ca") -> [String] {
            [
                "--link-tls-cert", files.path("\(name).pem"), "--link-tls-key", files.path("\(name).key"),
                "--link-tls-ca", files.path("\(authority).pem"),
            ]
        }
        // As pods' certificates are: they name no place.
        try files.sign("worker", "URI:spiffe://apus/worker", by: "ca")
        func expecting(_ role: String) -> [String] { ["--link-tls-peer", "spiffe://apus/\(role)"] }
        let port = try freePort()
        let worker = try ApusProcess(
            ["worker", ApusProcess.model, "--name", "apart", "--port", "\(port)", "--metrics-port", "0"]
                + link("worker") + expecting("router"))
        try worker.waitFor("is ready")
        let front = ["--tls-cert", files.path("server.pem"), "--tls-key", files.path("server.key")]
        let doors = try (0..<2).map { _ in try Self.router(port, link("client") + front + expecting("worker")) }
        // Without a certificate, with one of another authority, with a worker's; one that expects another worker, and one
        // that expects the worker's address.
        let strangers = try [
            [], link("stranger", authority: "stranger"), link("worker") + expecting("worker"),
            link("client") + expecting("other"), link("client"),
        ].map { try Self.router(port, $0) }

        let trusting = ["--cacert", files.path("ca.pem")]
        var answers: [String] = []
        for door in doors {
            try door.waitUntilLinked("https", extra: trusting)
            let answer = try Curl.run("https://\(door.url)/v1/completions", body: Self.body, extra: trusting)
            #expect(answer.status == 200, "\(answer.body)")
            answers.append(answer.text())
        }
        #expect(!answers[0].isEmpty && answers[0] == answers[1])
        for door in strangers {
            let answer = try Curl.run("http://\(door.url)/v1/completions", body: Self.body, extra: [])
            #expect(answer.status == 503, "\(answer.body)")
        }

        // Another authority signs the front's certificate now: it is used without a restart.
        try files.makeAuthority("next")
        try files.sign("server", "IP:127.0.0.1,URI:spiffe://apus/worker", by: "next")
        try eventually("the new certificate") {
            try doors.allSatisfy {
                try Curl.run(
                    "https://\($0.url)/v1/completions", body: Self.body, extra: ["--cacert", files.path("next.pem")]
                ).text() == answers[0]
            }
        }
    }
}
