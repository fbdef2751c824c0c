/// Records by a name that others gave them.
///
/// Shape: the records lie close together, and a small table says where; a record by itself is too large to hash over.
struct RecordTable<ID: TableName, Record: Sendable>: Sendable {
    private var records = SlotMap<Record>()
    private var places = NameTable<ID, UInt64>()

    var count: Int { places.count }
    /// In no order, like `all`.
    var ids: some Collection<ID> { places.names }
    var all: some Sequence<Record> { records.elements }

    /// nil where there is none of that name. To change one; `insert` and `remove` bring and take.
    subscript(id: ID) -> Record? {
        @inline(__always) get { records[places[id] ?? 0] }
        @inline(__always) _modify { yield &records[places[id] ?? 0] }
    }

    /// Looks at a record where it lies: taking it out by the subscript counts references to all that it holds.
    @inline(__always)
    @discardableResult mutating func with<Result>(_ id: ID, _ body: (inout Record) -> Result) -> Result? {
        records.with(places[id] ?? 0, body)
    }

    func contains(_ id: ID) -> Bool { places.contains(id) }

    /// In place of one that has the name already.
    mutating func insert(_ id: ID, _ record: Record) {
        remove(id)
        places.set(id, records.insert(record))
    }

    mutating func remove(_ id: ID) {
        guard let place = places.remove(id) else { return }
        records[place] = nil
    }
}
