import NIOCore

/// Counts events against a burst that refills with time. Time is an argument.
struct TokenBucket {
    private let limit: TokenBucketLimit
    private var tokens: Int
    private var refilled: NIODeadline

    init(_ limit: TokenBucketLimit, now: NIODeadline) {
        self.limit = limit
        tokens = limit.burst
        refilled = now
    }

    /// Takes one token; false when there is none left.
    mutating func take(now: NIODeadline) -> Bool {
        if tokens == 0 { refill(now) }
        guard tokens > 0 else { return false }
        tokens -= 1
        return true
    }

    /// Whole tokens only; the remainder of the time stays for the next refill.
    private mutating func refill(_ now: NIODeadline) {
        guard limit.perSecond > 0 else { return }
        let nanosecondsPerToken = max(1, 1_000_000_000 / Int64(limit.perSecond))
        let earned = max(0, (now - refilled).nanoseconds) / nanosecondsPerToken
        guard earned > 0 else { return }
        if earned >= Int64(limit.burst) {
            tokens = limit.burst
            refilled = now
        } else {
            tokens = Int(earned)
            refilled = refilled + .nanoseconds(earned * nanosecondsPerToken)
        }
    }
}
