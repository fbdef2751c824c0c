import CNGHTTP2
import NIOCore

/// The client's side of HTTP/2.
final class HTTP2ClientSession: HTTP2Session {
    private var connection: HTTP2ClientConnection?
    private let options: HTTPClientOptions
    private var wasToldToGo = false
    private var sweeper: RepeatedTask?

    init(_ connection: HTTP2ClientConnection, options: HTTPClientOptions) {
        self.connection = connection
        self.options = options
        super.init(limits: options.http2, headLimits: options.head, now: .now())
    }

    override var isServer: Bool { false }

    var takesStreams: Bool {
        guard let session, phase == .open, !wasToldToGo else { return false }
        return nghttp2_session_check_request_allowed(session) != 0
    }

    override func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        connection?.bytesArrived()
        super.channelRead(context: context, data: data)
    }

    override func goAwayArrived() {
        wasToldToGo = true
        if streams.isEmpty { endSoon() }
    }

    /// The server closes when it has read our end; it is not waited for long.
    override func endingBegan() {
        guard let context else { return }
        context.eventLoop.assumeIsolated().scheduleTask(in: .seconds(2)) { self.close() }
    }

    override func gone() {
        sweeper?.cancel()
        sweeper = nil
        let connection = self.connection
        self.connection = nil
        connection?.gone()
    }

    /// Sweeps while there is something to watch.
    override func streamsChanged() {
        if streams.isEmpty {
            if wasToldToGo { endSoon() }
            return
        }
        guard sweeper == nil, let context else { return }
        let interval = options.sweepInterval
        let bound = NIOLoopBound(self, eventLoop: context.eventLoop)
        sweeper = context.eventLoop.scheduleRepeatedTask(initialDelay: interval, delay: interval) { _ in
            bound.value.sweep()
        }
    }

    private func sweep() {
        let now = self.now
        if let context, output.isStuck(context, now: now, limit: options.sendProgress) { return close() }
        for case let stream as HTTP2ClientStream in Array(streams.values)
        where stream.isStuck(now: now, limit: options.sendProgress) {
            stream.giveUp(as: .timedOut)
        }
        if streams.isEmpty {
            sweeper?.cancel()
            sweeper = nil
        }
    }

    /// False when nghttp2 has no stream left to give.
    func submitRequest(_ block: inout HTTP2HeaderBlock, of stream: HTTP2ClientStream) -> Bool {
        guard let session, takesStreams else { return false }
        let pointer = Unmanaged.passUnretained(stream).toOpaque()
        let id = block.withPairs { pairs, count in
            guard !stream.hasNothingToSend else {
                return nghttp2_submit_request(session, nil, pairs, count, nil, pointer)
            }
            var provider = HTTP2Callbacks.provider(stream)
            return nghttp2_submit_request(session, nil, pairs, count, &provider, pointer)
        }
        guard id > 0 else { return false }
        adopt(stream, id: id)
        return true
    }
}
