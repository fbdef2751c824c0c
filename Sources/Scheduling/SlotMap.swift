/// An array whose places are used again and whose names are not: a name is a place, and how many had it before.
/// So a name that has gone finds nothing, however late it comes back.
///
/// Shape: name = generation << 32 | place. Generations begin at 1, so 0 is no name.
/// Cost: one array access for everything; no hashing.
struct SlotMap<Element: Sendable>: Sendable {
    private struct Slot: Sendable {
        var generation: UInt32
        var element: Element?
    }

    private var slots: [Slot] = []
    private var free: [Int] = []
    private(set) var count = 0

    /// - Returns: its name.
    mutating func insert(_ element: Element) -> UInt64 {
        count += 1
        guard let place = free.popLast() else {
            slots.append(Slot(generation: 1, element: element))
            return Self.name(slots.count - 1, 1)
        }
        slots[place].element = element
        return Self.name(place, slots[place].generation)
    }

    /// nil where there is none of that name. Setting nil takes it out; nothing can be put in by a name.
    subscript(name: UInt64) -> Element? {
        // Not `_read`: what a caller takes from a yielded record, the compiler copies with all the rest of it.
        @inline(__always) get { place(of: name).flatMap { slots[$0].element } }
        @inline(__always) _modify {
            guard let place = place(of: name), slots[place].element != nil else {
                var none: Element?
                yield &none
                return
            }
            yield &slots[place].element
            if slots[place].element == nil { vacate(place) }
        }
    }

    /// Looks at an element where it lies. - Returns: nil where there is none of that name.
    @inline(__always)
    @discardableResult mutating func with<Result>(_ name: UInt64, _ body: (inout Element) -> Result) -> Result? {
        guard let place = place(of: name) else { return nil }
        return slots[place].element.inPlace(body)
    }

    /// - Returns: what was there.
    mutating func remove(_ name: UInt64) -> Element? {
        guard let place = place(of: name), let element = slots[place].element.take() else { return nil }
        vacate(place)
        return element
    }

    private mutating func vacate(_ place: Int) {
        count -= 1
        // A place that has been used four billion times is given up.
        guard slots[place].generation < .max else { return }
        slots[place].generation += 1
        free.append(place)
    }

    /// In order of place.
    var elements: some Sequence<Element> { slots.lazy.compactMap(\.element) }

    @inline(__always) private func place(of name: UInt64) -> Int? {
        let place = Int(truncatingIfNeeded: name & 0xFFFF_FFFF)
        guard place < slots.count, UInt64(slots[place].generation) == name >> 32 else { return nil }
        return place
    }

    private static func name(_ place: Int, _ generation: UInt32) -> UInt64 {
        UInt64(generation) << 32 | UInt64(UInt32(truncatingIfNeeded: place))
    }
}

extension Optional {
    /// Looks at what is there where it lies.
    @inline(__always)
    mutating func inPlace<Result>(_ body: (inout Wrapped) -> Result) -> Result? {
        guard self != nil else { return nil }
        // Bound to a name it would be copied.
        // swift-format-ignore: NeverForceUnwrap
        return body(&self!)
    }
}
