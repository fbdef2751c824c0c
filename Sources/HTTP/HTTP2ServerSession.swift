import CNGHTTP2
import NIOCore

/// The server's side of HTTP/2: streams are exchanges.
final class HTTP2ServerSession: HTTP2Session, ConnectionStage {
    let connection: ServerConnection
    private var idleSince: NIODeadline
    private var draining = Draining.no
    private var silence: SilenceWatch?

    private enum Draining {
        case no
        /// The client has been told that a GOAWAY follows; streams it opens meanwhile are served.
        case noticed(NIODeadline)
        /// Can become: closed, when the last stream ends.
        case final
    }

    init(_ connection: ServerConnection) {
        self.connection = connection
        idleSince = connection.loop.now
        let options = connection.loop.options
        silence = options.timeouts.peerSilence.map { limit in
            let looks = Int(limit.nanoseconds / max(1, options.timeouts.sweepInterval.nanoseconds))
            return SilenceWatch(askAfter: looks / 3, giveUpAfter: looks)
        }
        super.init(limits: options.http2, headLimits: options.head, now: .now())
    }

    override var now: NIODeadline { connection.loop.now }
    override var isServer: Bool { true }

    override func makeStream(id: Int32) -> HTTP2Stream? {
        context.map { HTTP2Exchange(session: self, eventLoop: $0.eventLoop) }
    }

    override func streamsChanged() {
        guard streams.isEmpty else { return }
        idleSince = now
        if case .final = draining { endSoon() }
    }

    override func goAwayArrived() {
        if streams.isEmpty { endSoon() }
    }

    override func peerOffended() {
        connection.onOffence?()
        connection.onOffence = nil
    }

    override func gone() {
        connection.stage = nil
    }

    override func handlerAdded(context: ChannelHandlerContext) {
        super.handlerAdded(context: context)
        if connection.loop.isDraining { drain() }
    }

    /// A notice, and the GOAWAY that counts a moment later: what the client sends in between is still served.
    func drain() {
        guard case .no = draining, phase == .open else { return }
        if streams.isEmpty { return finishDraining() }
        draining = .noticed(.now())
        nghttp2_submit_shutdown_notice(session)
        flushSoon()
    }

    private static let noticeTime = TimeAmount.milliseconds(100)

    private func finishDraining() {
        draining = .final
        goAway()
        if streams.isEmpty { endSoon() }
    }

    func sweep(now: NIODeadline) {
        let timeouts = connection.loop.options.timeouts
        if let context, output.isStuck(context, now: now, limit: timeouts.sendProgress) { return close() }
        if case .ending(let since) = phase {
            if output.isSending(context) {
                stillEnding(now)
            } else if now - since > timeouts.linger {
                close()
            }
            return
        }
        if case .noticed(let at) = draining, now - at >= Self.noticeTime { finishDraining() }
        switch silence?.look(byteCount: receivedByteCount) {
        case .ask: ping()
        case .giveUp: return close()
        case .wait, nil: break
        }
        if receivedByteCount == 0, now - idleSince > timeouts.firstByte { return close() }
        if streams.isEmpty, let idle = timeouts.idle, now - idleSince > idle {
            goAway()
            return endSoon()
        }
        for case let exchange as HTTP2Exchange in Array(streams.values) {
            if !exchange.hasHead, now - exchange.openedAt > timeouts.head { return close() }
            exchange.sweep(now: now, timeouts)
        }
    }

    var unsentByteCount: Int {
        streams.values.reduce(output.unsentByteCount(context)) { $0 + $1.unsentByteCount }
    }

    var isSending: Bool { output.isSending(context) || streams.values.contains { $0.unsentByteCount > 0 } }

    /// The fullest streams end, and the others go on: behind a proxy they are other clients'. When no stream holds anything
    /// the client does not even read what is written already, and the connection closes.
    func giveUpUnsent(_ byteCount: Int) -> Int {
        let held = streams.values.compactMap { $0 as? HTTP2Exchange }.filter { $0.unsentByteCount > 0 }
        var given = 0
        guard !held.isEmpty else {
            given = unsentByteCount
            close()
            return given
        }
        for exchange in held.sorted(by: { $0.unsentByteCount > $1.unsentByteCount }) where given < byteCount {
            given += exchange.unsentByteCount
            exchange.giveUp()
        }
        return given
    }

    func forEachBody(_ show: (RequestBody) -> Void) {
        for case let exchange as HTTP2Exchange in streams.values { show(exchange.body) }
    }

    func endBodies(gatheredSince limit: NIODeadline) {
        for case let exchange as HTTP2Exchange in Array(streams.values) {
            if let since = exchange.body.gatheringSince, since <= limit { exchange.bodyIsLate() }
        }
    }
}
