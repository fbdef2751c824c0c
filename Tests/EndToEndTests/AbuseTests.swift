import Foundation
import Testing

/// The short form of `make abuse`: a router throws hostile clients out, with the answer that is theirs, and serves on.
@Suite(.serialized) struct AbuseTests {
    @Test func `hostile clients are refused and closed, and others are served`() throws {
        let abuse = Process()
        abuse.executableURL = URL(filePath: "/usr/bin/env")
        abuse.arguments = ["python3", ApusProcess.repository.appending(path: "Deploy/abuse/abuse.py").path, "--short"]
        abuse.environment = ProcessInfo.processInfo.environment.merging([
            "APUS_TEST_BINARY": ApusProcess.binary.path, "APUS_TEST_MODEL": ApusProcess.model,
        ]) { $1 }
        let (status, said) = try abuse.outcome()
        print(said)
        #expect(status == 0, "\(said)")
    }
}
