import NIOCore

/// HTTP/1.1 on one server connection: parses requests, runs one exchange at a time in the order of arrival, writes what
/// a tick produced at its end.
///
/// While an exchange runs, at most `heldByteCountMax` further bytes are taken from the socket; then TCP holds the client
/// back. Of requests that come all at once so many are answered in a turn, and none while much is unsent. After any
/// malformed request the connection answers once and closes.
final class HTTP1Session: ChannelDuplexHandler, ConnectionStage {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = Never
    typealias OutboundOut = ByteBuffer

    private enum Phase {
        /// Can become: .lingering, .closed.
        case serving
        /// The last response is written; what still arrives is discarded. Can become: .closed.
        case lingering
        case closed
    }

    private let connection: ServerConnection
    private var options: HTTPListenerOptions { connection.loop.options }
    private var context: ChannelHandlerContext?
    private var phase = Phase.serving
    private var parser: HTTP1RequestParser
    private var input = ByteBuffer()
    private var current: HTTP1Exchange?
    private var isParsing = false
    private var isDraining = false
    private var holdsRead = false
    private var closesAfterResponse = false
    private var discardedByteCount = 0
    private var hasServed = false
    private var pace: PipelinePace
    /// When the present wait began: for a first byte, for the rest of a head, for another request, for the lingering's end.
    private var waitingSince: NIODeadline
    private var output: SessionOutput

    init(_ connection: ServerConnection) {
        self.connection = connection
        parser = HTTP1RequestParser(limits: connection.loop.options.head)
        pace = PipelinePace(connection.loop.options)
        waitingSince = .now()
        output = SessionOutput()
    }

    var now: NIODeadline { connection.loop.now }

