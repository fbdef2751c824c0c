import Foundation
import TestSupport
import Testing

/// The commands that ask a running server, each as a process of its own.
@Suite(.serialized) struct ClientTests {
    @Test func `health says yes of a router and of a worker, on the ports that the environment sets`() throws {
        let cluster = try Cluster(workers: 1)
        let workerPort = try freePort()
        let place = ["APUS_METRICS_PORT": "\(workerPort)", "APUS_ADMIN_PORT": "\(try freePort())"]
        #expect(try ApusProcess.outcome(["health", "--port", "\(cluster.adminPort)"]).status == 0)
        #expect(
            try ApusProcess.outcome(["health"], environment: ["APUS_ADMIN_PORT": "\(cluster.adminPort)"]).status == 0)

        let worker = try ApusProcess(["worker", ApusProcess.model, "--port", "0"], environment: place)
        try worker.waitFor("is ready")
        #expect(try ApusProcess.outcome(["health"], environment: place).status == 0)

        worker.signal(SIGKILL)
        _ = try worker.waitForExit()
        let (status, text) = try ApusProcess.outcome(["health"], environment: place)
        #expect(status == 1)
        #expect(text.contains("Nothing listens on 127.0.0.1:\(workerPort)"), "\(text)")
    }

    @Test func `health says no when the answer is another status`() throws {
        let cluster = try Cluster(workers: 1)

        let (status, text) = try ApusProcess.outcome(["health", "--port", "\(cluster.adminPort)", "--path", "/nowhere"])

        #expect(status == 1)
        #expect(text.contains("answered 404"), "\(text)")
    }

    @Test func `chat prints what the model says, turn by turn`() throws {
        let cluster = try Cluster(workers: 1)

        let (status, text) = try ApusProcess.outcome(
            ["chat", "--url", "http://127.0.0.1:\(cluster.port)", "--temperature", "0", "--max-tokens", "8"],
            input: "Say hello.\nOnce more.\n")

        #expect(status == 0)
        let parts = text.components(separatedBy: "> ")
        #expect(parts.count == 4 && parts[0].hasPrefix("Talking to smollm2."), "\(text)")
        #expect(parts.dropFirst().prefix(2).allSatisfy { $0.count > 2 && $0.hasSuffix("\n") }, "\(text)")
    }

    @Test func `Triton's clients and gRPC's tools get what they know, and the same text as OpenAI's`() throws {
        let cluster = try Cluster(workers: 1)
        let prompt = "The swift is a bird that"
        let whole = try cluster.request(
            "/v1/completions",
            body: #"{"model":"smollm2","prompt":"\#(prompt)","temperature":0.8,"seed":11,"max_tokens":16}"#)

        let (status, said) = try PythonEnvironment.outcome(
            "triton_client.py",
            ["\(cluster.port)", "\(cluster.grpcPort)", prompt, whole.text(), "\(cluster.adminPort)"],
            packages: PythonEnvironment.grpcPackages)

        #expect(status == 0, "\(said)")
        #expect(try cluster.metric("nv_inference_request_success") > 10)
        #expect(try cluster.metric("nv_inference_pending_request_count") == 0)
        // The call whose deadline passed has left nothing behind.
        try eventually("no running sequence") { try cluster.metric("vllm:num_requests_running") == 0 }
        #expect(try cluster.metric("apus_grpc_calls_total", label: "method=\"ModelInfer\",code=\"0\"") >= 5)
    }

    @Test func `KServe's clients get the same text as OpenAI's`() throws {
        let cluster = try Cluster(workers: 1)
        let prompt = "The swift is a bird that"
        let whole = try cluster.request(
            "/v1/completions",
            body: #"{"model":"smollm2","prompt":"\#(prompt)","temperature":0.8,"seed":11,"max_tokens":16}"#)

        // The package asks for other versions of gRPC's packages than Triton's.
        let (status, said) = try PythonEnvironment.outcome(
            "kserve_client.py", ["\(cluster.port)", "\(cluster.grpcPort)", prompt, whole.text()],
            packages: ["kserve==0.21.0"], place: "python-kserve")

        #expect(status == 0, "\(said)")
    }

    @Test func `curl gets the same text by infer and generate, whole and streamed`() throws {
        let cluster = try Cluster(workers: 1)
        let wish = #""temperature":0.8,"seed":5,"max_tokens":24"#
        let whole = try cluster.request("/v1/completions", body: #"{"model":"smollm2","prompt":"Once",\#(wish)}"#)
        let path = "/v2/models/smollm2/versions/1"

        let generated = try cluster.request("\(path)/generate", body: #"{"text_input":"Once",\#(wish)}"#)
        let stream = try cluster.request("\(path)/generate_stream", body: #"{"text_input":"Once",\#(wish)}"#)
        let inferred = try cluster.request(
            "\(path)/infer",
            body: #"{"inputs":[{"name":"text_input","shape":[1],"datatype":"BYTES","data":["Once"]}],"#
                + #""parameters":{\#(wish)}}"#)

        #expect(!whole.text().isEmpty)
        #expect(generated.json["text_output"] as? String == whole.text())
        #expect(stream.events.count > 1)
        #expect(stream.events.compactMap { $0["text_output"] as? String }.joined() == whole.text())
        let output = (inferred.json["outputs"] as? [[String: Any]])?.first
        #expect(output?["data"] as? [String] == [whole.text()])
    }

    @Test func `chat tells what is missing, in a sentence`() throws {
        let (status, text) = try ApusProcess.outcome(["chat", "--url", "http://127.0.0.1:\(try freePort())"])

        #expect(status == 1)
        #expect(text.hasPrefix("apus: Nothing listens on"), "\(text)")
    }
}
