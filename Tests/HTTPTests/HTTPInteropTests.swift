import Foundation
import NIOCore
import TestSupport
import Testing

@testable import HTTP

/// Other people's clients.
@Suite(.timeLimit(.minutes(1))) struct HTTPInteropTests {
    @Test(arguments: ["--http1.1", "--http2-prior-knowledge"])
    func `curl gets back what it sends`(version: String) async throws {
        try #require(Tool.exists("curl"), "These tests need the program curl in PATH.")
        let server = try await TestServer.echo()
        let text = String(repeating: "0123456789", count: 20_000)
        let file = FileManager.default.temporaryDirectory.appending(path: "apus-\(UUID().uuidString)")
        try text.write(to: file, atomically: true, encoding: .utf8)
        defer { try? FileManager.default.removeItem(at: file) }

        let result = try Tool.run(
            "curl", ["-s", version, "--data-binary", "@\(file.path)", "http://127.0.0.1:\(server.port)/x"])

        #expect(result.status == 0 && result.output == text)
        try await server.stop()
    }

    @Test(arguments: ["--http1.1", "--http2"])
    func `curl speaks TLS, with and without its certificate`(version: String) async throws {
        try #require(Tool.exists("curl"), "These tests need the program curl in PATH.")
        let files = try TestCertificates()
        let open = try await TestServer.echo(tls: try .server(files.options("server")))
        let closed = try await TestServer.echo(tls: try .server(files.options("server", authority: "ca")))
        func curl(_ server: TestServer, _ more: [String]) throws -> (status: Int32, output: String) {
            let trust = ["--cacert", files.path("ca.pem"), "-w", "%{http_version}"]
            return try Tool.run(
                "curl", ["-s", version] + trust + more + ["-d", "hi", "https://127.0.0.1:\(server.port)/x"])
        }

        let expected = version == "--http2" ? "hi2" : "hi1.1"
        #expect(try curl(open, []).output == expected)
        #expect(try curl(closed, []).status != 0)
        #expect(
            try curl(closed, ["--cert", files.path("client.pem"), "--key", files.path("client.key")]).output == expected
        )
        try await open.stop()
        try await closed.stop()
    }

    @Test
    func `nghttp reads a response with trailers`() async throws {
        try #require(Tool.exists("nghttp"), "These tests need the program nghttp in PATH.")
        let server = try await TestServer.serving { exchange in
            exchange.sendHead(status: 200, headers: [])
            exchange.write(ByteBuffer(string: "hello"))
            exchange.finish(trailers: [HTTPField("x-end", "yes")])
        }

        let result = try Tool.run("nghttp", ["-v", "http://127.0.0.1:\(server.port)/"])

        #expect(result.status == 0 && result.output.contains("hello") && result.output.contains("x-end: yes"))
        try await server.stop()
    }

    @Test(arguments: [true, false])
    func `h2load finds no failed request`(isHTTP2: Bool) async throws {
        try #require(Tool.exists("h2load"), "These tests need the program h2load in PATH.")
        let server = try await TestServer.echo()

        let arguments =
            (isHTTP2 ? [] : ["--h1"]) + ["-n", "2000", "-c", "10", "-m", "10", "http://127.0.0.1:\(server.port)/"]
        let result = try Tool.run("h2load", arguments)

        #expect(result.output.contains("2000 succeeded, 0 failed, 0 errored"))
        try await server.stop()
    }
}