    // MARK: Bytes in

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        isDraining = connection.loop.isDraining
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        gone()
    }

    func channelInactive(context: ChannelHandlerContext) {
        gone()
        context.fireChannelInactive()
    }

    private func gone() {
        guard context != nil else { return }
        phase = .closed
        context = nil
        input.clear()
        connection.stage = nil
        let exchange = current
        current = nil
        exchange?.clientGone()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var bytes = unwrapInboundIn(data)
        output.isReading = true
        switch phase {
        case .closed: return
        case .lingering:
            discardedByteCount += bytes.readableBytes
            if discardedByteCount > options.lingerByteCountMax { close() }
        case .serving:
            if input.readableBytes == 0 {
                if current == nil { waitingSince = now }
                input = bytes
            } else {
                if input.readerIndex > Self.heldByteCountMax { input.discardReadBytes() }
                input.writeBuffer(&bytes)
            }
            parse()
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        output.isReading = false
        pace.readingEnded()
        flush()
        context.fireChannelReadComplete()
    }

    private static let heldByteCountMax = 64 << 10

    func read(context: ChannelHandlerContext) {
        if phase == .serving, current != nil || pace.isWaiting, input.readableBytes > Self.heldByteCountMax {
            holdsRead = true
        } else {
            context.read()
        }
    }

    func resumeParsing() {
        guard !isParsing else { return }
        parse()
        flushSoon()
    }

    private func parse() {
        guard !isParsing else { return }
        isParsing = true
        defer { isParsing = false }
        do throws(HTTP1Refusal) {
            while phase == .serving, current.map(\.wantsBody) ?? mayBegin() {
                switch try parser.next(&input) {
                case .needsMoreBytes:
                    readOn()
                    return
                case .head(let request, let framing): try begin(request, framing)
                case .body(let bytes): current?.arrived(bytes)
                case .end: current?.requestEnded()
                }
            }
        } catch {
            refuse(error)
        }
        readOn()
    }

    private func begin(_ request: HTTPRequestHead, _ framing: HTTP1Framing) throws(HTTP1Refusal) {
        guard let context else { return }
        let exchange = HTTP1Exchange(request, framing, session: self, eventLoop: context.eventLoop)
        if framing.body == .none {
            _ = try parser.next(&input)
            exchange.requestEnded()
        }
        hasServed = true
        pace.began()
        current = exchange
        connection.loop.handler.handle(exchange)
    }

    private func mayBegin() -> Bool {
        guard input.readableBytes > 0 else { return true }
        switch pace.next(unsentByteCount: unsentByteCount) {
        case .begin: return true
        case .wait: return false
        case .setTurn:
            setTurn()
            return false
        }
    }

    /// A tick of the loop ends when no task is due, so the next turn is a little later than now.
    private static let turnInterval = TimeAmount.milliseconds(1)

    private func setTurn() {
        context?.eventLoop.assumeIsolated().scheduleTask(in: Self.turnInterval) {
            self.pace.turnCame()
            self.waitingSince = self.now
            self.resumeParsing()
        }
    }

    private func readOn() {
        guard holdsRead, input.readableBytes <= Self.heldByteCountMax else { return }
        holdsRead = false
        context?.read()
    }

    /// Whoever waits for the body answers; where nobody does, the listener.
    private func refuse(_ refusal: HTTP1Refusal) {
        input.clear()
        let exchange = current
        if let exchange, exchange.bodyFailed(refusal.bodyError) { return }
        current = nil
        let hasBegun = exchange.map { !$0.isUnanswered } ?? false
        exchange?.clientGone()
        guard !hasBegun else { return close() }
        let (type, body) = connection.loop.refusal(refusal)
        let headers = [
            HTTPField("content-type", type),
            HTTPField("content-length", String(body.readableBytes)),
        ]
        HTTP1Encoder.responseHead(
            status: refusal.status, headers: headers, framing: .plain, closes: true, date: connection.loop.date.text,
            into: &output.bytes)
        output.bytes.writeImmutableBuffer(body)
        linger()
    }

    // MARK: Bytes out

    func writeContinue() {
        output.bytes.writeStaticString("HTTP/1.1 100 Continue\r\n\r\n")
        flushSoon()
    }

    func writeHead(status: Int, headers: [HTTPField], framing: HTTP1Encoder.Framing, of exchange: HTTP1Exchange) {
        skipReceivedBody(of: exchange)
        closesAfterResponse =
            isDraining || !exchange.framing.keepsAlive || !exchange.body.hasEnded || framing == .untilClose
        write {
            HTTP1Encoder.responseHead(
                status: status, headers: headers, framing: framing, closes: closesAfterResponse,
                date: connection.loop.date.text, into: &$0)
        }
    }

    /// A body that nobody wants but that is already here need not cost the connection.
    private func skipReceivedBody(of exchange: HTTP1Exchange) {
        while !exchange.body.hasEnded, !exchange.body.isWanted {
            switch try? parser.next(&input) {
            case .body: continue
            case .end: exchange.requestEnded()
            default: return
            }
        }
    }

    func writeBody(_ bytes: ByteBuffer, isChunked: Bool) {
        write { out in
            if isChunked {
                HTTP1Encoder.chunk(bytes, into: &out)
            } else {
                out.writeImmutableBuffer(bytes)
            }
        }
    }

    func responseFinished(_ exchange: HTTP1Exchange, isChunked: Bool) {
        guard exchange === current else { return }
        if isChunked { HTTP1Encoder.lastChunk(into: &output.bytes) }
        current = nil
        waitingSince = now
        if closesAfterResponse || isDraining || !exchange.body.hasEnded {
            linger()
        } else {
            flushSoon()
            parse()
        }
    }

    var unsentByteCount: Int { output.unsentByteCount(context) }

    var isSending: Bool { output.isSending(context) }

    private func write(_ write: (inout ByteBuffer) -> Void) {
        if output.write(write) { scheduleFlush() }
    }

    private func flushSoon() {
        if output.mustSchedule() { scheduleFlush() }
    }

    private func scheduleFlush() { connection.loop.flushSoon(self) }

    /// Hands over what this tick wrote.
    func flush() {
        output.isScheduled = false
        guard let context else { return }
        if let bytes = output.take(for: context) { context.writeAndFlush(wrapOutboundOut(bytes), promise: nil) }
        // An answer that has ended grows no more, and its reader has all the time it needs.
        if current != nil, output.bytes.readableBytes > options.unsentByteCountMax { return close() }
        // The channel is not writable until most of it is read, and that calls here.
        if pace.flushed(unsentByteCount: unsentByteCount) { setTurn() }
        if phase == .lingering, output.bytes.readableBytes == 0 { context.close(mode: .output, promise: nil) }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable { flush() }
        context.fireChannelWritabilityChanged()
    }

    /// Says all that is left to say, then waits for the client to close: closing on unread bytes would reset the
    /// connection and take the answer with it.
    private func linger() {
        guard phase == .serving else { return }
        phase = .lingering
        waitingSince = now
        input.clear()
        readOn()
        flushSoon()
    }

    // MARK: Life

    func sweep(now: NIODeadline) {
        let timeouts = options.timeouts
        if let context, output.isStuck(context, now: now, limit: timeouts.sendProgress) { return close() }
        switch phase {
        case .closed: break
        case .lingering:
            // A slow reader has all the time it needs for what was said.
            if output.isSending(context) { waitingSince = now }
            if now - waitingSince > timeouts.linger { close() }
        case .serving:
            if let current {
                if current.body.isTooSlow(now: now, timeouts) { refuse(.timedOut) }
            } else if pace.isWaiting {
                break
            } else if input.readableBytes > 0 {
                if now - waitingSince > timeouts.head { refuse(.timedOut) }
            } else if !hasServed {
                if now - waitingSince > timeouts.firstByte { close() }
            } else if let idle = timeouts.idle, now - waitingSince > idle {
                close()
            }
        }
    }

    func forEachBody(_ show: (RequestBody) -> Void) {
        if let current { show(current.body) }
    }

    func endBodies(gatheredSince limit: NIODeadline) {
        if let since = current?.body.gatheringSince, since <= limit { refuse(.timedOut) }
    }

    func drain() {
        isDraining = true
        if current == nil, input.readableBytes == 0 { linger() }
    }

    func close() {
        guard phase != .closed else { return }
        phase = .closed
        context?.close(promise: nil)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        close()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case .inputClosed? = event as? ChannelEvent { close() }
        context.fireUserInboundEventTriggered(event)
    }
}
