import Foundation
import TestSupport
import Testing

@testable import Sandbox

/// A process that keeps to rules, and what it can still do: see Tests/SandboxProbe.
@Suite struct SandboxTests {
    /// What came of each attempt, by name.
    static func outcomes() throws -> [String: Int32] {
        let folder = try TemporaryFolder()
        try folder.write("in/file", Data("inside".utf8))
        try folder.write("out/file", Data("outside".utf8))
        try FileManager.default.createSymbolicLink(
            atPath: folder.path + "/in/link", withDestinationPath: folder.path + "/out/file")
        let probe = Bundle.main.executableURL?.deletingLastPathComponent().appending(path: "SandboxProbe")
        let process = Process()
        let pipe = Pipe()
        process.executableURL = probe
        process.arguments = [folder.path, "\(try freePort())", "\(try freePort())"]
        process.standardOutput = pipe
        try process.run()
        let output = String(decoding: try pipe.fileHandleForReading.readToEnd() ?? Data(), as: UTF8.self)
        process.waitUntilExit()
        #expect(process.terminationStatus == 0)
        #expect(try String(contentsOfFile: folder.path + "/in/file", encoding: .utf8) == "inside")
        return Dictionary(
            uniqueKeysWithValues: output.split(separator: "\n").compactMap { line in
                let words = line.split(separator: " ")
                return words.count == 2 ? Int32(words[1]).map { (String(words[0]), $0) } : nil
            })
    }

    @Test func `a process in the sandbox does what its rules allow, and nothing else`() throws {
        let outcomes = try Self.outcomes()
        let landlock = try #require(outcomes["landlock"])
        try #require(outcomes["seccomp"] == 1, "this kernel has no seccomp")

        // Whatever the kernel's age.
        for what in ["read-inside", "list-inside", "listen", "signal-itself"] {
            #expect(outcomes[what] == 0, "\(what)")
        }
        for what in [
            "write-inside", "write-outside", "create", "truncate", "unlink", "rename", "mkdir", "chmod", "link",
            "execve", "spawn", "setuid",
        ] { #expect(outcomes[what] == EPERM, "\(what)") }
        #expect(outcomes["packet-socket"] == EAFNOSUPPORT)
        #expect(outcomes["multipath"] == EPROTONOSUPPORT)
        for what in ["sendto-connecting", "sendmsg-connecting"] {
            #expect(outcomes[what] == EOPNOTSUPP, "\(what)")
        }
        // What only Landlock knows, by its version.
        for (since, what, error) in [
            (Int32(1), "read-outside", EACCES), (1, "read-by-link", EACCES), (1, "list-outside", EACCES),
            (4, "listen-elsewhere", EACCES), (4, "connect", EACCES), (6, "signal-parent", EPERM),
        ] where landlock >= since { #expect(outcomes[what] == error, "\(what)") }
    }

    @Test func `rules that cannot be kept are named where they are required`() {
        let missing = SandboxPartMissing(part: "Landlock", reason: KernelError.text(-Int(ENOSYS)))
        #expect(
            SandboxUnavailable(missing: [missing]).description.hasPrefix(
                "The sandbox is required, but Landlock is not in force here (the kernel does not know it)"))
    }
}
