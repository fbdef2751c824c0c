import Inference

/// How fast choices leave a model's lines while some wait, so that it can be told what a new one would wait.
///
/// What leaves an empty queue says nothing: a cluster that was asked for little would look slow.
struct QueueSpeed: Sendable {
    /// Whole seconds remembered.
    private static let window = 10
    /// Measured for less, a rate is no more than chance; until then the one from before counts.
    private static let secondsMin = 1.0
    /// So long is a rate remembered when nobody waits any more.
    private static let memorySeconds = 60.0

    /// Since when some have waited.
    private var began: Instant?
    /// By second since `began`, the last `window` of them.
    private var counts = Array(repeating: 0, count: window)
    private var second = 0
    private var before: (perSecond: Double, until: Instant)?

    mutating func begins(at now: Instant) {
        guard began == nil else { return }
        began = now
        for place in counts.indices { counts[place] = 0 }
        second = 0
    }

    /// One comes where nobody waits, and leaves at once.
    mutating func passes(at now: Instant) {
        begins(at: now)
        left(at: now)
        ends(at: now)
    }

    mutating func left(at now: Instant) {
        roll(to: now)
        if began != nil { counts[second % Self.window] += 1 }
    }

    /// Nobody waits any more. What was too short to be measured leaves what was measured before it, and its end, alone.
    mutating func ends(at now: Instant) {
        guard let began else { return }
        if now.seconds(since: began) >= Self.secondsMin {
            before = perSecond(at: now).map { ($0, now.advanced(bySeconds: Self.memorySeconds)) }
        }
        self.began = nil
    }

    /// nil while nothing is known.
    mutating func perSecond(at now: Instant) -> Double? {
        let known = before.flatMap { now <= $0.until ? $0.perSecond : nil }
        guard let began else { return known }
        roll(to: now)
        let passed = now.seconds(since: began)
        guard passed >= Self.secondsMin else { return known }
        // The current second is not over.
        let measured = min(passed, Double(Self.window - 1) + passed - Double(second))
        // Where none has left yet, the next may at once.
        return Double(max(1, counts.reduce(0, +))) / measured
    }

    private mutating func roll(to now: Instant) {
        guard let began else { return }
        let current = Int(min(max(0, now.seconds(since: began)), 1e9))
        var step = max(second, current - Self.window)
        while step < current {
            step += 1
            counts[step % Self.window] = 0
        }
        second = max(second, current)
    }
}
