import NIOCore

/// The body of one request between its arrival and whoever reads it: collected whole, or handed over piece by piece.
///
/// The session asks `isWanted` before it takes more from the peer, so nothing that nobody reads piles up.
struct RequestBody {
    private enum Reader {
        case none
        case collecting(limit: Int, done: (Result<ByteBuffer, HTTPBodyError>) -> Void)
        case receiving((ByteBuffer?) -> Void)
        case finished
    }

    private var reader = Reader.none
    private var kept = ByteBuffer()
    private var receivedByteCount = 0
    /// Since when something is being gathered that must come in time, and how many bytes were there before it.
    private var gathering: (since: NIODeadline, before: Int)?
    /// What a receiver has gathered.
    private var receiverByteCount = 0
    /// The last byte has come.
    private(set) var hasEnded = false

    /// What to do after a change; run by the caller when its own state is settled, since callbacks may call back.
    typealias Delivery = () -> Void

    /// Somebody reads.
    var isWanted: Bool {
        switch reader {
        case .collecting, .receiving: true
        case .none, .finished: false
        }
    }

    /// Nobody will read any more.
    var isFinished: Bool { if case .finished = reader { true } else { false } }

    mutating func collect(
        limit: Int, announced: Int?, now: NIODeadline, _ done: @escaping (Result<ByteBuffer, HTTPBodyError>) -> Void
    ) -> Delivery? {
        guard case .none = reader else { return nil }
        if let announced, announced > limit {
            reader = .finished
            return { done(.failure(.tooLarge(limit: limit))) }
        }
        reader = .collecting(limit: limit, done: done)
        gathering = (now, 0)
        return settle()
    }

    mutating func receive(_ receive: @escaping (ByteBuffer?) -> Void) -> Delivery? {
        guard case .none = reader else { return nil }
        reader = hasEnded ? .finished : .receiving(receive)
        let first = kept
        kept = ByteBuffer()
        let ended = hasEnded
        return {
            if first.readableBytes > 0 { receive(first) }
            if ended { receive(nil) }
        }
    }

    mutating func append(_ bytes: ByteBuffer) -> Delivery? {
        receivedByteCount += bytes.readableBytes
        switch reader {
        case .finished: return nil
        case .receiving(let receive): return { receive(bytes) }
        case .none, .collecting:
            if kept.readableBytes == 0 { kept = bytes } else { kept.writeImmutableBuffer(bytes) }
            return settle()
        }
    }

    mutating func end() -> Delivery? {
        guard !hasEnded else { return nil }
        hasEnded = true
        if case .receiving(let receive) = reader {
            reader = .finished
            return { receive(nil) }
        }
        return settle()
    }

    /// The rest will not come. A receiver learns of it by its exchange's `onClientGone`.
    mutating func fail(_ error: HTTPBodyError) -> Delivery? {
        defer { reader = .finished }
        kept = ByteBuffer()
        guard case .collecting(_, let done) = reader else { return nil }
        return { done(.failure(error)) }
    }

    /// See ``HTTPExchange/gathering(_:)``.
    mutating func gathers(_ byteCount: Int?, now: NIODeadline) {
        guard case .receiving = reader else { return }
        receiverByteCount = byteCount ?? 0
        guard let byteCount else {
            gathering = nil
            return
        }
        if gathering == nil { gathering = (now, receivedByteCount - byteCount) }
    }

    /// Since when something is being gathered; nil when nothing is.
    var gatheringSince: NIODeadline? { isWanted ? gathering?.since : nil }

    /// Bytes that are held until the rest has come.
    var gatheredByteCount: Int {
        switch reader {
        case .none, .collecting: kept.readableBytes
        case .receiving: receiverByteCount
        case .finished: 0
        }
    }

    /// What is being gathered comes more slowly than it may.
    func isTooSlow(now: NIODeadline, _ timeouts: HTTPTimeouts) -> Bool {
        guard isWanted, let gathering else { return false }
        let late = now - gathering.since - timeouts.bodyGrace
        guard late > .nanoseconds(0) else { return false }
        let expected = Double(late.nanoseconds) / 1e9 * Double(timeouts.bodyBytesPerSecondMin)
        return Double(receivedByteCount - gathering.before) < expected
    }

    private mutating func settle() -> Delivery? {
        guard case .collecting(let limit, let done) = reader else { return nil }
        if kept.readableBytes > limit {
            reader = .finished
            kept = ByteBuffer()
            return { done(.failure(.tooLarge(limit: limit))) }
        }
        guard hasEnded else { return nil }
        reader = .finished
        let body = kept
        kept = ByteBuffer()
        return { done(.success(body)) }
    }
}
