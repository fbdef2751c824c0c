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
    private let records = Mutex<[Network: Record]>([:])

    init(_ limits: HTTPOffenderLimits) {
        self.limits = limits
    }

    /// A connection of this address was thrown out.
    func offended(_ address: SocketAddress?, now: NIODeadline) {
        guard let network = Network(address) else { return }
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
        guard let network = Network(address) else { return nil }
        return records.withLock { records in
            guard let until = records[network]?.waitsUntil, now < until else { return nil }
            return limits.delay
        }
    }

    /// All whose offences are old; where there are none, everybody: then there is no telling who is worse.
    private func forget(_ records: inout [Network: Record], _ now: NIODeadline) {
        records = records.filter { now - $0.value.lastOffence < limits.memory }
        if records.count >= limits.addressCountMax { records.removeAll(keepingCapacity: true) }
    }

    /// An IPv4 address, or the 64 bits of an IPv6 address that a site has all addresses below.
    private struct Network: Hashable {
        var isWide: Bool
        var bits: UInt64

        init?(_ address: SocketAddress?) {
            switch address {
            case .v4: isWide = false
            case .v6: isWide = true
            case .unixDomainSocket, nil: return nil
            }
            let wide = isWide
            // SAFETY: sockaddr_in has its address at 4, sockaddr_in6 at 8; both structures are longer than what is read.
            bits =
                address?.withSockAddr { pointer, _ in
                    let bytes = UnsafeRawPointer(pointer)
                    return wide
                        ? bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self)
                        : UInt64(bytes.loadUnaligned(fromByteOffset: 4, as: UInt32.self))
                } ?? 0
        }
    }
}
