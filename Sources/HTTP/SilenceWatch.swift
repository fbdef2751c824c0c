/// Tells a peer that has nothing to say from one that is gone, by regular looks at how much has come.
///
/// Silence is counted in looks and not in time: when this process itself was stopped, or its loop was busy, however
/// long, that is one look, and what came meanwhile is read before the next.
package struct SilenceWatch: Sendable {
    package enum Advice: Equatable, Sendable {
        case wait
        /// Ask for a sign of life, once in a silence.
        case ask
        case giveUp
    }

    private let askAfter: Int
    private let giveUpAfter: Int
    private var silentLooks = 0
    private var bytesSeen = 0

    /// - Parameters:
    ///   - askAfter: looks in a row that see nothing new, after which the peer is asked.
    ///   - giveUpAfter: the same, after which it is given up; more than `askAfter`.
    package init(askAfter: Int, giveUpAfter: Int) {
        self.askAfter = max(1, askAfter)
        self.giveUpAfter = max(self.askAfter + 1, giveUpAfter)
    }

    /// - Parameter byteCount: all that ever came from the peer.
    package mutating func look(byteCount: Int) -> Advice {
        if byteCount != bytesSeen {
            bytesSeen = byteCount
            silentLooks = 0
            return .wait
        }
        silentLooks += 1
        if silentLooks >= giveUpAfter { return .giveUp }
        return silentLooks == askAfter ? .ask : .wait
    }
}
