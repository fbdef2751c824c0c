import Inference

/// Waiting choices that any worker of a model may take, in the order in which they go: higher priority first; then
/// what has run before; then tenants by turns, each in order of arrival.
///
/// The turn is that of the tenant that was served least, in tokens by weight: the virtual token counter of Sheng et al.,
/// "Fairness in Serving Large Language Models", OSDI 2024. A tenant that comes back starts from where those who wait
/// are, so that nobody saves up credit by staying away; a debt stays until the tenant is forgotten.
/// Cost: O(log n) a change, and a look at the head of each priority in use.
struct FairLine: Sendable {
    /// One priority.
    private struct Level: Sendable {
        var priority: Int
        /// Tenants that wait here by what they were served. Services only grow, so keys may lag behind; the first's
        /// never does.
        var turns = IndexedHeap<TenantID, Double>()
        var queues: [TenantID: IndexedHeap<ChoiceID, UInt64>] = [:]
    }

    private struct Share: Sendable {
        var served: Double
        var waitingCount = 0
    }

    private var resumed = IndexedHeap<ChoiceID, LinePlace>()
    /// Highest priority first; none is empty.
    private var levels: [Level] = []
    private var shares = NameTable<TenantID, Share>()
    /// What the tenant whose turn came last had been served then.
    private var lastTurn = 0.0
    private(set) var count = 0
    /// Empty, with room: where choices go as soon as they have come, each would make a level and a queue anew.
    private var spareLevel: Level?
    private var spareQueue: IndexedHeap<ChoiceID, UInt64>?
    /// What has had room for more is not kept.
    private static let spareCapacityMax = 256

    var isEmpty: Bool { count == 0 }

    /// In no order.
    var ids: [ChoiceID] { Array(resumed.ids) + levels.flatMap { $0.queues.values.flatMap { Array($0.ids) } } }

    // MARK: - Order

    var first: (id: ChoiceID, key: LinePlace)? {
        guard let level = levels.first, let tenant = level.turns.first?.id, let head = level.queues[tenant]?.first
        else { return resumed.first }
        let fresh = LinePlace(priority: level.priority, hasRun: false, ticket: head.key)
        guard let back = resumed.first, back.key < fresh else { return (head.id, fresh) }
        return back
    }

    /// The first, and those who would be next if those before them were not there: of each tenant one, then of each
    /// another one.
    func heads(_ limit: Int) -> [ChoiceID] {
        var back = resumed.smallest(limit)[...]
        var found: [ChoiceID] = []
        for level in levels where found.count < limit {
            while let id = back.first, let key = resumed.key(of: id), key.priority >= level.priority {
                found.append(id)
                back.removeFirst()
            }
            found += Self.heads(of: level, limit - found.count)
        }
        return back.isEmpty ? found : Array((found + back).prefix(limit))
    }

    private static func heads(of level: Level, _ limit: Int) -> [ChoiceID] {
        guard limit > 0 else { return [] }
        let tenants = level.turns.smallest(limit)
        if tenants.count == 1, let only = tenants.first { return level.queues[only]?.smallest(limit) ?? [] }
        let rounds = (limit + tenants.count - 1) / max(1, tenants.count)
        let queues = tenants.map { level.queues[$0]?.smallest(rounds) ?? [] }
        var found: [ChoiceID] = []
        for round in 0..<limit where found.count < limit {
            let next = queues.compactMap { round < $0.count ? $0[round] : nil }
            guard !next.isEmpty else { break }
            found += next
        }
        return Array(found.prefix(limit))
    }

    /// Whether fewer than `limit` choices go before this one, which is in and has not run.
    func isAmongFirst(_ id: ChoiceID, priority: Int, of tenant: TenantID, _ limit: Int) -> Bool {
        if count <= limit { return true }
        guard let queue = levels.first(where: { $0.priority == priority })?.queues[tenant],
            queue.isAmongFirst(id, limit)
        else { return false }
        return heads(limit).contains(id)
    }

    // MARK: - Who comes and goes

