import Inference
import Logging
import Serving
import Synchronization
import Testing

@testable import Router

/// Keeps what is logged.
final class LogRecorder: Sendable {
    let lines = Mutex<[(message: String, metadata: Logger.Metadata)]>([])

    var logger: Logger {
        var logger = Logger(label: "test") { _ in Handler(recorder: self) }
        logger.logLevel = .info
        return logger
    }

    private struct Handler: LogHandler {
        let recorder: LogRecorder
        var metadata: Logger.Metadata = [:]
        var logLevel = Logger.Level.info

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) {
            recorder.lines.withLock { $0.append((event.message.description, event.metadata ?? [:])) }
        }
    }
}

@Suite struct RequestLogTests {
    @Test func `each request that ends leaves one line with counts and timings, and none of its text`() throws {
        let recorder = LogRecorder()
        let bench = RouterBench(workers: 1, logger: recorder.logger)
        let receiver = try bench.submit(.sample(max: 12))
        let cancelled = try bench.router.submit(.sample(max: 100), receiver: RecordingReceiver())
        bench.run { receiver.isOver }
        bench.router.cancel(cancelled)

        let ends = recorder.lines.withLock { $0 }.filter { $0.message == "request ended" }
        #expect(ends.map { $0.metadata["outcome"]?.description } == ["completed", "cancelled"])
        #expect(ends.first?.metadata["output_tokens"]?.description == "12")
        #expect(ends.first?.metadata["model"]?.description == "m")
        let word = try #require(receiver.choices[0]?.text.split(separator: " ").first.map(String.init))
        #expect(!ends.contains { $0.metadata.description.contains(word) })
    }
}
