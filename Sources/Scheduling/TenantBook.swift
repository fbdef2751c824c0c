import Inference

/// A tenant's place in ``TenantBook``.
typealias TenantID = UInt64

/// Who shares the cluster, and what each holds of the queue.
///
/// Names come from outside: those with nothing open are forgotten after a while, and earlier where there are many.
struct TenantBook: Sendable {
    struct Tenant: Sendable {
        let name: String
        /// Share of the tokens beside others'.
        let weight: Double
        var waiting = QueueLoad()
        var openCount = 0
    }

    private var tenants = SlotMap<Tenant>()
    private var names: [String: TenantID] = [:]
    /// Tenants with nothing open, by when they were last seen.
    private var idle = IndexedHeap<TenantID, Instant>()
    private(set) var waitingTenantCount = 0

    var count: Int { names.count }

    subscript(id: TenantID) -> Tenant? { tenants[id] }

    /// Finds or remembers a tenant who asks for something.
    mutating func seen(_ name: String, weight: Double, now: Instant) -> TenantID {
        let id = names[name] ?? tenants.insert(Tenant(name: name, weight: weight))
        names[name] = id
        if tenants[id]?.openCount == 0 { idle.set(id, now) }
        return id
    }

    mutating func opened(_ id: TenantID) {
        tenants[id]?.openCount += 1
        idle.remove(id)
    }

    mutating func closed(_ id: TenantID, now: Instant) {
        tenants[id]?.openCount -= 1
        if tenants[id]?.openCount == 0 { idle.set(id, now) }
    }

    mutating func waits(_ id: TenantID, _ load: QueueLoad) {
        if load.requests > 0, tenants[id]?.waiting.requests == 0 { waitingTenantCount += 1 }
        tenants[id]?.waiting += load
    }

    mutating func waitsNoLonger(_ id: TenantID, _ load: QueueLoad) {
        tenants[id]?.waiting -= load
        if load.requests > 0, tenants[id]?.waiting.requests == 0 { waitingTenantCount -= 1 }
    }

    /// Takes out who was last seen before `instant`, and the longest gone beyond `max`, but not `new`, who asks now.
    /// - Returns: those taken out.
    mutating func forgetIdle(before instant: Instant, max: Int, except new: TenantID) -> [TenantID] {
        var gone: [TenantID] = []
        while let (id, since) = idle.first, id != new, since < instant || count > max {
            idle.remove(id)
            if let name = tenants.remove(id)?.name { names[name] = nil }
            gone.append(id)
        }
        return gone
    }

    /// - Returns: what cannot be, in words.
    /// - Parameters:
    ///   - open: by tenant, its open requests.   - waiting: by tenant, what it has in the queue.
    func violation(open: [TenantID: Int], waiting: [TenantID: QueueLoad]) -> String? {
        for (name, id) in names {
            guard let tenant = tenants[id] else { return "tenant \(name) is nobody" }
            if tenant.openCount != open[id] ?? 0 { return "tenant \(name) counts other open requests" }
            if tenant.waiting != waiting[id] ?? QueueLoad() {
                return "tenant \(name) counts another share of the queue"
            }
            if idle.contains(id) != (tenant.openCount == 0) { return "tenant \(name) is idle otherwise" }
        }
        if open.keys.contains(where: { tenants[$0] == nil }) { return "a tenant was forgotten with requests open" }
        let count = waiting.values.count { $0.requests > 0 }
        return count == waitingTenantCount ? nil : "\(count) tenants wait, \(waitingTenantCount) are counted"
    }
}
