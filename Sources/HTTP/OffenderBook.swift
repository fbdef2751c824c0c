import NIOCore
import Synchronization

/// Addresses whose connections broke the protocol again and again of late. Each further connection of theirs waits a
/// moment before it is heard: who lives by reconnecting is slowed to that pace, and who shares the address with them is
/// served, only not at once.
final class OffenderBook: Sendable {
    private struct Record {
        var offences: TokenBucket
        /// Until then its connections wait.
        var waitsUntil: NIODeadline?
        var lastOffence: NIODeadline
    }

    private let limits: HTTPOffenderLimits
    private let records = Mutex<[ClientNetwork: Record]>([:])

    init(_ limits: HTTPOffenderLimits) {
        self.limits = limits
    }

    /// A connection of this address was thrown out.
    func offended(_ address: SocketAddress?, now: NIODeadline) {
        guard let network = ClientNetwork(address) else { return }
        records.withLock { records in
            if records[network] == nil, records.count >= limits.addressCountMax { forget(&records, now) }
            var record =
                records[network] ?? Record(offences: TokenBucket(limits.offences, now: now), lastOffence: now)
            record.lastOffence = now
            if !record.offences.take(now: now) { record.waitsUntil = now + limits.memory }
            records[network] = record
        }
    }

    /// How long a new connection of this address waits; nil: not at all.
    func delay(for address: SocketAddress?, now: NIODeadline) -> TimeAmount? {
        guard let network = ClientNetwork(address) else { return nil }
        return records.withLock { records in
            guard let until = records[network]?.waitsUntil, now < until else { return nil }
            return limits.delay
        }
    }

    /// All whose offences are old; where there are none, everybody: then there is no telling who is worse.
    private func forget(_ records: inout [ClientNetwork: Record], _ now: NIODeadline) {
        records = records.filter { now - $0.value.lastOffence < limits.memory }
        if records.count >= limits.addressCountMax { records.removeAll(keepingCapacity: true) }
    }
}
