/// Versions of the link's protocol. A version changes when a peer that ignores what it does not know would go wrong.
package enum ProtocolVersion {
    /// 2: constraints on output, which a worker that passed them over would break.
    package static let supported: ClosedRange<UInt32> = 2...2

    /// The newest version that both sides speak.
    package static func agreed(
        with theirs: ClosedRange<UInt32>, ours: ClosedRange<UInt32> = supported
    ) throws(WireError) -> UInt32 {
        let newest = min(theirs.upperBound, ours.upperBound)
        guard newest >= max(theirs.lowerBound, ours.lowerBound) else {
            throw .noCommonVersion(theirs: theirs, ours: ours)
        }
        return newest
    }
}
