/// Whether a connection of HTTP/1.1 takes its next request, where the client has sent it before the last was answered: so
/// many in a turn, so that others are heard, and none while much of the answers is unread.
struct PipelinePace {
    enum Advice {
        case begin
        /// The next turn is to be set; then ``turnCame()``.
        case setTurn
        /// What was waited for already has not come.
        case wait
    }

    private enum State {
        /// Can become: .turn, .reader.
        case going
        /// Can become: .going.
        case turn
        /// Can become: .turn.
        case reader
    }

    private let requestsPerTurnMax: Int
    private let unsentByteCountMax: Int
    private var state = State.going
    private var begunCount = 0

    init(_ options: HTTPListenerOptions) {
        requestsPerTurnMax = options.requestsPerTurnMax
        unsentByteCountMax = options.pipelinedByteCountMax
    }

    /// A request is left where it is.
    var isWaiting: Bool { state != .going }

    /// - Parameter unsentByteCount: of the connection's answers.
    mutating func next(unsentByteCount: @autoclosure () -> Int) -> Advice {
        guard state == .going else { return .wait }
        if begunCount >= requestsPerTurnMax {
            state = .turn
            return .setTurn
        }
        if unsentByteCount() > unsentByteCountMax {
            state = .reader
            return .wait
        }
        return .begin
    }

    mutating func began() { begunCount += 1 }

    /// What could be read has been; others are next in any case.
    mutating func readingEnded() { begunCount = 0 }

    mutating func turnCame() {
        state = .going
        begunCount = 0
    }

    /// - Returns: whether the next turn is to be set.
    mutating func flushed(unsentByteCount: @autoclosure () -> Int) -> Bool {
        guard state == .reader, unsentByteCount() <= unsentByteCountMax else { return false }
        state = .turn
        return true
    }
}
