import Foundation
import Testing

/// Mistakes get a sentence and an exit status, or an error in the API's shape; nothing stops serving.
@Suite(.serialized) struct BadInputTests {
    @Test func `a model file that is missing, garbage or cut short ends the start with one sentence`() throws {
        let folder = FileManager.default.temporaryDirectory
        let garbage = folder.appending(path: "apus-garbage.gguf")
        try Data(repeating: 0x41, count: 4096).write(to: garbage)
        let short = folder.appending(path: "apus-short.gguf")
        let handle = try FileHandle(forReadingFrom: URL(filePath: ApusProcess.model))
        try (handle.read(upToCount: 1 << 20) ?? Data()).write(to: short)

        for path in ["/nowhere/model.gguf", garbage.path, short.path] {
            for command in ["serve", "worker", "inspect"] {
                let (status, text) = try ApusProcess.outcome([command, path])
                #expect(status == 1, "\(command) \(path): \(text)")
                #expect(text.contains(path), "\(command) \(path): \(text)")
                #expect(!text.contains("Fatal error"), "\(text)")
            }
        }
    }

    @Test func `a port in use is named`() throws {
        let cluster = try Cluster(workers: 1)
        let (status, text) = try ApusProcess.outcome([
            "router", "--worker-address", "127.0.0.1:1", "--http-port", "\(cluster.port)", "--grpc-port", "0",
            "--admin-port", "0",
        ])
        #expect(status == 1)
        #expect(text.contains("\(cluster.port)") && text.contains("in use"), "\(text)")
    }

    @Test func `an unknown key and a bad value name themselves and the nearest key`() throws {
        let (status, text) = try ApusProcess.outcome(["router"], environment: ["APUS_HTTP_PROT": "1"])
        #expect(status != 0)
        #expect(text.contains("APUS_HTTP_PORT"), "\(text)")
        let (flagStatus, flagText) = try ApusProcess.outcome(["router", "--http-port", "99999"])
        #expect(flagStatus != 0)
        #expect(flagText.contains("--http-port") && flagText.contains("65535"), "\(flagText)")
        let (unknownStatus, unknownText) = try ApusProcess.outcome(["router", "--htp-port", "1"])
        #expect(unknownStatus != 0)
        #expect(unknownText.contains("--http-port"), "\(unknownText)")
    }

    @Test func `a Service outside a cluster, and a resume key that is none, are told in a sentence`() throws {
        let ports = ["--http-port", "0", "--grpc-port", "0", "--admin-port", "0"]
        let (status, text) = try ApusProcess.outcome(["router", "--worker-service", "apus-worker:link"] + ports)
        #expect(status == 1 && text.contains("KUBERNETES_SERVICE_HOST"), "\(text)")
        let key = FileManager.default.temporaryDirectory.appending(path: "apus-\(UUID().uuidString).key")
        defer { try? FileManager.default.removeItem(at: key) }
        try Data("short".utf8).write(to: key)
        for path in [key.path, "/nowhere/resume.key"] {
            let (status, text) = try ApusProcess.outcome(
                ["router", "--worker-address", "127.0.0.1:1", "--resume-key-file", path] + ports)
            #expect(status == 1 && text.contains(path), "\(text)")
        }
    }

    @Test func `garbage on the socket harms nobody`() throws {
        let cluster = try Cluster(workers: 1)
        for garbage in [
            "\\x00\\x01\\x02", "GET / HTTP/9.9\\r\\n\\r\\n", "PRI * HTTP/2.0\\r\\n\\r\\nSM\\r\\n\\r\\nzzzzzzzzzzzzz",
        ] {
            let shell = Process()
            shell.executableURL = URL(filePath: "/bin/bash")
            shell.arguments = [
                "-c",
                "exec 3<>/dev/tcp/127.0.0.1/\(cluster.port); printf '\(garbage)' >&3; timeout 2 cat <&3 | head -c 100",
            ]
            shell.standardOutput = Pipe()
            shell.standardError = Pipe()
            try shell.run()
            shell.waitUntilExit()
        }
        #expect(try cluster.request("/health").status == 200)
        let answer = try cluster.request("/v1/completions", body: #"{"model":"smollm2","prompt":"Hi","max_tokens":2}"#)
        #expect(answer.status == 200)
    }

    static let mistakes: [(body: String, status: Int, parameter: String?)] = [
        ("{", 400, nil),
        ("[]", 400, nil),
        (#"{"model":"nobody","prompt":"x"}"#, 404, "model"),
        (#"{"model":"smollm2"}"#, 400, "prompt"),
        (#"{"model":"smollm2","prompt":"x","max_tokens":-1}"#, 400, "max_tokens"),
        (#"{"model":"smollm2","prompt":"x","max_tokens":1e99}"#, 400, "max_tokens"),
        (#"{"model":"smollm2","prompt":"x","temperature":"hot"}"#, 400, "temperature"),
        (#"{"model":"smollm2","prompt":"x","n":1000}"#, 400, "n"),
        (#"{"model":"smollm2","prompt":[1,2,99999999]}"#, 400, "prompt[2]"),
        (#"{"model":"smollm2","prompt":"x","max_tokens":1000000}"#, 400, "prompt"),
    ]

    @Test func `bad requests are answered in the shape of the API, naming the field`() throws {
        let cluster = try Cluster(workers: 1)
        for (body, status, parameter) in Self.mistakes {
            let answer = try cluster.request("/v1/completions", body: body)
            let error = answer.json["error"] as? [String: Any]
            #expect(answer.status == status, "\(body): \(answer.body)")
            #expect((error?["message"] as? String)?.isEmpty == false, "\(body): \(answer.body)")
            #expect(error?["param"] as? String == parameter, "\(body): \(answer.body)")
        }
        #expect(try cluster.request("/health").status == 200)
    }

    @Test func `what is refused before any route has the same shape`() throws {
        let cluster = try Cluster(workers: 1)
        let header = "x-long: " + String(repeating: "a", count: 20_000)
        for (path, extra, status) in [
            ("//health", ["--path-as-is"], 400), ("/health", ["-H", header], 431),
            ("/v1/completions", ["-H", "content-encoding: gzip", "-X", "POST", "-d", "x"], 415),
        ] {
            for version in ["--http1.1", "--http2-prior-knowledge"] {
                let answer = try cluster.request(path, extra: extra + [version])
                let error = answer.json["error"] as? [String: Any]
                #expect(answer.status == status, "\(path) \(version): \(answer.body)")
                #expect((error?["message"] as? String)?.isEmpty == false, "\(path) \(version): \(answer.body)")
            }
        }
    }

    @Test func `a large body that is refused early is answered over both versions`() throws {
        let cluster = try Cluster(workers: 1)
        let file = FileManager.default.temporaryDirectory.appending(path: "apus-large-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: file) }
        try Data(repeating: 0x20, count: 900_000).write(to: file)
        for version in ["--http1.1", "--http2-prior-knowledge"] {
            let answer = try cluster.request("/v1/nothing", extra: ["--data-binary", "@\(file.path)", version])
            #expect(answer.status == 404, "\(version): \(answer.body)")
            #expect(answer.json["error"] != nil, "\(version): \(answer.body)")
        }
    }
}
