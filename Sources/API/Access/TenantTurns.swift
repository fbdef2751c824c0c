import Synchronization

/// Work that waits, of which tenants take turns: each with its oldest. All of it is bounded elsewhere.
struct TenantTurns<Work> {
    /// By tenant; none is empty.
    private var waiting: [String: [Work]] = [:]
    /// Tenants with work, the next one first.
    private var turns: [String] = []

    mutating func add(_ work: Work, of tenant: String) {
        if waiting[tenant] == nil { turns.append(tenant) }
        waiting[tenant, default: []].append(work)
    }

    mutating func next() -> Work? {
        guard let tenant = turns.first, var own = waiting.removeValue(forKey: tenant) else { return nil }
        turns.removeFirst()
        let work = own.removeFirst()
        if !own.isEmpty {
            waiting[tenant] = own
            turns.append(tenant)
        }
        return work
    }
}

/// Has work done on other threads in tenants' turns, whatever the threads' own order is.
final class TurnTaker: Sendable {
    private let turns = Mutex(TenantTurns<@Sendable () -> Void>())
    private let offload: Offload

    init(_ offload: @escaping Offload) { self.offload = offload }

    func submit(of tenant: String, _ work: @escaping @Sendable () -> Void) {
        turns.withLock { $0.add(work, of: tenant) }
        // As many pieces are taken as are added: each time the one whose turn it is by then.
        offload { [self] in turns.withLock { $0.next() }?() }
    }
}
