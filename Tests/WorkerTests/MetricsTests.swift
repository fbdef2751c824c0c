import Foundation
import Inference
import Testing
import WorkerProtocol

@testable import Worker

@Suite(.timeLimit(.minutes(1))) struct MetricsTests {
    @Test func `metrics count what the engine did`() async throws {
        let rig = try await WorkerRig.start()
        let (router, _) = try await RouterEnd.linked(rig)
        for id in 1...2 as ClosedRange<UInt64> {
            try await router.admit(id, Array(1...12), maxTokens: 5)
            _ = try await router.tokens(of: id)
        }
        // The engine counts after it reports: a command more, and its answer, come after that.
        try await router.say(.command(.cancel(SequenceID(9))))
        _ = try await router.next { event -> Bool? in
            if case .credit(_, _, _, commandsSeen: 3) = event { true } else { nil }
        }

        let page = try await PlainHTTP.get("/metrics", port: rig.service.metricsPort)

        let lines = Set(page.body.split(separator: "\n").map(String.init))
        #expect(page.status == 200)
        for line in [
            #"vllm:num_requests_running{model_name="served"} 0"#,
            #"vllm:kv_cache_usage_perc{model_name="served"} 0"#,
            #"vllm:cache_config_info{model_name="served",block_size="4",num_gpu_blocks="64"} 1"#,
            #"vllm:prompt_tokens_total{model_name="served"} 24"#,
            #"vllm:generation_tokens_total{model_name="served"} 10"#,
            #"vllm:num_preemptions_total{model_name="served"} 0"#,
            #"apus_kv_pages{model_name="served",state="free"} 64"#,
            #"apus_batch_slots{model_name="served",state="free"} 8"#,
            #"apus_batch_slots{model_name="served",state="used"} 0"#,
            "apus_connected_routers 1",
        ] {
            #expect(lines.contains(line), "\(line) is missing from:\n\(page.body)")
        }
        let steps = try #require(Self.value(#"apus_steps_total{model_name="served"}"#, page.body))
        #expect(Self.value(#"apus_step_duration_seconds_count{model_name="served"}"#, page.body) == steps)
        #expect(Self.value(#"vllm:iteration_tokens_total_count{model_name="served"}"#, page.body) == steps)
        #expect(Self.value(#"vllm:prefix_cache_hits_total{model_name="served"}"#, page.body) == 8)
        await rig.service.stop()
    }

    static func value(_ series: String, _ text: String) -> Double? {
        text.split(separator: "\n").first { $0.hasPrefix(series + " ") }?.split(separator: " ").last.flatMap {
            Double($0)
        }
    }

    @Test func `probes tell ready, hung and draining apart`() async throws {
        let rig = try await WorkerRig.start { $0.drainSeconds = 3600 }
        let (router, _) = try await RouterEnd.linked(rig)
        func statuses() async throws -> [Int] {
            var found: [Int] = []
            for path in ["/livez", "/readyz", "/health"] {
                found.append(try await PlainHTTP.get(path, port: rig.service.metricsPort).status)
            }
            return found
        }
        #expect(try await statuses() == [200, 200, 200])

        try await HealthTests.hang(rig, router)
        rig.clock.advance(bySeconds: 60)
        #expect(try await statuses() == [503, 503, 503])

        rig.clock.advance(bySeconds: -60)
        rig.gate.open()
        _ = try await router.tokens(of: 1)
        try await HealthTests.hang(rig, router)
        async let drained: Void = rig.service.drain()
        while rig.service.health.phase != .draining { await Task.yield() }
        #expect(try await statuses() == [200, 503, 503])
        rig.gate.open()
        await drained
    }

    @Test func `the metrics port knows its four pages and its methods`() async throws {
        let rig = try await WorkerRig.start()
        let port = rig.service.metricsPort

        #expect(try await PlainHTTP.get("/elsewhere", port: port).status == 404)
        #expect(try await PlainHTTP.get("/metrics", port: port, method: "DELETE").status == 405)
        let head = try await PlainHTTP.get("/metrics", port: port, method: "HEAD")
        #expect(head.status == 200)
        #expect(head.body.isEmpty)
        let open = try await PlainHTTP.get("/metrics", port: port, accept: "application/openmetrics-text")
        #expect(open.head.contains("application/openmetrics-text; version=1.0.0"))
        #expect(open.body.hasSuffix("# EOF\n"))
        await rig.service.stop()
    }

    @Test func `a ready worker announces its ports and closes the descriptor`() async throws {
        let pipe = Pipe()
        let descriptor = dup(pipe.fileHandleForWriting.fileDescriptor)
        try pipe.fileHandleForWriting.close()

        let rig = try await WorkerRig.start { $0.announceDescriptor = descriptor }

        let line = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        #expect(line == "\(rig.service.port) \(rig.service.metricsPort)\n")
        await rig.service.stop()
    }
}
