/// Whether a worker hangs, by what it answers when it is asked once a second. Pure.
///
/// A worker that says it hangs is believed when it has said so three times, and nothing better in between: one that was
/// denied the CPU for a while and has it again needs a moment to take its step. Silence proves little, since whoever is
/// starved of the CPU is silent too, and is borne for half a minute. Both cost clients nothing: the router has moved its
/// sequences elsewhere long before.
struct HangWatch {
    enum Answer {
        case alive
        /// Its engine has sequences and makes no progress.
        case hung
        /// No connection, or one that says nothing, or no word that could be understood.
        case silence
    }

    static let hungMax = 3
    static let silentMax = 30

    private var hungCount = 0
    private var silentCount = 0

    /// What came of one second.
    /// - Returns: why it is to be killed; nil when it is not.
    mutating func heard(_ answer: Answer) -> String? {
        switch answer {
        case .alive: (hungCount, silentCount) = (0, 0)
        case .hung: (hungCount, silentCount) = (hungCount + 1, 0)
        case .silence: silentCount += 1
        }
        if hungCount >= Self.hungMax { return "its engine has sequences and makes no progress" }
        if silentCount >= Self.silentMax { return "its port for probes was silent for \(Self.silentMax) s" }
        return nil
    }
}
