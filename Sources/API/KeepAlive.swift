import HTTP
import NIOCore

/// Has something sent that clients skip, after every interval in which nothing was written, so that proxies in between keep
/// a silent stream open. Confined to the call's event loop.
final class KeepAlive {
    private let loop: any EventLoop
    private let interval: TimeAmount
    /// nil once stopped: it may hold whoever holds this.
    private var send: (() -> Void)?
    private var timer: Scheduled<Void>?
    private var hasWritten = false

    /// - Parameter send: writes the piece, which counts as written itself.
    init(_ call: APICall, send: @escaping () -> Void) {
        loop = call.exchange.eventLoop
        interval = .seconds(call.core.options.keepAliveSeconds)
        self.send = send
        schedule()
    }

    /// What streams of events send.
    static let comment = ByteBuffer(staticString: ": keep-alive\n\n")

    func wrote() { hasWritten = true }

    func stop() {
        timer?.cancel()
        timer = nil
        send = nil
    }

    private func schedule() {
        hasWritten = false
        timer = loop.assumeIsolated().scheduleTask(in: interval) {
            if !self.hasWritten { self.send?() }
            if self.send != nil { self.schedule() }
        }
    }
}
