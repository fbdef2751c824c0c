package import Logging
import Synchronization

/// Keeps what is logged.
package final class LogRecorder: Sendable {
    package typealias Line = (message: String, metadata: Logger.Metadata)
    private let kept = Mutex<[Line]>([])
    private let level: Logger.Level

    /// - Parameter level: the least severe that is logged.
    package init(level: Logger.Level = .info) { self.level = level }

    package var lines: [Line] { kept.withLock { $0 } }

    package var logger: Logger {
        var logger = Logger(label: "test") { _ in Handler(recorder: self) }
        logger.logLevel = level
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
            recorder.kept.withLock { $0.append((event.message.description, event.metadata ?? [:])) }
        }
    }
}
