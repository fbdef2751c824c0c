import Foundation
import TestSupport
import Testing

/// TLS on the ports of metrics and health.
@Suite(.serialized) struct AdminTLSTests {
    static func flags(_ files: TestCertificates, _ extra: [String] = []) -> [String] {
        ["--admin-tls-cert", files.path("server.pem"), "--admin-tls-key", files.path("server.key")] + extra
    }

    static func answers(_ url: String, _ extra: [String]) -> Bool {
        (try? Curl.run(url, extra: extra))?.status == 200
    }

    @Test func `routers and workers speak TLS there, take new certificates, and are alive for those who ask`() throws {
        let files = try TestCertificates()
        let (metricsPort, adminPort) = try (freePort(), freePort())
        let worker = try ApusProcess(
            ["worker", ApusProcess.model, "--port", "0", "--metrics-port", "\(metricsPort)"] + Self.flags(files))
        let router = try ApusProcess(
            [
                "router", "--worker-address", "127.0.0.1:\(metricsPort)", "--http-port", "0", "--grpc-port", "0",
                "--admin-port", "\(adminPort)",
            ] + Self.flags(files))
        try worker.waitFor("is ready")
        try router.waitFor("is ready")

        for port in [metricsPort, adminPort] {
            #expect(Self.answers("https://127.0.0.1:\(port)/metrics", ["--cacert", files.path("ca.pem")]))
            #expect(Self.answers("https://127.0.0.1:\(port)/livez", ["--insecure"]))
            #expect(!Self.answers("https://127.0.0.1:\(port)/livez", ["--cacert", files.path("stranger.pem")]))
            #expect(!Self.answers("http://127.0.0.1:\(port)/livez", []))
            let environment = [
                "APUS_ADMIN_TLS_CERT": files.path("server.pem"), "APUS_ADMIN_TLS_KEY": files.path("server.key"),
            ]
            let health = ["health", "--port", "\(port)"]
            #expect(try ApusProcess.outcome(health, environment: environment).status == 0)
            #expect(try ApusProcess.outcome(health).status == 1)
        }

        try files.makeAuthority("next")
        try files.sign("server", "IP:127.0.0.1", by: "next")
        try eventually("the new certificate") {
            [metricsPort, adminPort].allSatisfy {
                Self.answers("https://127.0.0.1:\($0)/livez", ["--cacert", files.path("next.pem")])
            }
        }
    }

    @Test func `where an authority is named, who has no certificate of it hears nothing`() throws {
        let files = try TestCertificates()
        let adminPort = try freePort()
        let router = try ApusProcess(
            [
                "router", "--worker-address", "127.0.0.1:1", "--http-port", "0", "--grpc-port", "0", "--admin-port",
                "\(adminPort)",
            ] + Self.flags(files, ["--admin-tls-ca", files.path("ca.pem")]))
        try router.waitFor("is ready")
        let url = "https://127.0.0.1:\(adminPort)/metrics"
        func shown(_ name: String) -> [String] {
            [
                "--cacert", files.path("ca.pem"), "--cert", files.path("\(name).pem"), "--key",
                files.path("\(name).key"),
            ]
        }

        #expect(Self.answers(url, shown("client")))
        #expect(!Self.answers(url, shown("stranger")))
        #expect(!Self.answers(url, ["--cacert", files.path("ca.pem")]))
        let environment = [
            "APUS_ADMIN_TLS_CERT": files.path("client.pem"), "APUS_ADMIN_TLS_KEY": files.path("client.key"),
        ]
        #expect(try ApusProcess.outcome(["health", "--port", "\(adminPort)"], environment: environment).status == 0)
    }

    @Test(arguments: [
        (["--admin-tls-cert", "a"], "admin-tls-key is missing"),
        (["--admin-tls-key", "a"], "admin-tls-cert is missing"),
        (["--admin-tls-ca", "a"], "admin-tls-cert is missing"),
    ]) func `half of it is a mistake`(flags: [String], sentence: String) throws {
        let outcome = try ApusProcess.outcome(["router", "--worker-address", "127.0.0.1:1"] + flags)
        #expect(outcome.status == 1 && outcome.text.contains(sentence), "\(outcome.text)")
    }
}
