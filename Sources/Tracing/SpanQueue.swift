import Inference
import Telemetry

/// Spans that wait to be sent, and what to do about them: decides, and sends nothing. Time comes as an argument.
///
///     collecting ─▶ sending ─▶ collecting, or after a failure that may pass: pausing ─▶ sending
struct SpanQueue {
    struct Limits: Equatable {
        /// Spans kept; what comes beyond is dropped. 4096 of some 500 bytes are 2 MiB.
        var kept = 4096
        /// Spans of one request: encoded within a millisecond.
        var batch = 256
        /// Pauses between attempts, in seconds: doubled from the first to the last.
        var pauseSeconds = 1.0...32.0
        /// A collector may ask for a longer pause, up to this.
        var askedSecondsMax = 300
    }

    /// What became of a batch.
    enum Outcome: Equatable {
        case taken
        /// The collector is busy or away: the same spans may be sent again.
        case mayPass
        case refused
    }

    private let limits: Limits
    private var waiting: [Span] = []
    private var sending: [Span]?
    private var pauseSeconds: Double?
    private var pausesUntil: Instant?

    init(limits: Limits = Limits()) { self.limits = limits }

    var count: Int { waiting.count + (sending?.count ?? 0) }
    /// Whether a batch is full before anyone looks at the clock.
    var hasBatch: Bool { waiting.count >= limits.batch }

    /// - Returns: false when there is no room, and the span is dropped.
    mutating func append(_ span: Span) -> Bool {
        guard count < limits.kept else { return false }
        waiting.append(span)
        return true
    }

    /// - Returns: what to send now, the oldest first; nil when there is nothing, or one batch is on its way already.
    mutating func takeBatch(at now: Instant, ignoringPause: Bool = false) -> [Span]? {
        guard sending == nil, !waiting.isEmpty else { return nil }
        if let pausesUntil, now < pausesUntil, !ignoringPause { return nil }
        let batch = Array(waiting.prefix(limits.batch))
        waiting.removeFirst(batch.count)
        sending = batch
        return batch
    }

    /// - Parameter askedSeconds: what the collector asks to be left alone for.
    /// - Returns: how many spans are gone with it: sent, or dropped.
    mutating func ended(_ outcome: Outcome, askedSeconds: Int = 0, at now: Instant) -> Int {
        guard let batch = sending else { return 0 }
        sending = nil
        switch outcome {
        case .taken, .refused:
            pauseSeconds = nil
            pausesUntil = nil
            return batch.count
        case .mayPass:
            waiting.insert(contentsOf: batch, at: 0)
            let pause = min((pauseSeconds ?? limits.pauseSeconds.lowerBound / 2) * 2, limits.pauseSeconds.upperBound)
            pauseSeconds = pause
            pausesUntil = now.advanced(bySeconds: max(pause, Double(min(askedSeconds, limits.askedSecondsMax))))
            return 0
        }
    }
}
