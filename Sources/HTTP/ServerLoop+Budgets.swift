import NIOCore

/// What all connections together may make a listener hold. Each alone is within its limits; strangers with many are not.
extension ServerLoop {
    func keepBudgets() {
        var (gathered, unsent) = (0, 0)
        for connection in connections.values {
            guard let stage = connection.stage else { continue }
            stage.forEachBody { gathered += $0.gatheredByteCount }
            unsent += stage.unsentByteCount
        }
        if gathered > options.gatheredByteCountMax { endOldestBodies(gathered) }
        if unsent > options.unsentTotalByteCountMax { giveUpSlowestReaders(unsent) }
    }

    /// Honest bodies come at once; what is gathered for longest is what somebody has us hold.
    private func endOldestBodies(_ gathered: Int) {
        var bodies: [(since: NIODeadline, byteCount: Int)] = []
        for connection in connections.values {
            connection.stage?.forEachBody { body in
                if let since = body.gatheringSince { bodies.append((since, body.gatheredByteCount)) }
            }
        }
        bodies.sort { $0.since < $1.since }
        var (left, limit) = (gathered, NIODeadline?.none)
        for body in bodies where left > options.gatheredByteCountMax {
            left -= body.byteCount
            limit = body.since
        }
        guard let limit else { return }
        for connection in connections.values { connection.stage?.endBodies(gatheredSince: limit) }
    }

    /// The connections that hold most come first: who spreads a hoard over many streams does not hide it.
    private func giveUpSlowestReaders(_ unsent: Int) {
        var excess = unsent - options.unsentTotalByteCountMax
        let stages = connections.values.compactMap(\.stage).map { ($0, $0.unsentByteCount) }.sorted { $0.1 > $1.1 }
        for (stage, _) in stages where excess > 0 { excess -= stage.giveUpUnsent(excess) }
    }
}
