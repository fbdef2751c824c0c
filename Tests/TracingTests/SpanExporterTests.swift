import HTTP
import Inference
import Logging
import NIOCore
import NIOPosix
import Synchronization
import Telemetry
import Testing

@testable import Tracing

/// What a collector sees, and what becomes of spans that it does not take.
@Suite(.timeLimit(.minutes(1))) struct SpanExporterTests {
    /// Answers with the next status of a list, then with 200, and keeps what came.
    final class Collector: Sendable {
        struct Request: Equatable {
            var path: String
            var type: String?
            var key: String?
            var byteCount: Int
            var status: Int
        }

        private let state: Mutex<(statuses: [Int], requests: [Request])>
        init(_ statuses: [Int]) { state = Mutex((statuses, [])) }

        var requests: [Request] { state.withLock { $0.requests } }

        func answer(_ exchange: any HTTPExchange) {
            exchange.collectBody(limit: 1 << 20) { result in
                guard case .success(let body) = result else { return }
                let head = exchange.request
                let status = self.state.withLock { state in
                    let status = state.statuses.isEmpty ? 200 : state.statuses.removeFirst()
                    state.requests.append(
                        Request(
                            path: head.path, type: head.header("content-type"), key: head.header("x-key"),
                            byteCount: body.readableBytes, status: status))
                    return status
                }
                let pause = status == 503 ? [HTTPField("retry-after", "1")] : []
                exchange.respond(status: status, headers: pause, body: ByteBuffer())
            }
        }
    }

    private final class Handler: HTTPHandler {
        let collector: Collector
        init(_ collector: Collector) { self.collector = collector }
        func handle(_ exchange: any HTTPExchange) { collector.answer(exchange) }
    }

    static let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
    static let resource = SpanResource(service: "test", version: "1", instance: "a", processID: 5)

    /// Sends spans to a collector and closes.
    static func export(_ count: UInt64, port: Int, _ metrics: MetricRegistry) async throws {
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        let closed = loop.makePromise(of: Void.self)
        let address = CollectorAddress(
            host: "127.0.0.1", port: port, path: "/v1/traces", isSecure: false, headers: [HTTPField("x-key", "k")])
        try await loop.submit {
            let exporter = SpanExporter(
                address, resource: resource, eventLoop: loop, tls: nil, metrics: metrics, logger: quiet)
            for number in 0..<count { exporter.spanEnded(SpanQueueTests.span(number + 1)) }
            exporter.close { closed.succeed() }
        }.get()
        try await closed.futureResult.get()
    }

    static func serving(_ collector: Collector, _ body: (Int) async throws -> Void) async throws {
        let listener = try await HTTPListener.bind(
            host: "127.0.0.1", port: 0, group: MultiThreadedEventLoopGroup.singleton.next()
        ) { _ in Handler(collector) }
        try await body(listener.port)
        await listener.close()
    }

    @Test func `all spans arrive, in batches`() async throws {
        let (collector, metrics) = (Collector([]), MetricRegistry())
        try await Self.serving(collector) { try await Self.export(600, port: $0, metrics) }

        #expect(collector.requests.count == 3)
        #expect(
            collector.requests.allSatisfy {
                $0.path == "/v1/traces" && $0.type == "application/x-protobuf" && $0.key == "k" && $0.byteCount > 1000
            })
        #expect(metrics.counter(.spansExported).value == 600)
    }

    @Test func `a batch that is refused is dropped and counted, and the next goes on`() async throws {
        let (collector, metrics) = (Collector([400]), MetricRegistry())
        try await Self.serving(collector) { try await Self.export(300, port: $0, metrics) }

        #expect(collector.requests.map(\.status) == [400, 200])
        #expect(metrics.counter(.spansDropped, labels: ["refused"]).value == 256)
        #expect(metrics.counter(.spansExported).value == 44)
    }

    @Test func `a busy collector gets the same batch again`() async throws {
        let (collector, metrics) = (Collector([503]), MetricRegistry())
        try await Self.serving(collector) { port in
            let loop = MultiThreadedEventLoopGroup.singleton.next()
            let address = CollectorAddress(host: "127.0.0.1", port: port, path: "/v1/traces", isSecure: false)
            let exporter = try await loop.submit {
                let exporter = SpanExporter(
                    address, resource: Self.resource, eventLoop: loop, tls: nil, metrics: metrics, logger: Self.quiet)
                exporter.spanEnded(SpanQueueTests.span(1))
                return NIOLoopBound(exporter, eventLoop: loop)
            }.get()
            while metrics.counter(.spansExported).value == 0 { try await Task.sleep(for: .milliseconds(20)) }
            let closed = loop.makePromise(of: Void.self)
            loop.execute { exporter.value.close { closed.succeed() } }
            try await closed.futureResult.get()
        }

        #expect(collector.requests.map(\.status) == [503, 200])
        #expect(collector.requests.first?.byteCount == collector.requests.last?.byteCount)
    }

    @Test func `without a collector, what there is no room for is dropped, and the end does not wait for it`()
        async throws
    {
        let metrics = MetricRegistry()
        // Nobody listens on port 1.
        try await Self.export(5000, port: 1, metrics)

        #expect(metrics.counter(.spansDropped, labels: ["queue_full"]).value == 5000 - 4096)
        #expect(metrics.counter(.spansExported).value == 0)
    }
}
