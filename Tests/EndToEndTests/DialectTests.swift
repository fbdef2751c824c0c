import Foundation
import TestSupport
import Testing

/// One model through the clients of several dialects.
@Suite struct DialectTests {
    static let packages = ["openai==3.52.0", "anthropic==2.12.0", "ollama==0.6.3"]

    @Test func `the packages of OpenAI, Anthropic and Ollama get the same text for the same prompt and seed`() throws {
        let template = ApusProcess.repository.appending(path: "Tests/EndToEndTests/tools.jinja").path
        let cluster = try Cluster(flags: ["--chat-template", template])
        let (status, said) = try PythonEnvironment.outcome(
            "dialects_client.py", ["http://127.0.0.1:\(cluster.port)"], packages: Self.packages)
        #expect(status == 0, "\(said)")
    }

    @Test func `LangChain and LiteLLM get what the openai package gets`() throws {
        let template = ApusProcess.repository.appending(path: "Tests/EndToEndTests/tools.jinja").path
        let cluster = try Cluster(flags: ["--chat-template", template])
        let (status, said) = try PythonEnvironment.outcome(
            "ecosystem_client.py", ["http://127.0.0.1:\(cluster.port)/v1"],
            packages: ["openai==3.52.0", "langchain-openai==1.7.3", "litellm==1.83.0"], place: "python-ecosystem")
        #expect(status == 0, "\(said)")
    }

    @Test func `requests drawn from the description get no answer that it does not have`() throws {
        let cluster = try RouterAlone()
        let (status, said) = try PythonEnvironment.outcome(
            "description.py", ["http://127.0.0.1:\(cluster.port)", "8"], packages: ["schemathesis==4.32.5"])
        #expect(status == 0, "\(said)")
    }
}

/// A router, and a worker without a model that answers at once.
private struct RouterAlone {
    let port: Int
    private let router: ApusProcess
    private let worker: ApusProcess

    init() throws {
        let workerPort = try freePort()
        worker = try ApusProcess([
            "bench", "worker", ApusProcess.model, "--name", "smollm2", "--port", "\(workerPort)", "--metrics-port", "0",
        ])
        port = try freePort()
        router = try ApusProcess([
            "router", "--worker-address", "127.0.0.1:\(workerPort)", "--http-port", "\(port)", "--grpc-port", "0",
            "--admin-port", "0",
        ])
        let port = port
        try eventually("a model that is ready") {
            (try? Curl.run("http://127.0.0.1:\(port)/health").status) == 200
        }
    }
}
