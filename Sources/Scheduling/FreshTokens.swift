import Inference

/// Tokens of one sequence that came since its record was last brought up to date.
///
/// The newest lie in place and go to an array of their own a full load at a time, so that a token in a report touches
/// no memory but its sequence's.
struct FreshTokens: Sendable {
    private var newest = InlineArray<14, TokenID>(repeating: 0)
    private var newestCount: Int32 = 0
    private var older: [TokenID] = []

    mutating func append(_ token: TokenID) {
        if Int(newestCount) == newest.count { spill() }
        newest[Int(newestCount)] = token
        newestCount += 1
    }

    /// All of them, in order; none is left.
    mutating func take() -> [TokenID] {
        spill()
        defer { older = [] }
        return older
    }

    private mutating func spill() {
        for place in 0..<Int(newestCount) { older.append(newest[place]) }
        newestCount = 0
    }
}
