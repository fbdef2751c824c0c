/// A priority queue whose elements can be found, moved and taken out by name.
///
/// Shape: a binary heap in an array; each element has a seat for as long as it is in, and seats know where in the heap
/// their element is. So a change hashes once, however far it moves.
/// Cost: O(log n) for a change; O(1) for the first; O(k²) for the first k, k being small.
struct IndexedHeap<ID: TableName, Key: Comparable & Sendable>: Sendable {
    private struct Entry: Sendable {
        var key: Key
        var seat: Int
    }

    private struct Seat: Sendable {
        var id: ID
        /// In `entries`.
        var place: Int
    }

    private var entries: [Entry] = []
    private var seats: [Seat] = []
    private var freeSeats: [Int] = []
    private var seatOf = NameTable<ID, Int>()

    var count: Int { entries.count }
    var isEmpty: Bool { entries.isEmpty }
    /// Elements that it has room for.
    var capacity: Int { entries.capacity }
    var first: (id: ID, key: Key)? { entries.first.map { (seats[$0.seat].id, $0.key) } }
    /// In no order.
    var ids: some Sequence<ID> { seatOf.names }

    func contains(_ id: ID) -> Bool { seatOf.contains(id) }
    func key(of id: ID) -> Key? { seatOf[id].map { entries[seats[$0].place].key } }

    /// Puts an element in, or changes its key.
    /// - Returns: true when it was not there.
    @discardableResult
    mutating func set(_ id: ID, _ key: Key) -> Bool {
        guard let seat = seatOf[id] else {
            let seat = takeSeat(id)
            seatOf.set(id, seat)
            entries.append(Entry(key: key, seat: seat))
            rise(from: entries.count - 1)
            return true
        }
        let place = seats[seat].place
        guard entries[place].key != key else { return false }
        entries[place].key = key
        sink(from: rise(from: place))
        return false
    }

    /// - Returns: false when it was not there.
    @discardableResult
    mutating func remove(_ id: ID) -> Bool {
        guard let seat = seatOf.remove(id) else { return false }
        freeSeats.append(seat)
        let place = seats[seat].place
        let last = entries.removeLast()
        guard place < entries.count else { return true }
        entries[place] = last
        seats[last.seat].place = place
        sink(from: rise(from: place))
        return true
    }

    /// The first `limit` elements in order.
    func smallest(_ limit: Int) -> [ID] {
        guard limit > 0, let first else { return [] }
        if limit == 1 || entries.count == 1 { return [first.id] }
        var (found, frontier): ([ID], [Int]) = ([], [0])
        found.reserveCapacity(min(limit, entries.count))
        while found.count < limit, var best = frontier.indices.first {
            for other in frontier.indices where entries[frontier[other]].key < entries[frontier[best]].key {
                best = other
            }
            let place = frontier.remove(at: best)
            found.append(seats[entries[place].seat].id)
            for child in [2 * place + 1, 2 * place + 2] where child < entries.count { frontier.append(child) }
        }
        return found
    }

    /// Whether fewer than `limit` elements go before this one, which is in.
    func isAmongFirst(_ id: ID, _ limit: Int) -> Bool {
        entries.count <= limit || smallest(limit).contains(id)
    }

    private mutating func takeSeat(_ id: ID) -> Int {
        guard let seat = freeSeats.popLast() else {
            seats.append(Seat(id: id, place: entries.count))
            return seats.count - 1
        }
        seats[seat] = Seat(id: id, place: entries.count)
        return seat
    }

    /// - Returns: where the element ends.
    @discardableResult
    private mutating func rise(from start: Int) -> Int {
        let moving = entries[start]
        var place = start
        while place > 0 {
            let parent = (place - 1) / 2
            guard moving.key < entries[parent].key else { break }
            put(entries[parent], at: place)
            place = parent
        }
        if place != start { put(moving, at: place) }
        return place
    }

    private mutating func sink(from start: Int) {
        let moving = entries[start]
        var place = start
        while true {
            var child = 2 * place + 1
            guard child < entries.count else { break }
            if child + 1 < entries.count, entries[child + 1].key < entries[child].key { child += 1 }
            guard entries[child].key < moving.key else { break }
            put(entries[child], at: place)
            place = child
        }
        if place != start { put(moving, at: place) }
    }

    private mutating func put(_ entry: Entry, at place: Int) {
        entries[place] = entry
        seats[entry.seat].place = place
    }
}
