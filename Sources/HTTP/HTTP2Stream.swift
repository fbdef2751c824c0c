import CNGHTTP2
import NIOCore

/// What both ends of an HTTP/2 stream have in common: the head being received, and the bytes being sent.
///
/// The session owns its streams; nghttp2 holds unretained pointers to them, which `HTTP2Session` takes back when a
/// stream closes. The server's and the client's streams override what happens on arrival.
class HTTP2Stream {
    fileprivate(set) var id: Int32 = 0
    /// `nil` once the stream is closed.
    private(set) var session: HTTP2Session?

    // Receiving
    private(set) var fields: [HTTPField] = []
    private(set) var pseudo = HTTP2PseudoFields()
    private var fieldsByteCount = 0
    private(set) var isHeadTooLarge = false
    let openedAt: NIODeadline
    var hasHead = false
    /// The peer has sent END_STREAM.
    private(set) var hasRemoteEnded = false
    /// Bytes received that the peer's window does not have back.
    private var unconsumedByteCount = 0

    // Sending
    private(set) var output = ByteBuffer()
    private var trailers: [HTTPField] = []
    private(set) var hasEnded = false
    private var isDeferred = false
    private var sentByteCount = 0
    private var stuckAt = (sent: -1, since: NIODeadline.uptimeNanoseconds(0))
    /// nghttp2 knows of our head.
    var isSubmitted = false

    init(session: HTTP2Session?) {
        self.session = session
        openedAt = session?.now ?? .now()
    }

    var unsentByteCount: Int { output.readableBytes }

    func opened(as id: Int32) { self.id = id }

    // MARK: Events, from nghttp2's callbacks

    /// One field of a head or of trailers, as it is decoded.
    func received(name: UnsafeBufferPointer<UInt8>, value: UnsafeBufferPointer<UInt8>) {
        guard let limits = session?.headLimits else { return }
        fieldsByteCount += name.count + value.count + 32
        // Over the limit only how much came is kept.
        guard !isHeadTooLarge else { return }
        guard fieldsByteCount <= limits.byteCountMax, fields.count < limits.fieldCountMax else {
            isHeadTooLarge = true
            fields = []
            return
        }
        let text = String(decoding: value, as: UTF8.self)
        if name.first == UInt8(ascii: ":") {
            pseudo.set(String(decoding: name, as: UTF8.self), text)
        } else {
            fields.append(HTTPField(String(decoding: name, as: UTF8.self), text))
        }
    }

    /// A byte may stand for a field of 4 KB, which nghttp2 looks through each time: who sends so many is no client.
    var isHeadBomb: Bool {
        guard isHeadTooLarge, let limits = session?.headLimits else { return false }
        return fieldsByteCount > Self.bombFactor * limits.byteCountMax
    }

    /// A client that has gathered too many cookies is told so; one that is so far beyond, is not.
    private static let bombFactor = 4

    /// Takes what `received(name:value:)` gathered.
    func takeFields() -> [HTTPField] {
        defer {
            fields = []
            fieldsByteCount = 0
        }
        return fields
    }

    func headArrived() {}
    func dataArrived(_ bytes: ByteBuffer) {}
    func endArrived() { hasRemoteEnded = true }
    /// The stream is out of the session; nothing follows. `code` of RFC 9113 7, `nil` when the connection is lost.
    func closed(code: UInt32?) { session = nil }
    /// Our END_STREAM is on its way.
    func endSent() {}
    /// nghttp2 refused to send our head, since the connection takes no new streams.
    func headNotSent() {}
    /// Before a batch of sending: submits the head.
    func submit() {}

    // MARK: Window

    func holdWindow(_ byteCount: Int) { unconsumedByteCount += byteCount }

    /// Somebody took the bytes: the peer may send as many again.
    func releaseWindow() {
        guard unconsumedByteCount > 0 else { return }
        session?.consume(self, unconsumedByteCount)
        unconsumedByteCount = 0
    }

    /// The connection's window gets back what a closing stream leaves unread.
    func takeUnconsumed() -> Int {
        defer { unconsumedByteCount = 0 }
        return unconsumedByteCount
    }

    // MARK: Sending

    func send(_ bytes: ByteBuffer) {
        guard !hasEnded, session != nil else { return }
        if output.readableBytes == 0 {
            output = bytes
        } else {
            // What has left is given back in steps, so that a backlog that never empties does not grow for ever.
            if output.readerIndex > max(output.readableBytes, 64 << 10) { output.discardReadBytes() }
            output.writeImmutableBuffer(bytes)
        }
        resume()
    }

    func end(trailers: [HTTPField]) {
        guard !hasEnded else { return }
        hasEnded = true
        self.trailers = trailers
        resume()
    }

    func dropOutput() {
        output = ByteBuffer()
        hasEnded = true
    }

    var hasNothingToSend: Bool { hasEnded && output.readableBytes == 0 && trailers.isEmpty }

    private func resume() {
        if isDeferred, isSubmitted {
            isDeferred = false
            session?.resume(self)
        }
        session?.flushSoon()
    }

    /// nghttp2 asks for at most `room.count` bytes of the next DATA frame.
    func fill(_ room: UnsafeMutableRawBufferPointer, _ flags: inout UInt32) -> Int {
        let count = min(room.count, output.readableBytes)
        if count == 0, !hasEnded {
            isDeferred = true
            return Int(NGHTTP2_ERR_DEFERRED.rawValue)
        }
        // SAFETY: `count` is within both buffers; the bytes are copied before anything else runs.
        output.readWithUnsafeReadableBytes { readable in
            if count > 0, let from = readable.baseAddress, let to = room.baseAddress { memcpy(to, from, count) }
            return count
        }
        sentByteCount += count
        if output.readableBytes == 0, hasEnded {
            flags |= NGHTTP2_DATA_FLAG_EOF.rawValue
            if !trailers.isEmpty {
                flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM.rawValue
                session?.submitTrailers(trailers, of: self)
                trailers = []
            }
        }
        return count
    }

    /// Bytes wait, and the peer has opened no window for them since `limit`.
    func isStuck(now: NIODeadline, limit: TimeAmount) -> Bool {
        guard output.readableBytes > 0, sentByteCount == stuckAt.sent else {
            stuckAt = (output.readableBytes > 0 ? sentByteCount : -1, now)
            return false
        }
        return now - stuckAt.since > limit
    }
}

/// The fields that HTTP/2 has in place of a request line or a status line.
struct HTTP2PseudoFields {
    var method = ""
    var path = ""
    var authority: String?
    var status = ""

    mutating func set(_ name: String, _ value: String) {
        switch name {
        case ":method": method = value
        case ":path": path = value
        case ":authority": authority = value
        case ":status": status = value
        default: break
        }
    }
}
