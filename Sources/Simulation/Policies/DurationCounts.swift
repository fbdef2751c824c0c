/// Counts of durations in buckets that grow by 2%, from 0.1 ms to an hour.
struct DurationCounts: Sendable {
    private static let growth = 1.02
    private static let least = 1e-4
    private static let scale = 1 / SimulatedRandom.logarithm(growth)
    private var counts = Array(repeating: 0, count: 900)
    private(set) var total = 0

    mutating func add(_ seconds: Double) {
        let place = seconds <= Self.least ? 0 : Int(SimulatedRandom.logarithm(seconds / Self.least) * Self.scale)
        counts[min(place, counts.count - 1)] += 1
        total += 1
    }

    /// The upper end of the bucket that a part of all durations does not exceed.
    func quantile(_ part: Double) -> Double {
        var left = Int((part * Double(total)).rounded(.up))
        for (place, count) in counts.enumerated() {
            left -= count
            if left <= 0 { return Self.least * SimulatedRandom.exponential(Double(place + 1) / Self.scale) }
        }
        return 0
    }
}

/// Source: Jain, Chiu and Hawe, "A quantitative measure of fairness", 1984.
func jainIndex(_ shares: [Double]) -> Double {
    let sum = shares.reduce(0, +)
    let squares = shares.reduce(0) { $0 + $1 * $1 }
    return squares == 0 ? 1 : sum * sum / (Double(shares.count) * squares)
}
