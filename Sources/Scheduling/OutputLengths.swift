/// Learns how long a model's answers become, so that admission reserves what a sequence will likely need and not all
/// it may ask for.
struct OutputLengths: Sendable {
    private static let memory = 256
    /// Answers after which the estimate is made anew.
    private static let refresh = 16
    /// Until enough answers are known: a paragraph.
    private static let initial = 256

    private var recent: [Int] = []
    private var next = 0
    private var fresh = 0
    /// Four of five recent answers were no longer than this.
    private(set) var expected = initial

    mutating func add(_ length: Int) {
        if recent.count < Self.memory { recent.append(length) } else { recent[next] = length }
        next = (next + 1) % Self.memory
        fresh += 1
        guard fresh >= Self.refresh else { return }
        fresh = 0
        expected = max(1, recent.sorted()[recent.count * 4 / 5])
    }
}

/// How much output pages are reserved for.
struct OutputDemand: Sendable {
    var expected: Int
    /// Output tokens there are.
    var made: Int
    var max: Int

    /// Output tokens a choice is expected to have in the end. One that has outgrown the expectation is granted
    /// `margin` more at a time.
    func target(margin: Int) -> Int {
        let target = made < expected ? expected : made + margin
        return Swift.max(made, Swift.min(max, target))
    }
}
