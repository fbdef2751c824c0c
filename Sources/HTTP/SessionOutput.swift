import NIOCore

/// Bytes of a session on their way to the channel: gathered over one tick, handed over only while the channel takes them.
struct SessionOutput {
    var bytes = ByteBuffer()
    /// Between the first read of a tick and its end, when everything is flushed anyway.
    var isReading = false
    var isScheduled = false
    /// About as much as the last time is what a tick will write: asked for at once, the buffer need not grow on the way.
    private var expectedByteCount = 0
    private var handedByteCount = 0
    private var sentByteCount = 0
    private var stuckSince: NIODeadline?
    /// The channel holds no more than this: what it said when it was asked, and what it was handed since.
    private var bufferedByteCountMax = 0

    /// True when the caller has to schedule a flush for this tick.
    mutating func mustSchedule() -> Bool {
        guard !isReading, !isScheduled else { return false }
        isScheduled = true
        return true
    }

    /// - Returns: as `mustSchedule()`.
    mutating func write(_ write: (inout ByteBuffer) -> Void) -> Bool {
        if bytes.capacity == 0 { bytes.reserveCapacity(expectedByteCount) }
        write(&bytes)
        return mustSchedule()
    }

    /// What to hand to the channel now. Writing is the caller's: it may run a session's other code, which must find this
    /// value free.
    mutating func take(for context: ChannelHandlerContext) -> ByteBuffer? {
        guard bytes.readableBytes > 0, context.channel.isWritable else { return nil }
        let piece = bytes
        // A new buffer: the channel owns the old one's storage until it is written.
        bytes = ByteBuffer()
        expectedByteCount = min(piece.readableBytes, 64 << 10)
        handedByteCount += piece.readableBytes
        bufferedByteCountMax += piece.readableBytes
        return piece
    }

    /// At most 64 KiB too many: asking the channel is slow, and bounds on slow readers are larger.
    mutating func unsentByteCount(_ context: ChannelHandlerContext?) -> Int {
        if bufferedByteCountMax > 64 << 10 { bufferedByteCountMax = Self.buffered(context) }
        return bytes.readableBytes + bufferedByteCountMax
    }

    private static func buffered(_ context: ChannelHandlerContext?) -> Int {
        (try? context?.channel.syncOptions?.getOption(.bufferedWritableBytes)) ?? 0
    }

    /// Bytes wait here or in the channel.
    func isSending(_ context: ChannelHandlerContext?) -> Bool { bytes.readableBytes > 0 || Self.buffered(context) > 0 }

    /// Bytes wait and none has moved for `limit`.
    mutating func isStuck(_ context: ChannelHandlerContext, now: NIODeadline, limit: TimeAmount) -> Bool {
        let isSending = isSending(context)
        let sent = handedByteCount - Self.buffered(context)
        guard isSending, sent <= sentByteCount, let since = stuckSince else {
            stuckSince = isSending ? now : nil
            sentByteCount = sent
            return false
        }
        return now - since > limit
    }
}
