import CNGHTTP2
import NIOCore

/// HTTP/2 on one connection: nghttp2 between a channel and its streams. Either side; confined to the event loop.
///
/// Bytes in: `nghttp2_session_mem_recv`, whose callbacks call the streams. Bytes out: pulled by
/// `nghttp2_session_mem_send` once per tick, while the channel takes them, so a slow peer holds back nothing but its own
/// streams. The peer's window is given back when somebody took the bytes.
///
/// nghttp2 must not be entered again from its callbacks, nor freed in them: `depth` says whether we are inside.
class HTTP2Session: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = Never
    typealias OutboundOut = ByteBuffer

    let limits: HTTP2Limits
    let headLimits: HTTPHeadLimits
    private(set) var context: ChannelHandlerContext?
    private(set) var session: OpaquePointer?
    private(set) var streams: [Int32: HTTP2Stream] = [:]
    var output = SessionOutput()
    private var unsubmitted: [HTTP2Stream] = []
    private var depth = 0
    private var discardedByteCount = 0
    private var guards: HTTP2FloodGuard
    private(set) var phase = Phase.open

    enum Phase: Equatable {
        /// Can become: .ending, .closed.
        case open
        /// A GOAWAY or an error is on its way out; then the connection closes. Can become: .closed.
        case ending(since: NIODeadline)
        case closed
    }

    init(limits: HTTP2Limits, headLimits: HTTPHeadLimits, now: NIODeadline) {
        self.limits = limits
        self.headLimits = headLimits
        guards = HTTP2FloodGuard(limits, now: now)
    }

    // MARK: What each side does in its own way

    /// The time, as exactly as this side's deadlines need it.
    var now: NIODeadline { .now() }
    var isServer: Bool { true }
    /// All bytes that came from the peer.
    final var receivedByteCount: Int { guards.receivedByteCount }
    func makeStream(id: Int32) -> HTTP2Stream? { nil }
    func streamsChanged() {}
    func goAwayArrived() {}
    func endingBegan() {}
    /// The peer broke the protocol's rules, and the connection ends for it.
    func peerOffended() {}
    /// The connection is lost; streams are closed already.
    func gone() {}

    // MARK: Channel

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        session = HTTP2Callbacks.makeSession(self, isServer: isServer, limits: limits)
        guard session != nil else { return close() }
        begin()
        flushSoon()
    }

    private func begin() {
        var values = [
            (NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, UInt32(max(0, limits.streamWindow))),
            (NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, UInt32(clamping: headLimits.byteCountMax)),
        ]
        values.append(
            isServer
                ? (NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, limits.concurrentStreamsMax)
                : (NGHTTP2_SETTINGS_ENABLE_PUSH, 0))
        let settings = values.map { nghttp2_settings_entry(settings_id: Int32($0.0.rawValue), value: $0.1) }
        nghttp2_submit_settings(session, UInt8(NGHTTP2_FLAG_NONE.rawValue), settings, settings.count)
        nghttp2_session_set_local_window_size(
            session, UInt8(NGHTTP2_FLAG_NONE.rawValue), 0, max(65_535, limits.connectionWindow))
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        tearDown()
    }

    func channelInactive(context: ChannelHandlerContext) {
        tearDown()
        context.fireChannelInactive()
    }

    /// Frees nghttp2's session unless one of its functions is running; then `inside` does it on the way out.
    private func tearDown() {
        phase = .closed
        guard context != nil else { return freeSession() }
        context = nil
        freeSession()
        let lost = streams.values
        let never = unsubmitted.filter { !$0.isSubmitted }
        streams = [:]
        unsubmitted = []
        for stream in lost { stream.closed(code: nil) }
        for stream in never { stream.closed(code: nil) }
        gone()
    }

    private func freeSession() {
        guard depth == 0, let session else { return }
        self.session = nil
        nghttp2_session_del(session)
    }

    private func inside<Result>(_ work: (OpaquePointer) -> Result) -> Result? {
        guard let session else { return nil }
        depth += 1
        defer {
            depth -= 1
            if phase == .closed { freeSession() }
        }
        return work(session)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let bytes = unwrapInboundIn(data)
        output.isReading = true
        guard case .open = phase else { return discard(bytes.readableBytes) }
        guards.received(byteCount: bytes.readableBytes)
        // SAFETY: nghttp2 reads the bytes during the call and keeps no pointer to them.
        let taken = bytes.withUnsafeReadableBytes { readable in
            inside { nghttp2_session_mem_recv($0, readable.bindMemory(to: UInt8.self).baseAddress, readable.count) }
        }
        guard let taken, session != nil else { return }
        if taken == Int(NGHTTP2_ERR_FLOODED.rawValue) {
            calm()
        } else if taken < 0 {
            peerOffended()
            endSoon()
        } else if nghttp2_session_get_outbound_queue_size(session) > limits.outboundQueueMax || guards.isFlooded {
            calm()
        }
    }

    /// After our last word only a peer's own goodbye is expected. More ends the connection at once, at the price that
    /// the peer may not read our GOAWAY.
    private func discard(_ byteCount: Int) {
        discardedByteCount += byteCount
        if discardedByteCount > Self.discardedByteCountMax { close() }
    }

    private static let discardedByteCountMax = 64 << 10

    func channelReadComplete(context: ChannelHandlerContext) {
        output.isReading = false
        flush()
        context.fireChannelReadComplete()
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable { flush() }
        context.fireChannelWritabilityChanged()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case .inputClosed? = event as? ChannelEvent { close() }
        context.fireUserInboundEventTriggered(event)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        close()
    }

    // MARK: Sending

    func flushSoon() {
        guard let context, output.mustSchedule() else { return }
        context.eventLoop.assumeIsolated().execute { self.flush() }
    }

    /// Before a flush this stream submits its head.
    func submitSoon(_ stream: HTTP2Stream) {
        unsubmitted.append(stream)
        flushSoon()
    }

    private static let pieceByteCount = 64 << 10

    private func flush() {
        output.isScheduled = false
        // Writing may make the channel writable again, and that calls here from within.
        guard let context, depth == 0, session != nil else { return }
        submitWaiting()
        while context.channel.isWritable, pullOutput() {
            if output.bytes.readableBytes >= Self.pieceByteCount { handOver(context) }
        }
        handOver(context)
        if let session, nghttp2_session_want_read(session) == 0, nghttp2_session_want_write(session) == 0 { endSoon() }
        if case .ending = phase, output.bytes.readableBytes == 0 { context.close(mode: .output, promise: nil) }
    }

    private func handOver(_ context: ChannelHandlerContext) {
        if let bytes = output.take(for: context) { context.writeAndFlush(wrapOutboundOut(bytes), promise: nil) }
    }

    private func submitWaiting() {
        while !unsubmitted.isEmpty {
            let batch = unsubmitted
            unsubmitted.removeAll(keepingCapacity: true)
            for stream in batch where stream.session != nil { stream.submit() }
        }
    }

    /// Appends the next frames to `output`; false when there are none.
    private func pullOutput() -> Bool {
        var bytes: UnsafePointer<UInt8>?
        guard let count = inside({ nghttp2_session_mem_send($0, &bytes) }), count > 0, let bytes, session != nil else {
            return false
        }
        // SAFETY: nghttp2 keeps these bytes until it is called again; they are copied here.
        output.bytes.writeBytes(UnsafeRawBufferPointer(start: bytes, count: count))
        return true
    }

    /// Asks the peer for a sign of life; the answer is bytes like any others.
    func ping() {
        guard let session, phase == .open else { return }
        nghttp2_submit_ping(session, UInt8(NGHTTP2_FLAG_NONE.rawValue), nil)
        flushSoon()
    }

    // MARK: Streams

    func adopt(_ stream: HTTP2Stream, id: Int32) {
        stream.opened(as: id)
        streams[id] = stream
        streamsChanged()
    }

    func streamClosed(_ id: Int32, code: UInt32) {
        guard let stream = streams.removeValue(forKey: id) else { return }
        nghttp2_session_set_stream_user_data(session, id, nil)
        let unconsumed = stream.takeUnconsumed()
        if unconsumed > 0 { nghttp2_session_consume_connection(session, unconsumed) }
        stream.closed(code: code)
        streamsChanged()
    }

    func consume(_ stream: HTTP2Stream, _ byteCount: Int) {
        guard let session, streams[stream.id] === stream else { return }
        nghttp2_session_consume(session, stream.id, byteCount)
        flushSoon()
    }

    /// Bytes of a stream that nobody will read: the connection's window lives on, the stream's stays shut.
    func consumeForConnection(_ byteCount: Int) {
        guard let session else { return }
        nghttp2_session_consume_connection(session, byteCount)
        flushSoon()
    }

    func resume(_ stream: HTTP2Stream) {
        guard let session else { return }
        nghttp2_session_resume_data(session, stream.id)
    }

    func submitTrailers(_ trailers: [HTTPField], of stream: HTTP2Stream) {
        guard let session else { return }
        var block = HTTP2HeaderBlock()
        block.append(trailers)
        _ = block.withPairs { pairs, count in nghttp2_submit_trailer(session, stream.id, pairs, count) }
    }

    func reset(_ stream: HTTP2Stream, code: nghttp2_error_code) {
        guard let session, streams[stream.id] === stream else { return }
        nghttp2_submit_rst_stream(session, UInt8(NGHTTP2_FLAG_NONE.rawValue), stream.id, UInt32(code.rawValue))
        flushSoon()
    }

    // MARK: Guards, told by the callbacks

    func frameBegan(_ header: nghttp2_frame_hd) {
        guards.frameBegan(header, now: now)
        // nghttp2 decodes a head whose stream is closed already, and forgets it without a word.
        if isServer, header.type == UInt8(NGHTTP2_HEADERS.rawValue), streams[header.stream_id] == nil,
            header.stream_id <= nghttp2_session_get_last_proc_stream_id(session)
        {
            guards.emptyFrame(now: now)
        }
    }
    func paddingArrived() { guards.emptyFrame(now: now) }
    func invalidFrameArrived() { guards.provoked(now: now) }
    func dataFrameSent() { guards.dataFrameSent() }
    func goAwaySent(code: UInt32) {
        if code != UInt32(NGHTTP2_NO_ERROR.rawValue) { peerOffended() }
    }
    func resetSent(code: UInt32) {
        if code != UInt32(NGHTTP2_NO_ERROR.rawValue) { guards.provoked(now: now) }
    }

    // MARK: The end

    /// Says ENHANCE_YOUR_CALM and closes.
    private func calm() {
        guard let session, case .open = phase else { return }
        nghttp2_session_terminate_session(session, UInt32(NGHTTP2_ENHANCE_YOUR_CALM.rawValue))
        endSoon()
    }

    /// Takes nothing more, sends what nghttp2 has left to say, then closes the connection.
    func endSoon() {
        guard case .open = phase else { return }
        phase = .ending(since: now)
        endingBegan()
        flushSoon()
    }

    /// What was said is still on its way.
    func stillEnding(_ now: NIODeadline) {
        if case .ending = phase { phase = .ending(since: now) }
    }

    /// Says that streams above the last one seen were not processed, and closes when the rest is done.
    func goAway() {
        guard let session else { return }
        nghttp2_submit_goaway(
            session, UInt8(NGHTTP2_FLAG_NONE.rawValue), nghttp2_session_get_last_proc_stream_id(session),
            UInt32(NGHTTP2_NO_ERROR.rawValue), nil, 0)
        flushSoon()
    }

    func close() {
        guard phase != .closed else { return }
        phase = .closed
        guard let context else { return }
        // In the next tick: a channel that closes removes this handler, and nghttp2 may be running.
        context.eventLoop.assumeIsolated().execute { context.close(promise: nil) }
    }
}
