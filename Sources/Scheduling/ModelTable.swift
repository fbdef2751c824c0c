/// A model's place in ``ModelTable``.
typealias ModelID = UInt64

/// Models that a worker has been welcomed for. Names are looked up once for each request and worker; all else goes by
/// place. A model is kept when its last worker goes: requests may wait for the next.
struct ModelTable: Sendable {
    private var queues = SlotMap<ModelQueue>()
    private var ids: [String: ModelID] = [:]

    /// Sorted.
    var names: [String] { ids.keys.sorted() }
    /// In order of name.
    var inOrder: [ModelID] { names.compactMap { ids[$0] } }
    /// In no order.
    var all: some Sequence<ModelQueue> { queues.elements }

    func id(_ name: String) -> ModelID? { ids[name] }

    mutating func seen(_ name: String) -> ModelID {
        if let id = ids[name] { return id }
        let id = queues.insert(ModelQueue(name: name))
        ids[name] = id
        return id
    }

    subscript(id: ModelID) -> ModelQueue? {
        @inline(__always) get { queues[id] }
        @inline(__always) _modify { yield &queues[id] }
    }

    /// Looks at a queue where it lies: what the subscript gives is a copy wherever the compiler cannot tell that a part would
    /// do, and counts references to all that it holds.
    @inline(__always)
    @discardableResult mutating func with<Result>(_ id: ModelID, _ body: (inout ModelQueue) -> Result) -> Result? {
        queues.with(id, body)
    }

    /// Whether another model than one has workers.
    func hasWorkers(besides id: ModelID) -> Bool {
        ids.values.contains { $0 != id && (queues[$0]?.slotCount ?? 0) > 0 }
    }

    subscript(name: String) -> ModelQueue? { ids[name].flatMap { queues[$0] } }
}
