import CNGHTTP2
import NIOCore

/// Counts what nghttp2 1.52 does not: frames that cost us work and carry nothing.
///
/// - Provoked resets and invalid frames (CVE-2025-8671), PING, SETTINGS, PRIORITY, empty frames (CVE-2019-9511 to 9518),
///   heads of streams that are closed: a token each.
/// - WINDOW_UPDATE: ten per DATA frame that we sent, and some to begin with. Envoy's rule. Within it they are what an
///   answer's reader has to say, so they count as payload below.
/// - All bytes against those of heads and data, eight to one. nginx's rule; it also ends frames of unknown types and
///   DATA of closed streams, which nghttp2 skips without a word.
struct HTTP2FloodGuard {
    private(set) var isFlooded = false
    private var provokedResets: TokenBucket
    private var controlFrames: TokenBucket
    private var windowUpdateCount = 0
    private var windowUpdatesAllowed: Int
    private(set) var receivedByteCount = 0
    private var payloadByteCount = 0

    init(_ limits: HTTP2Limits, now: NIODeadline) {
        provokedResets = TokenBucket(limits.provokedResets, now: now)
        controlFrames = TokenBucket(limits.controlFrames, now: now)
        windowUpdatesAllowed = limits.controlFrames.burst
    }

    /// A frame's head and 8 bytes, or 4.
    private static let (pingByteCount, windowUpdateByteCount) = (17, 13)

    mutating func received(byteCount: Int) {
        receivedByteCount += byteCount
        if receivedByteCount / 8 > payloadByteCount + 1 << 20 { isFlooded = true }
    }

    mutating func dataFrameSent() { windowUpdatesAllowed += 10 }

    mutating func provoked(now: NIODeadline) {
        if !provokedResets.take(now: now) { isFlooded = true }
    }

    mutating func frameBegan(_ header: nghttp2_frame_hd, now: @autoclosure () -> NIODeadline) {
        switch UInt32(header.type) {
        case NGHTTP2_DATA.rawValue:
            payloadByteCount += header.length
            guard header.length == 0, header.flags & UInt8(NGHTTP2_FLAG_END_STREAM.rawValue) == 0 else { return }
        case NGHTTP2_HEADERS.rawValue, NGHTTP2_CONTINUATION.rawValue:
            payloadByteCount += header.length
            windowUpdatesAllowed += 2
            return
        case NGHTTP2_WINDOW_UPDATE.rawValue:
            windowUpdateCount += 1
            payloadByteCount += Self.windowUpdateByteCount
            if windowUpdateCount > windowUpdatesAllowed { isFlooded = true }
            return
        case NGHTTP2_RST_STREAM.rawValue, NGHTTP2_GOAWAY.rawValue:
            return
        // Each costs a token below; a link that is idle for days has little else.
        case NGHTTP2_PING.rawValue: payloadByteCount += Self.pingByteCount
        default: break
        }
        emptyFrame(now: now())
    }

    /// A frame that carries nothing, nothing but padding, or what nobody waits for.
    mutating func emptyFrame(now: NIODeadline) {
        if !controlFrames.take(now: now) { isFlooded = true }
    }
}
