import Inference
import Testing

@testable import Telemetry

@Suite struct ExpositionTests {
    static let requests = Metric.counter("apus_test_requests_total", "Requests.", labels: ["route"])
    static let depth = Metric.gauge("apus_test_depth", "Depth.")
    static let latency = Metric.histogram("apus_test_seconds", "Latency.", buckets: [0.1, 1])

    @Test func `a series that is removed is written no more, and begins anew`() {
        let registry = MetricRegistry()
        registry.counter(Self.requests, labels: ["/a"]).add(2)
        registry.counter(Self.requests, labels: ["/b"]).add(3)

        registry.remove(Self.requests, labels: ["/a"])
        registry.remove(Self.depth, labels: [])

        #expect(!registry.render().contains("/a"))
        #expect(registry.render().contains(#"{route="/b"} 3"#))
        #expect(registry.counter(Self.requests, labels: ["/a"]).value == 0)
    }

    @Test func `a registry writes every series once, sorted by name`() {
        let registry = MetricRegistry()
        registry.counter(Self.requests, labels: ["/a"]).add(2)
        registry.counter(Self.requests, labels: ["/a"]).add(1)
        registry.counter(Self.requests, labels: ["q\"\\\n"]).add()
        registry.gauge(Self.depth).set(1.5)
        let histogram = registry.histogram(Self.latency)
        histogram.observe(0.1)
        histogram.observe(0.5, count: 2)
        histogram.observe(3)

        #expect(
            registry.render() == """
                # HELP apus_test_depth Depth.
                # TYPE apus_test_depth gauge
                apus_test_depth 1.5
                # HELP apus_test_requests_total Requests.
                # TYPE apus_test_requests_total counter
                apus_test_requests_total{route="/a"} 3
                apus_test_requests_total{route="q\\"\\\\\\n"} 1
                # HELP apus_test_seconds Latency.
                # TYPE apus_test_seconds histogram
                apus_test_seconds_bucket{le="0.1"} 1
                apus_test_seconds_bucket{le="1"} 3
                apus_test_seconds_bucket{le="+Inf"} 4
                apus_test_seconds_sum 4.1
                apus_test_seconds_count 4

                """)
    }

    @Test func `a bucket remembers the last trace, which OpenMetrics alone shows`() throws {
        let registry = MetricRegistry()
        let histogram = registry.histogram(Self.latency)
        let traces = try (1...3).map { try #require(TraceID(high: 0, low: $0)) }
        histogram.observe(0.05)
        #expect(!registry.render(openMetrics: true).contains("trace_id"))
        histogram.observe(0.5, trace: traces[0])
        histogram.observe(0.25, trace: traces[1])
        histogram.observe(0.75)
        histogram.observe(3, count: 2, trace: traces[2])

        let lines = registry.render(openMetrics: true).split(separator: "\n")
        #expect(
            lines.filter { $0.contains("_bucket") } == [
                #"apus_test_seconds_bucket{le="0.1"} 1"#,
                #"apus_test_seconds_bucket{le="1"} 4 # {trace_id="00000000000000000000000000000002"} 0.25"#,
                #"apus_test_seconds_bucket{le="+Inf"} 6 # {trace_id="00000000000000000000000000000003"} 3"#,
            ])
        #expect(!registry.render().contains("trace_id"))
    }

    @Test func `OpenMetrics calls a counter without its suffix unknown, as no other name for it is allowed`() {
        let registry = MetricRegistry()
        registry.counter(.inferSuccess, labels: ["m", "1"]).add(2)

        #expect(registry.render(openMetrics: true).contains("# TYPE nv_inference_request_success unknown\n"))
        #expect(registry.render().contains("# TYPE nv_inference_request_success counter\n"))
        #expect(registry.render().contains("nv_inference_request_success{model=\"m\",version=\"1\"} 2\n"))
    }

    @Test func `OpenMetrics names counter families without their suffix and ends with EOF`() {
        let registry = MetricRegistry()
        registry.counter(Self.requests, labels: ["/a"]).add(7)

        let text = registry.render(openMetrics: true)

        #expect(text.contains("# TYPE apus_test_requests counter\n"))
        #expect(text.contains("apus_test_requests_total{route=\"/a\"} 7\n"))
        #expect(text.hasSuffix("# EOF\n"))
    }
}
