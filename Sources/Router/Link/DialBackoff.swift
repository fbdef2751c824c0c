/// How long to wait before a worker is dialled again: 50 ms at first, twice as long each time, up to 5 s, give or take
/// a fifth, so that a cluster's routers do not dial a restarted worker in step.
struct DialBackoff {
    static let firstSeconds = 0.05
    static let maxSeconds = 5.0
    static let jitter = 0.2

    private var next = firstSeconds

    /// - Parameter chance: uniform in [0, 1).
    mutating func failed(chance: Double) -> Double {
        defer { next = min(next * 2, Self.maxSeconds) }
        return next * (1 - Self.jitter + 2 * Self.jitter * chance)
    }

    /// A welcome came: the worker is well.
    mutating func succeeded() { next = Self.firstSeconds }
}
