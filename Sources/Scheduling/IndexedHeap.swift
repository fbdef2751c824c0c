/// A priority queue whose elements can be found, moved and taken out by name.
///
/// Shape: a binary heap in an array, and each element's place in it.
/// Cost: O(log n) for a change; O(1) for the first; O(k²) for the first k, k being small.
struct IndexedHeap<ID: Hashable & Sendable, Key: Comparable & Sendable>: Sendable {
    private var entries: [(id: ID, key: Key)] = []
    private var places: [ID: Int] = [:]

    var count: Int { entries.count }
    var isEmpty: Bool { entries.isEmpty }
    var first: (id: ID, key: Key)? { entries.first }
    /// In no order.
    var ids: some Sequence<ID> { places.keys }

    func contains(_ id: ID) -> Bool { places[id] != nil }
    func key(of id: ID) -> Key? { places[id].map { entries[$0].key } }

    /// Puts an element in, or changes its key.
    mutating func set(_ id: ID, _ key: Key) {
        guard let place = places[id] else {
            entries.append((id, key))
            places[id] = entries.count - 1
            rise(from: entries.count - 1)
            return
        }
        guard entries[place].key != key else { return }
        entries[place].key = key
        sink(from: rise(from: place))
    }

    /// - Returns: false when it was not there.
    @discardableResult
    mutating func remove(_ id: ID) -> Bool {
        guard let place = places.removeValue(forKey: id) else { return false }
        let last = entries.removeLast()
        guard place < entries.count else { return true }
        entries[place] = last
        places[last.id] = place
        sink(from: rise(from: place))
        return true
    }

    /// The first `limit` elements in order.
    func smallest(_ limit: Int) -> [ID] {
        guard limit > 0, !entries.isEmpty else { return [] }
        var (found, frontier): ([ID], [Int]) = ([], [0])
        found.reserveCapacity(min(limit, entries.count))
        while found.count < limit, var best = frontier.indices.first {
            for other in frontier.indices where entries[frontier[other]].key < entries[frontier[best]].key {
                best = other
            }
            let place = frontier.remove(at: best)
            found.append(entries[place].id)
            for child in [2 * place + 1, 2 * place + 2] where child < entries.count { frontier.append(child) }
        }
        return found
    }

    /// Whether fewer than `limit` elements go before this one, which is in.
    func isAmongFirst(_ id: ID, _ limit: Int) -> Bool {
        entries.count <= limit || smallest(limit).contains(id)
    }

    @discardableResult
    private mutating func rise(from start: Int) -> Int {
        var place = start
        while place > 0 {
            let parent = (place - 1) / 2
            guard entries[place].key < entries[parent].key else { break }
            swap(place, parent)
            place = parent
        }
        return place
    }

    private mutating func sink(from start: Int) {
        var place = start
        while true {
            var least = place
            for child in [2 * place + 1, 2 * place + 2]
            where child < entries.count && entries[child].key < entries[least].key {
                least = child
            }
            guard least != place else { return }
            swap(place, least)
            place = least
        }
    }

    private mutating func swap(_ a: Int, _ b: Int) {
        entries.swapAt(a, b)
        places[entries[a].id] = a
        places[entries[b].id] = b
    }
}
