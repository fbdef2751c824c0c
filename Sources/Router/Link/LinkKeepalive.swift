/// When a silent connection is asked whether it is still there, and when it is given up. Counts ticks of a timer instead
/// of time: a router that was held up itself has not read the answers that wait for it.
struct LinkKeepalive {
    /// A tick. Reports flow faster than this while anything runs.
    static let tickMilliseconds: Int64 = 200
    /// Three ticks without an answer, so 600 ms after the question.
    static let unansweredTicksMax = 3

    enum Action: Equatable {
        case nothing, ping, giveUp
    }

    private var hasHeard = true
    private var unansweredTicks: Int?

    /// Anything came, a ping's answer too.
    mutating func heard() {
        hasHeard = true
        unansweredTicks = nil
    }

    mutating func ticked() -> Action {
        defer { hasHeard = false }
        if let ticks = unansweredTicks {
            unansweredTicks = ticks + 1
            return ticks + 1 >= Self.unansweredTicksMax ? .giveUp : .nothing
        }
        guard !hasHeard else { return .nothing }
        unansweredTicks = 0
        return .ping
    }
}
