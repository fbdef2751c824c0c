/// How long to wait before a process that ended is started again: a bit at first, longer each time it ends early.
struct RestartBackoff: Sendable {
    /// 100 ms: a killed worker is back within its load time. 10 s: one that cannot start costs next to nothing.
    static let firstMilliseconds = 100
    static let maxMilliseconds = 10_000
    /// Who lived this long was well; what ended it is no habit.
    static let healthySeconds = 60.0

    private var next = firstMilliseconds

    /// A process ended that had been ready for so many seconds; 0 when it never was.
    /// - Returns: milliseconds to wait.
    mutating func ended(readySeconds: Double) -> Int {
        if readySeconds >= Self.healthySeconds { next = Self.firstMilliseconds }
        defer { next = min(next * 2, Self.maxMilliseconds) }
        return next
    }
}
