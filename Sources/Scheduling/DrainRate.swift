import Inference

/// Measures how much leaves the queue per second, for an honest Retry-After.
struct DrainRate: Sendable {
    /// Whole seconds remembered.
    private static let window = 10
    /// What is said while nothing is known.
    static let unknownSeconds = 10

    private var counts = Array(repeating: QueueLoad(), count: window)
    private var current = 0
    private var began: Instant?

    mutating func count(_ leaving: QueueLoad, at now: Instant) {
        roll(to: now)
        counts[current] += leaving
    }

    /// - Returns: how much leaves in a second, over the window.
    mutating func perSecond(_ measure: QueueMeasure, at now: Instant) -> Double {
        roll(to: now)
        return Double(counts.reduce(0) { $0 + $1[measure] }) / Double(Self.window)
    }

    /// Seconds until `amount` will have left: at least 1, at most 60; ``unknownSeconds`` while nothing leaves.
    mutating func secondsToDrain(_ amount: Double, _ measure: QueueMeasure, at now: Instant) -> Int {
        let rate = perSecond(measure, at: now)
        guard rate > 0 else { return Self.unknownSeconds }
        return Int(min(60, max(1, (amount / rate).rounded(.up))))
    }

    private mutating func roll(to now: Instant) {
        guard let start = began else {
            began = now
            return
        }
        let passed = now.seconds(since: start)
        guard passed >= 1 else { return }
        let steps = min(Self.window, Int(min(passed, Double(Self.window))))
        for _ in 0..<steps {
            current = (current + 1) % Self.window
            counts[current] = QueueLoad()
        }
        began = passed >= Double(Self.window) ? now : start.advanced(bySeconds: Double(steps))
    }
}
