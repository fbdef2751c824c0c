import HTTP
import NIOCore

/// Watches whether a client reads what it is sent. Much may be written at once, and takes its time; what counts is how long
/// too much has been waiting.
struct SlowReader {
    private var lateSince: NIODeadline?

    /// To be asked when something has been written.
    /// - Returns: whether to give the client up.
    mutating func isTooSlow(unsentByteCount: Int, _ options: APIOptions, on loop: any EventLoop) -> Bool {
        guard unsentByteCount > options.unsentByteCountMax else {
            lateSince = nil
            return false
        }
        let since = lateSince ?? loop.now
        lateSince = since
        return loop.now - since >= .seconds(options.unsentSeconds)
    }
}
