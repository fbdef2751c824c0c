import Inference

/// Open requests by name.
///
/// Shape: the records lie close together, and a small table says where; a record by itself is too large to hash over.
struct RequestTable: Sendable {
    private var records = SlotMap<RequestRecord>()
    private var places: [RequestID: UInt64] = [:]

    var count: Int { places.count }
    /// In no order.
    var all: some Sequence<RequestRecord> { records.elements }

    /// nil where there is none of that name. To change one; `insert` and `remove` bring and take.
    subscript(id: RequestID) -> RequestRecord? {
        @inline(__always) _read { yield records[places[id] ?? 0] }
        @inline(__always) _modify { yield &records[places[id] ?? 0] }
    }

    mutating func insert(_ record: RequestRecord) {
        places[record.spec.id] = records.insert(record)
    }

    mutating func remove(_ id: RequestID) {
        guard let place = places.removeValue(forKey: id) else { return }
        records[place] = nil
    }
}
