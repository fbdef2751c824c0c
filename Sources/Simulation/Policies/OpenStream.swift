import Inference

/// A request of a trace that has not ended.
struct OpenStream: Sendable {
    let turn: Int
    let arrivedAt: Instant
    var admitted: AdmittedSequence
    private(set) var firstTokenAt: Instant?
    private(set) var lastTokenAt: Instant?
    private(set) var outputCount = 0

    init(turn: Int, arrivedAt: Instant, admitted: AdmittedSequence) {
        self.turn = turn
        self.arrivedAt = arrivedAt
        self.admitted = admitted
    }

    mutating func took(_ tokens: [TokenID], at now: Instant) {
        admitted.tokens += tokens
        firstTokenAt = firstTokenAt ?? now
        lastTokenAt = now
        outputCount += tokens.count
    }

    /// Within both limits; to be asked when all its tokens have come.
    var isGood: Bool {
        guard let first = firstTokenAt, let last = lastTokenAt else { return false }
        let each = last.seconds(since: first) / Double(max(1, outputCount - 1))
        return first.seconds(since: arrivedAt) <= PolicyOptions.firstTokenSecondsMax
            && each <= PolicyOptions.interTokenSecondsMax
    }
}
