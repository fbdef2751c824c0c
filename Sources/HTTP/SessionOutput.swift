import NIOCore

/// Bytes of a session on their way to the channel: gathered over one tick, handed over only while the channel takes them.
struct SessionOutput {
    var bytes = ByteBuffer()
    /// Between the first read of a tick and its end, when everything is flushed anyway.
    var isReading = false
    var isScheduled = false
    private var handedByteCount = 0
    private var sentByteCount = 0
    private var stuckSince: NIODeadline?
    /// False when the channel has said that it holds nothing, and was handed nothing since: asking it is slow.
    private var mayBeBuffered = false

    /// True when the caller has to schedule a flush for this tick.
    mutating func mustSchedule() -> Bool {
        guard !isReading, !isScheduled else { return false }
        isScheduled = true
        return true
    }

    /// What to hand to the channel now. Writing is the caller's: it may run a session's other code, which must find this
    /// value free.
    mutating func take(for context: ChannelHandlerContext) -> ByteBuffer? {
        guard bytes.readableBytes > 0, context.channel.isWritable else { return nil }
        let piece = bytes
        // A new buffer: the channel owns the old one's storage until it is written.
        bytes = ByteBuffer()
        handedByteCount += piece.readableBytes
        mayBeBuffered = true
        return piece
    }

    mutating func unsentByteCount(_ context: ChannelHandlerContext?) -> Int {
        guard mayBeBuffered else { return bytes.readableBytes }
        let buffered = Self.buffered(context)
        mayBeBuffered = buffered > 0
        return bytes.readableBytes + buffered
    }

    private static func buffered(_ context: ChannelHandlerContext?) -> Int {
        (try? context?.channel.syncOptions?.getOption(.bufferedWritableBytes)) ?? 0
    }

    /// Bytes wait and none has moved for `limit`.
    mutating func isStuck(_ context: ChannelHandlerContext, now: NIODeadline, limit: TimeAmount) -> Bool {
        let buffered = Self.buffered(context)
        let sent = handedByteCount - buffered
        guard buffered > 0 || bytes.readableBytes > 0, sent <= sentByteCount, let since = stuckSince else {
            stuckSince = buffered > 0 || bytes.readableBytes > 0 ? now : nil
            sentByteCount = sent
            return false
        }
        return now - since > limit
    }
}
