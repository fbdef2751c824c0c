package import NIOCore
import Synchronization

/// The certificates of a listener or a client, which are read again when their files change while connections live.
package final class TLSContextBox: Sendable {
    private struct State: Sendable {
        var context: TLSContext
        /// Of the files as they were read last, whether they could be used or not.
        var stamps: [FileStamp?]
    }

    private let side: TLSContext.Side
    private let options: TLSOptions
    private let state: Mutex<State>

    private init(side: TLSContext.Side, options: TLSOptions) throws(TLSError) {
        self.side = side
        self.options = options
        let stamps = Self.stamps(options)
        state = Mutex(State(context: try TLSContext(side: side, options: options), stamps: stamps))
    }

    package static func server(_ options: TLSOptions) throws(TLSError) -> TLSContextBox {
        try TLSContextBox(side: .server, options: options)
    }

    package static func client(_ options: TLSOptions) throws(TLSError) -> TLSContextBox {
        try TLSContextBox(side: .client, options: options)
    }

    /// Reads the files again if any is another than when they were read last. New connections use them, living ones keep
    /// what they have. When they cannot be used nothing changes, until one of them changes again.
    /// - Returns: whether they were read.
    @discardableResult
    package func reloadIfChanged() throws(TLSError) -> Bool {
        let stamps = Self.stamps(options)
        let isNew = state.withLock { state in
            defer { state.stamps = stamps }
            return state.stamps != stamps
        }
        guard isNew else { return false }
        let fresh = try TLSContext(side: side, options: options)
        state.withLock { $0.context = fresh }
        return true
    }

    /// Looks at the files every so often, for as long as the event loop runs or until the task is cancelled.
    /// - Parameter report: called on the event loop after they were read, with what was wrong if they were of no use.
    @discardableResult
    package func follow(
        on eventLoop: any EventLoop, every interval: TimeAmount = .seconds(1),
        report: @escaping @Sendable (TLSError?) -> Void
    ) -> RepeatedTask {
        eventLoop.scheduleRepeatedTask(initialDelay: interval, delay: interval) { _ in
            do throws(TLSError) {
                if try self.reloadIfChanged() { report(nil) }
            } catch {
                report(error)
            }
        }
    }

    var current: TLSContext { state.withLock { $0.context } }

    private static func stamps(_ options: TLSOptions) -> [FileStamp?] {
        [options.certificateFile, options.keyFile, options.authorityFile].map { $0.flatMap(FileStamp.init) }
    }
}
