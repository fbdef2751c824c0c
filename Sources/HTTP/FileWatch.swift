package import NIOCore
import Synchronization

/// Files that an operator may replace while the process runs: certificates, keys.
package final class FileWatch: Sendable {
    private let paths: [String]
    /// As they were at the last look; nil for one that is not there.
    private let stamps: Mutex<[FileStamp?]>

    /// Looks at them for the first time.
    package init(_ paths: [String]) {
        self.paths = paths
        stamps = Mutex(paths.map { FileStamp($0) })
    }

    /// Whether one of them is another than at the last look.
    package func sawChange() -> Bool {
        let now = paths.map { FileStamp($0) }
        return stamps.withLock { stamps in
            defer { stamps = now }
            return stamps != now
        }
    }

    /// Looks every so often, for as long as the event loop runs or until the task is cancelled.
    /// - Parameter changed: called on the event loop.
    @discardableResult
    package func follow(
        on eventLoop: any EventLoop, every interval: TimeAmount = .seconds(1), changed: @escaping @Sendable () -> Void
    ) -> RepeatedTask {
        eventLoop.scheduleRepeatedTask(initialDelay: interval, delay: interval) { _ in
            if self.sawChange() { changed() }
        }
    }
}
