/// How long to wait before a server is dialled again: twice as long each time, up to a bound, give or take a fifth, so
/// that a cluster's routers do not dial a restarted one in step.
struct DialBackoff {
    static let jitter = 0.2

    private let firstSeconds: Double
    private let maxSeconds: Double
    private var next: Double

    /// The defaults are those for workers.
    init(firstSeconds: Double = 0.05, maxSeconds: Double = 5) {
        self.firstSeconds = firstSeconds
        self.maxSeconds = maxSeconds
        next = firstSeconds
    }

    /// - Parameter chance: uniform in [0, 1).
    mutating func failed(chance: Double) -> Double {
        defer { next = min(next * 2, maxSeconds) }
        return next * (1 - Self.jitter + 2 * Self.jitter * chance)
    }

    /// The server is well.
    mutating func succeeded() { next = firstSeconds }
}