    /// Puts in a choice that is not in.
    mutating func insert(_ id: ChoiceID, _ place: LinePlace, of tenant: TenantID) {
        count += 1
        guard !place.hasRun else {
            resumed.set(id, place)
            return
        }
        let number = levels.firstIndex { $0.priority <= place.priority } ?? levels.count
        if number == levels.count || levels[number].priority != place.priority {
            var level = spareLevel.take() ?? Level(priority: place.priority)
            level.priority = place.priority
            levels.insert(level, at: number)
        }
        var share = shares[tenant] ?? Share(served: 0)
        if share.waitingCount == 0 { share.served = max(share.served, levels[number].turns.first?.key ?? lastTurn) }
        share.waitingCount += 1
        shares.set(tenant, share)
        if levels[number].queues[tenant] == nil {
            levels[number].queues[tenant] = spareQueue.take() ?? IndexedHeap()
            levels[number].turns.set(tenant, share.served)
        }
        levels[number].queues[tenant]?.set(id, place.ticket)
    }

    /// What putting in the only choice and taking it out again leaves.
    mutating func passes(_ tenant: TenantID) {
        let served = shares[tenant]?.served ?? 0
        shares.set(tenant, Share(served: max(served, lastTurn)))
    }

    /// Takes out a choice that is in, at the place where it was put.
    mutating func remove(_ id: ChoiceID, _ place: LinePlace, of tenant: TenantID) {
        count -= 1
        guard !place.hasRun else {
            resumed.remove(id)
            return
        }
        guard let number = levels.firstIndex(where: { $0.priority == place.priority }) else { return }
        if var share = shares[tenant] {
            share.waitingCount -= 1
            shares.set(tenant, share)
        }
        levels[number].queues[tenant]?.remove(id)
        guard levels[number].queues[tenant]?.isEmpty == true else { return }
        keep(levels[number].queues.removeValue(forKey: tenant))
        levels[number].turns.remove(tenant)
        if levels[number].turns.isEmpty { keep(levels.remove(at: number)) } else { bringFirstUpToDate(number) }
    }

    private mutating func keep(_ queue: IndexedHeap<ChoiceID, UInt64>?) {
        if let queue, queue.capacity <= Self.spareCapacityMax { spareQueue = queue }
    }

    private mutating func keep(_ level: Level) {
        if level.turns.capacity <= Self.spareCapacityMax { spareLevel = level }
    }

    // MARK: - What tenants get

    /// Its turn has come.
    mutating func turn(of tenant: TenantID) {
        if let served = shares[tenant]?.served { lastTurn = max(lastTurn, served) }
    }

    /// - Parameter tokens: weighted, and divided by the tenant's own weight.
    mutating func charge(_ tenant: TenantID, _ tokens: Double) {
        var share = shares[tenant] ?? Share(served: lastTurn)
        share.served += tokens
        shares.set(tenant, share)
        for number in levels.indices where levels[number].turns.first?.id == tenant { bringFirstUpToDate(number) }
    }

    mutating func forget(_ tenant: TenantID) {
        if shares[tenant]?.waitingCount == 0 { shares.remove(tenant) }
    }

    private mutating func bringFirstUpToDate(_ number: Int) {
        while let (tenant, key) = levels[number].turns.first, let served = shares[tenant]?.served, served > key {
            levels[number].turns.set(tenant, served)
        }
    }

    /// - Returns: what cannot be, in words.
    func violation() -> String? {
        if ids.count != count { return "\(ids.count) choices wait, \(count) are counted" }
        var waiting: [TenantID: Int] = [:]
        for level in levels {
            if level.turns.isEmpty { return "priority \(level.priority) is empty and kept" }
            for tenant in level.turns.ids {
                guard let queue = level.queues[tenant], !queue.isEmpty, let served = shares[tenant]?.served,
                    let key = level.turns.key(of: tenant), key <= served
                else { return "tenant \(tenant) has a turn for nothing, or too late" }
                if level.turns.first?.id == tenant && key != served { return "the first turn is out of date" }
                waiting[tenant, default: 0] += queue.count
            }
            if level.queues.count != level.turns.count { return "priority \(level.priority) has a queue without turn" }
        }
        if shares.names.contains(where: { shares[$0]?.waitingCount != waiting[$0] ?? 0 }) {
            return "a tenant counts others as waiting"
        }
        return nil
    }
}
