/// A position in a model's vocabulary. Never negative in valid data; whoever takes one from outside checks it.
package typealias TokenID = Int32

/// One stream of tokens in a worker, named by the router that admitted it. Unique within a router's life.
package struct SequenceID: Hashable, Comparable, Sendable, CustomStringConvertible {
    package let rawValue: UInt64
    package init(_ rawValue: UInt64) { self.rawValue = rawValue }
    package static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
    package func _rawHashValue(seed: Int) -> Int { IdentifierHash.value(rawValue, seed: seed) }
    package var description: String { "s\(rawValue)" }
}

/// One worker as a router sees it. A worker that reconnects after a restart gets a new one.
package struct WorkerID: Hashable, Comparable, Sendable, CustomStringConvertible {
    package let rawValue: UInt64
    package init(_ rawValue: UInt64) { self.rawValue = rawValue }
    package static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
    package func _rawHashValue(seed: Int) -> Int { IdentifierHash.value(rawValue, seed: seed) }
    package var description: String { "w\(rawValue)" }
}

/// One request of one client, named by the router. What clients see as `chatcmpl-…`.
package struct RequestID: Hashable, Comparable, Sendable, CustomStringConvertible {
    package let rawValue: UInt64
    package init(_ rawValue: UInt64) { self.rawValue = rawValue }
    package static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
    package func _rawHashValue(seed: Int) -> Int { IdentifierHash.value(rawValue, seed: seed) }
    package var description: String { "r\(rawValue)" }
}

/// Spreads names that this process itself gave, one after the other, over a hash table: no client chooses them, so they
/// need none of SipHash's care, which costs more than all else that is done to find an entry.
///
/// What the standard library's tables call is `_rawHashValue`; `hash(into:)` still holds for everything else.
package enum IdentifierHash {
    /// Multiplying by an odd number keeps the low bits of successive names apart: they never collide among themselves.
    @inline(__always) package static func value(_ name: UInt64, seed: Int) -> Int {
        Int(truncatingIfNeeded: (name ^ UInt64(truncatingIfNeeded: seed)) &* 0x9E37_79B9_7F4A_7C15)
    }
}

/// A point in time on a monotonic clock, in nanoseconds. Pure rooms get it as an argument.
package struct Instant: Hashable, Comparable, Sendable {
    package var nanoseconds: Int64
    package init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }
    package static func < (a: Self, b: Self) -> Bool { a.nanoseconds < b.nanoseconds }
    /// Saturates instead of trapping.
    package func advanced(bySeconds seconds: Double) -> Instant {
        let step = Int64(exactly: (seconds * 1e9).rounded()) ?? (seconds < 0 ? .min / 2 : .max / 2)
        let (sum, overflow) = nanoseconds.addingReportingOverflow(step)
        return Instant(nanoseconds: overflow ? (step < 0 ? .min : .max) : sum)
    }
    package func seconds(since other: Instant) -> Double { Double(nanoseconds &- other.nanoseconds) / 1e9 }
}
