import Foundation
import NIOCore
import Synchronization
import TestSupport
import Testing

@testable import HTTP

@Suite(.timeLimit(.minutes(1))) struct TLSTests {
    let files: TestCertificates

    init() throws { files = try TestCertificates() }

    private func trusting(_ authority: String = "ca", client: String? = nil) throws -> TLSContextBox {
        var options = client.map { files.options($0) } ?? TLSOptions()
        options.authorityFile = files.path("\(authority).pem")
        return try TLSContextBox.client(options)
    }

    @Test func `both versions are served by what ALPN chooses`() async throws {
        let server = try await TestServer.echo(tls: try .server(files.options("server")))
        var old = TLSOptions(authorityFile: files.path("ca.pem"))
        old.protocols = ["http/1.1"]

        let second = try await server.http2(tls: try trusting())
        let first = try await server.http1(tls: try .client(old))
        let body = ByteBuffer(repeating: 3, count: 1_000_000)

        #expect(try await second.fetch(pieces: [body]).body == body)
        #expect(try await first.fetch(pieces: [body]).body == body)
        try await server.stop()
    }

    @Test func `a server whose protocols the client does not speak is left alone`() async throws {
        var only = files.options("server")
        only.protocols = ["http/1.1"]
        let server = try await TestServer.echo(tls: try .server(only))

        await #expect(throws: HTTPConnectError.self) { try await server.http2(tls: try trusting()) }
        try await server.stop()
    }

    @Test func `an unknown server is refused`() async throws {
        let server = try await TestServer.echo(tls: try .server(files.options("stranger")))

        let error = await #expect(throws: HTTPConnectError.self) { try await server.http2(tls: try trusting()) }

        guard case .tls? = error else {
            Issue.record("\(String(describing: error)) does not name TLS")
            return
        }
        try await server.stop()
    }

    @Test func `a server with another name is refused`() async throws {
        try files.sign("elsewhere", "DNS:elsewhere", by: "ca")
        let server = try await TestServer.echo(tls: try .server(files.options("elsewhere")))
        var named = TLSOptions(authorityFile: files.path("ca.pem"))
        named.serverName = "elsewhere"

        await #expect(throws: HTTPConnectError.self) { try await server.http2(tls: try trusting()) }
        let client = try await server.http2(tls: try .client(named))
        #expect(try await client.fetch("GET").status == 200)
        try await server.stop()
    }

    @Test func `a demanded client certificate is demanded`() async throws {
        let server = try await TestServer.echo(tls: try .server(files.options("server", authority: "ca")))

        let known = try await server.http2(tls: try trusting(client: "client"))
        #expect(try await known.fetch("GET").status == 200)

        // With TLS 1.3 the client learns of the refusal only when it reads.
        for box in [try trusting(), try trusting(client: "stranger")] {
            if let refused = try? await server.http2(tls: box) {
                #expect(try await refused.fetch("GET").end != .complete)
            }
        }
        try await server.stop()
    }

    @Test func `a peer must carry the expected URI, to the letter`() async throws {
        let server = try await TestServer.echo(tls: try .server(files.options("server")))
        var expecting = TLSOptions(authorityFile: files.path("ca.pem"))
        expecting.peerURI = "spiffe://apus/worker"
        let client = try await server.http2(tls: try .client(expecting))
        #expect(try await client.fetch("GET").status == 200)

        for uri in ["spiffe://apus/work", "spiffe://apus/workers", "spiffe://apus/Worker", ""] {
            var wrong = expecting
            wrong.peerURI = uri
            await #expect(throws: HTTPConnectError.self) { try await server.http2(tls: try .client(wrong)) }
        }
        try await server.stop()
    }

    @Test func `TLS 1.2 is spoken outside and refused inside`() async throws {
        try #require(Tool.exists("openssl"), "These tests need the program openssl in PATH.")
        var inside = files.options("server")
        inside.minimumVersion = .tls13Only
        let outer = try await TestServer.echo(tls: try .server(files.options("server")))
        let inner = try await TestServer.echo(tls: try .server(inside))

        func connects(_ server: TestServer, _ version: String) throws -> Bool {
            let arguments = ["s_client", "-connect", "127.0.0.1:\(server.port)", version, "-alpn", "http/1.1"]
            return try Tool.run("sh", ["-c", "openssl \(arguments.joined(separator: " ")) < /dev/null"]).status == 0
        }

        #expect(try connects(outer, "-tls1_2") && connects(outer, "-tls1_3"))
        #expect(try connects(inner, "-tls1_3"))
        #expect(try !connects(inner, "-tls1_2"))
        #expect(try !connects(outer, "-tls1_1"))
        try await outer.stop()
        try await inner.stop()
    }

    @Test func `new connections use reloaded certificates, living ones go on`() async throws {
        let box = try TLSContextBox.server(files.options("server"))
        let server = try await TestServer.echo(tls: box)
        let before = try await server.http2(tls: try trusting())

        try files.makeAuthority("next")
        try files.sign("server", "IP:127.0.0.1", by: "next")
        #expect(try box.reloadIfChanged())
        #expect(try !box.reloadIfChanged())

        #expect(try await before.fetch("GET").status == 200)
        await #expect(throws: HTTPConnectError.self) { try await server.http2(tls: try trusting()) }
        let after = try await server.http2(tls: try trusting("next"))
        #expect(try await after.fetch("GET").status == 200)

        try "broken".write(toFile: files.path("server.pem"), atomically: true, encoding: .utf8)
        #expect(throws: TLSError.self) { try box.reloadIfChanged() }
        #expect(try !box.reloadIfChanged())
        let still = try await server.http2(tls: try trusting("next"))
        #expect(try await still.fetch("GET").status == 200)
        try await server.stop()
    }

    @Test func `certificates change under load, and no request fails`() async throws {
        let box = try TLSContextBox.server(files.options("server"))
        let server = try await TestServer.echo(tls: box)
        let readings = Readings()
        let watch = box.follow(on: server.loop, every: .milliseconds(20)) { error in
            if error == nil { readings.count.add(1, ordering: .relaxed) }
        }
        let trust = try trusting()
        // One connection that lives through all of it, and a new one for each request.
        let load = Task {
            let lasting = try await server.http2(tls: trust)
            var answered = 0
            while !Task.isCancelled {
                #expect(try await lasting.fetch(pieces: [ByteBuffer(repeating: 1, count: 100_000)]).status == 200)
                #expect(try await server.http2(tls: trust).fetch("GET").status == 200)
                answered += 1
            }
            return answered
        }
        for _ in 0..<8 {
            let before = readings.count.load(ordering: .relaxed)
            try files.sign("server", "IP:127.0.0.1", by: "ca")
            while readings.count.load(ordering: .relaxed) == before { try await Task.sleep(for: .milliseconds(5)) }
        }
        load.cancel()

        #expect(try await load.value > 0)
        watch.cancel()
        try await server.stop()
    }

    /// How often certificates were read again and could be used.
    final class Readings: Sendable {
        let count = Atomic(0)
    }

    @Test func `files that cannot be used are named in a sentence`() throws {
        try "nothing".write(toFile: files.path("bad.pem"), atomically: true, encoding: .utf8)
        let good = files.options("server")
        let cases: [(TLSOptions, String)] = [
            (TLSOptions(), "needs a certificate"),
            (TLSOptions(certificateFile: good.certificateFile), "needs a key"),
            (
                TLSOptions(certificateFile: files.path("bad.pem"), keyFile: good.keyFile),
                "bad.pem holds no PEM certificate"
            ),
            (TLSOptions(certificateFile: files.path("none.pem"), keyFile: good.keyFile), "none.pem"),
            (
                TLSOptions(certificateFile: good.certificateFile, keyFile: files.path("bad.pem")),
                "holds no PEM private key"
            ),
            (TLSOptions(certificateFile: good.certificateFile, keyFile: files.path("ca.key")), "does not belong"),
            (
                TLSOptions(
                    certificateFile: good.certificateFile, keyFile: good.keyFile, authorityFile: files.path("bad.pem")),
                "authority file"
            ),
        ]
        for (options, words) in cases {
            let error = #expect(throws: TLSError.self) { try TLSContextBox.server(options) }
            #expect(error?.description.contains(words) == true, "\(error?.description ?? "-")")
        }
    }

    @Test func `bytes that are not TLS end the connection`() async throws {
        let server = try await TestServer.echo(tls: try .server(files.options("server")))
        let socket = try RawSocket(port: server.port)

        socket.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n")

        #expect(socket.receiveAll()?.contains("HTTP/1.1") == false)
        try await until { server.listener.connectionCount == 0 }
        try await server.stop()
    }
}
