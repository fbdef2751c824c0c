import Inference
import Logging
import Serving
import TestSupport
import Testing

@testable import Router

@Suite struct RequestLogTests {
    @Test func `each request that ends leaves one line with counts and timings, and none of its text`() throws {
        let recorder = LogRecorder()
        let bench = RouterBench(workers: 1, logger: recorder.logger)
        let receiver = try bench.submit(.sample(max: 12))
        let cancelled = try bench.router.submit(.sample(max: 100), receiver: RecordingReceiver())
        bench.run { receiver.isOver }
        bench.router.cancel(cancelled)

        let ends = recorder.lines.filter { $0.message == "request ended" }
        #expect(ends.map { $0.metadata["outcome"]?.description } == ["completed", "cancelled"])
        #expect(ends.first?.metadata["output_tokens"]?.description == "12")
        #expect(ends.first?.metadata["model"]?.description == "m")
        let word = try #require(receiver.choices[0]?.text.split(separator: " ").first.map(String.init))
        #expect(!ends.contains { $0.metadata.description.contains(word) })
    }

    @Test func `the line has the names by which a client knows its request`() throws {
        let recorder = LogRecorder()
        let bench = RouterBench(workers: 1, logger: recorder.logger)
        var request = GenerationRequest.sample(max: 3)
        request.tenant = "who outcome=completed\u{1B}"
        let trace = TraceID(high: 1, low: 2)
        request.origin = RequestOrigin(id: "mine-1", route: "/v1/completions", answer: "cmpl-7", trace: trace)
        let receiver = try bench.submit(request)
        bench.run { receiver.isOver }

        let line = try #require(recorder.lines.first { $0.message == "request ended" }?.metadata)
        let names = ["id", "route", "answer", "trace", "tenant"].map { line[$0]?.description }
        #expect(
            names == [
                "mine-1", "/v1/completions", "cmpl-7", trace?.description, "who?outcome?completed?",
            ])
    }

    @Test func `where nobody reads the lines there are none`() throws {
        let recorder = LogRecorder(level: .warning)
        let bench = RouterBench(workers: 1, logger: recorder.logger)
        let receiver = try bench.submit(.sample(max: 3))
        bench.run { receiver.isOver }

        #expect(recorder.lines.isEmpty)
    }
}
