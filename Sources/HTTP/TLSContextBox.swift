package import NIOCore
import Synchronization

/// The certificates of a listener or a client, which are read again when their files change while connections live.
package final class TLSContextBox: Sendable {
    private let side: TLSContext.Side
    private let options: TLSOptions
    private let files: FileWatch
    private let context: Mutex<TLSContext>

    private init(side: TLSContext.Side, options: TLSOptions) throws(TLSError) {
        self.side = side
        self.options = options
        files = FileWatch([options.certificateFile, options.keyFile, options.authorityFile].compactMap(\.self))
        context = Mutex(try TLSContext(side: side, options: options))
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
        guard files.sawChange() else { return false }
        try reload()
        return true
    }

    /// Looks at the files every so often, for as long as the event loop runs or until the task is cancelled.
    /// - Parameter report: called on the event loop after they were read, with what was wrong if they were of no use.
    @discardableResult
    package func follow(
        on eventLoop: any EventLoop, every interval: TimeAmount = .seconds(1),
        report: @escaping @Sendable (TLSError?) -> Void
    ) -> RepeatedTask {
        files.follow(on: eventLoop, every: interval) {
            do throws(TLSError) {
                try self.reload()
                report(nil)
            } catch {
                report(error)
            }
        }
    }

    var current: TLSContext { context.withLock { $0 } }

    private func reload() throws(TLSError) {
        let fresh = try TLSContext(side: side, options: options)
        context.withLock { $0 = fresh }
    }
}
