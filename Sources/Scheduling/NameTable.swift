import Inference

/// A name that this process itself gave.
protocol TableName: Hashable, Sendable {
    /// Of names that follow each other, numbers that do.
    var word: UInt64 { get }
}

extension RequestID: TableName { var word: UInt64 { rawValue } }
extension WorkerID: TableName { var word: UInt64 { rawValue } }
extension UInt64: TableName { var word: UInt64 { self } }
extension ChoiceID: TableName {
    var word: UInt64 { request.rawValue &+ UInt64(truncatingIfNeeded: index) &* 0xD1B5_4A32_D192_ED03 }
}

/// Values by names that no client chooses: see ``IdentifierHash``. The scheduler looks up some dozens of them for each
/// request, and the standard library's table takes several times as long for each.
///
/// Shape: open addressing with linear probing; who leaves is followed by those that would not be found any more.
struct NameTable<Name: TableName, Value: Sendable>: Sendable {
    private struct Entry: Sendable {
        var name: Name
        var value: Value
    }

    /// None, or a power of two of which three quarters are used at most.
    private var slots: [Entry?] = []
    private(set) var count = 0

    /// In no order.
    var names: [Name] { slots.compactMap { $0?.name } }

    /// nil where there is none of that name.
    subscript(name: Name) -> Value? {
        @inline(__always) get { place(of: name).flatMap { slots[$0]?.value } }
    }

    func contains(_ name: Name) -> Bool { place(of: name) != nil }

    /// Puts a value in, in place of one that has the name already.
    mutating func set(_ name: Name, _ value: Value) {
        if let place = place(of: name) {
            slots[place]?.value = value
            return
        }
        if (count + 1) * 4 > slots.count * 3 { grow() }
        insert(Entry(name: name, value: value))
        count += 1
    }

    /// - Returns: what was there.
    @discardableResult
    mutating func remove(_ name: Name) -> Value? {
        guard var hole = place(of: name) else { return nil }
        let value = slots[hole]?.value
        count -= 1
        var next = after(hole)
        while let other = slots[next]?.name {
            // It may fill the hole unless its home lies behind the hole, on the way to where it is.
            let home = home(of: other)
            if (next &- home) & (slots.count - 1) >= (next &- hole) & (slots.count - 1) {
                slots[hole] = slots[next]
                hole = next
            }
            next = after(next)
        }
        slots[hole] = nil
        return value
    }

    private mutating func grow() {
        let old = slots
        slots = Array(repeating: nil, count: max(8, old.count * 2))
        for case let entry? in old { insert(entry) }
    }

    private mutating func insert(_ entry: Entry) {
        var place = home(of: entry.name)
        while slots[place] != nil { place = after(place) }
        slots[place] = entry
    }

    @inline(__always) private func place(of name: Name) -> Int? {
        guard count > 0 else { return nil }
        var place = home(of: name)
        while let found = slots[place]?.name {
            if found == name { return place }
            place = after(place)
        }
        return nil
    }

    @inline(__always) private func after(_ place: Int) -> Int { (place + 1) & (slots.count - 1) }

    @inline(__always) private func home(of name: Name) -> Int {
        IdentifierHash.value(name.word, seed: 0) & (slots.count - 1)
    }
}
