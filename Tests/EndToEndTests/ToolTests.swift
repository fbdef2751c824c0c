import Foundation
import Testing

/// Tools, with a template that has a place for them.
@Suite struct ToolTests {
    @Test func `the openai package calls tools, whole and in pieces`() throws {
        let template = ApusProcess.repository.appending(path: "Tests/EndToEndTests/tools.jinja").path
        let cluster = try Cluster(flags: ["--chat-template", template])
        let (status, said) = try PythonEnvironment.outcome(
            "tools_client.py", ["http://127.0.0.1:\(cluster.port)/v1"], packages: ConstrainedOutputTests.packages)
        #expect(status == 0, "\(said)")
    }

    @Test func `a chat template that is none is named at the start`() throws {
        let file = FileManager.default.temporaryDirectory.appending(path: "apus-\(UUID().uuidString).jinja")
        defer { try? FileManager.default.removeItem(at: file) }
        try Data("{% if %}".utf8).write(to: file)
        for path in [file.path, "/nowhere.jinja"] {
            let (status, text) = try ApusProcess.outcome(["worker", ApusProcess.model, "--chat-template", path])
            #expect(status == 1 && text.contains("\(path): "), "\(text)")
        }
    }
}
