import Foundation

/// Certificates made by the openssl command for one test, in a folder that goes with it.
package final class TestCertificates {
    let folder: URL

    package struct NoOpenSSL: Error, CustomStringConvertible {
        package var description: String
    }

    /// An authority `ca`, with `server` and `client` signed by it, and a `stranger` signed by nobody.
    package init() throws {
        folder = FileManager.default.temporaryDirectory.appending(path: "apus-tls-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        try makeAuthority("ca")
        try sign("server", "IP:127.0.0.1,DNS:localhost,URI:spiffe://apus/worker", by: "ca")
        try sign("client", "URI:spiffe://apus/router", by: "ca")
        try makeAuthority("stranger")
    }

    deinit { try? FileManager.default.removeItem(at: folder) }

    package func path(_ name: String) -> String { folder.appending(path: name).path }

    package func makeAuthority(_ name: String) throws {
        try openssl([
            "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-keyout",
            path("\(name).key"), "-out", path("\(name).pem"), "-subj", "/CN=\(name)",
        ])
    }

    package func sign(_ name: String, _ names: String, by authority: String) throws {
        try openssl([
            "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", path("\(name).key"),
            "-out", path("\(name).csr"), "-subj", "/CN=\(name)",
        ])
        try "subjectAltName=\(names)".write(toFile: path("\(name).ext"), atomically: true, encoding: .utf8)
        try openssl([
            "x509", "-req", "-in", path("\(name).csr"), "-CA", path("\(authority).pem"), "-CAkey",
            path("\(authority).key"), "-CAcreateserial", "-days", "2", "-extfile", path("\(name).ext"), "-out",
            path("\(name).pem"),
        ])
    }

    private func openssl(_ arguments: [String]) throws {
        let result = try Tool.run("openssl", arguments)
        guard result.status == 0 else {
            throw NoOpenSSL(description: "openssl \(arguments.joined(separator: " ")) failed")
        }
    }
}

/// Programs of the machine.
package enum Tool {
    package static func path(_ name: String) -> String? {
        (ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin").split(separator: ":").map { "\($0)/\(name)" }
            .first { FileManager.default.isExecutableFile(atPath: $0) }
    }

    package static func exists(_ name: String) -> Bool { path(name) != nil }

    /// What it wrote to its output, and its exit status.
    package static func run(_ name: String, _ arguments: [String]) throws -> (status: Int32, output: String) {
        guard let path = path(name) else {
            throw TestCertificates.NoOpenSSL(description: "These tests need the program \(name) in PATH.")
        }
        let process = Process()
        let pipe = Pipe()
        process.executableURL = URL(filePath: path)
        process.arguments = arguments
        process.standardOutput = pipe
        process.standardError = FileHandle.nullDevice
        try process.run()
        let output = try pipe.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        return (process.terminationStatus, String(decoding: output, as: UTF8.self))
    }
}
