import HeapModule
package import Inference

/// What will happen, in order of virtual time; what happens at the same time, in the order in which it was decided.
package struct EventQueue<Event: Sendable>: Sendable {
    private struct Entry: Comparable, Sendable {
        var time: Instant
        var number: UInt64
        var event: Event

        static func == (a: Self, b: Self) -> Bool { a.number == b.number }
        static func < (a: Self, b: Self) -> Bool { (a.time, a.number) < (b.time, b.number) }
    }

    private var entries = Heap<Entry>()
    private var lastNumber: UInt64 = 0

    package init() {}

    package var count: Int { entries.count }

    package mutating func schedule(_ event: Event, at time: Instant) {
        lastNumber += 1
        entries.insert(Entry(time: time, number: lastNumber, event: event))
    }

    package mutating func next() -> (time: Instant, event: Event)? {
        entries.popMin().map { ($0.time, $0.event) }
    }
}
