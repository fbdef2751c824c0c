package import NIOCore

/// What one listener allows its peers. The defaults are for a public edge, where every peer may be hostile.
package struct HTTPListenerOptions: Sendable {
    package var backlog: Int32 = 1024
    /// Connections open at once; one more is closed as soon as it is accepted. Three eighths of the file descriptors that
    /// the process may have, where that is less; an eighth for the admin port.
    package var connectionCountMax = 10_000
    /// Once half of them are taken, one address (of IPv6: 64 bits of it) may have no more than this part of them;
    /// `--connection-share`.
    package var addressShare = 0.25
    /// An address may always have so many, if there is room.
    package var addressConnectionCountMin = 16
    package var timeouts = HTTPTimeouts()
    package var head = HTTPHeadLimits()
    package var http2 = HTTP2Limits()
    /// nil: whoever connects is heard at once.
    package var offenders: HTTPOffenderLimits? = HTTPOffenderLimits()
    /// Response bytes that may wait for one slow reader; over it the exchange is given up.
    package var unsentByteCountMax = 32 << 20
    /// Of all connections together. Over it the fullest of HTTP/1.1 are closed, and of HTTP/2 their fullest streams.
    package var unsentTotalByteCountMax = 256 << 20
    /// Of all requests' bodies that have not come whole. Over it those end that have been coming for longest.
    package var gatheredByteCountMax = 256 << 20
    /// HTTP/1.1: while more of a connection's answers is unsent, its next requests wait.
    package var pipelinedByteCountMax = 1 << 20
    /// HTTP/1.1: of requests that a connection sends all at once, so many are begun before others have their turn.
    package var requestsPerTurnMax = 16
    /// After a response that leaves request bytes unread, these many are discarded before the connection closes, as far as
    /// they come in `linger`, so that the client reads its answer instead of a reset. Some read nothing before they have
    /// sent all.
    package var lingerByteCountMax = 32 << 20
    /// How the listener says what it refuses before a handler hears of it: content type and body.
    package var refusalBody: @Sendable (_ status: Int, _ sentence: String) -> (contentType: String, body: ByteBuffer) =
        {
            _, sentence in ("text/plain; charset=utf-8", ByteBuffer(string: sentence + "\n"))
        }

    package init() {}

    /// With no more connections than so many.
    package func limited(to connectionCount: Int) -> HTTPListenerOptions {
        var options = self
        options.connectionCountMax = min(connectionCountMax, connectionCount)
        return options
    }

    /// Between routers and workers of one cluster: many streams, large windows, and cancellations by the thousand when
    /// clients vanish.
    package static var internalLink: HTTPListenerOptions {
        var options = HTTPListenerOptions()
        options.http2 = .internalLink
        options.offenders = nil
        options.addressShare = 1
        options.timeouts.idle = nil
        options.timeouts.peerSilence = .seconds(3)
        // A router that is slow with many tokens, or a worker with a tokenizer, is nobody to be thrown out.
        options.unsentTotalByteCountMax = .max
        options.gatheredByteCountMax = .max
        // A process that was stopped in the middle of a message goes on with it; one that is gone is silent.
        options.timeouts.bodyBytesPerSecondMin = 0
        return options
    }
}

/// Deadlines of a connection. They are checked once per `sweepInterval`, not by a timer each.
package struct HTTPTimeouts: Sendable {
    package var tlsHandshake = TimeAmount.seconds(5)
    /// From the connection (or the finished handshake) to the first byte of a request.
    package var firstByte = TimeAmount.seconds(5)
    /// The same where the listener drains.
    package var firstByteWhileDraining = TimeAmount.milliseconds(500)
    /// From the first byte of a head to its last.
    package var head = TimeAmount.seconds(10)
    /// A collected body is given this long before its rate counts.
    package var bodyGrace = TimeAmount.seconds(5)
    /// Slower than this after `bodyGrace`, a collected body ends as `.incomplete`.
    package var bodyBytesPerSecondMin = 1024
    /// Bytes wait to be sent and none moves: the reader is gone.
    package var sendProgress = TimeAmount.seconds(30)
    /// No exchange runs. `nil`: for ever.
    package var idle: TimeAmount? = .seconds(75)
    /// An HTTP/2 client that says nothing for so long, although it was pinged after a third of it, is gone. `nil`: who is
    /// silent may stay.
    package var peerSilence: TimeAmount?
    /// How long a half-closed connection may still deliver bytes that nobody wants.
    package var linger = TimeAmount.seconds(2)
    package var sweepInterval = TimeAmount.milliseconds(250)

    package init() {}
}

/// Bounds on a request's head, counted on decoded bytes.
package struct HTTPHeadLimits: Equatable, Sendable {
    /// Names, values and 32 bytes per field, as RFC 7541 4.1 counts.
    package var byteCountMax = 16 << 10
    package var fieldCountMax = 100
    /// Below these paths an encoded slash is part of a name; anywhere else it is refused.
    package var encodedSlashesBelow: [String] = []

    package init() {}
}

/// What nghttp2 and we ourselves tolerate from one HTTP/2 peer.
package struct HTTP2Limits: Sendable {
    package var concurrentStreamsMax: UInt32 = 100
    package var streamWindow: Int32 = 64 << 10
    package var connectionWindow: Int32 = 1 << 20
    /// RST_STREAM frames of the peer (CVE-2023-44487).
    package var peerResets = TokenBucketLimit(burst: 100, perSecond: 10)
    /// Streams that the peer makes us reset, and invalid frames (CVE-2025-8671).
    package var provokedResets = TokenBucketLimit(burst: 100, perSecond: 10)
    /// PING, SETTINGS, PRIORITY and empty DATA frames (CVE-2019-9511 to 9518); WINDOW_UPDATE has `burst` to begin with.
    package var controlFrames = TokenBucketLimit(burst: 1000, perSecond: 200)
    package var continuationsMax = 8
    package var settingsEntriesMax = 32
    package var outboundAcksMax = 128
    /// Frames queued for a peer that does not read.
    package var outboundQueueMax = 5000

    package init() {}

    package static var internalLink: HTTP2Limits {
        var limits = HTTP2Limits()
        limits.concurrentStreamsMax = 1000
        limits.streamWindow = 16 << 20
        limits.connectionWindow = 16 << 20
        limits.peerResets = TokenBucketLimit(burst: 20_000, perSecond: 2_000)
        limits.provokedResets = TokenBucketLimit(burst: 20_000, perSecond: 2_000)
        limits.controlFrames = TokenBucketLimit(burst: 100_000, perSecond: 20_000)
        return limits
    }
}

/// How a listener treats addresses whose connections break HTTP/2's rules again and again. Others behind the same address
/// are served too, so it makes them wait and refuses nobody.
package struct HTTPOffenderLimits: Sendable {
    /// Connections thrown out with an error of the protocol.
    package var offences = TokenBucketLimit(burst: 10, perSecond: 1)
    /// Over that, each further connection waits so long before it is heard.
    package var delay = TimeAmount.milliseconds(200)
    /// For so long after the last offence.
    package var memory = TimeAmount.seconds(5)
    /// Addresses that are remembered.
    package var addressCountMax = 4096

    package init() {}
}

package struct TokenBucketLimit: Sendable, Equatable {
    package var burst: Int
    package var perSecond: Int
    package init(burst: Int, perSecond: Int) {
        self.burst = burst
        self.perSecond = perSecond
    }
}
