/// A digest of all that happened: equal for equal runs, and hardly ever for others.
package struct EventHash: Equatable, Sendable, CustomStringConvertible {
    package private(set) var value: UInt64 = 0x6170_7573_7369_6D75

    package init() {}

    /// Source: the finalizer of SplitMix64, Steele, Lea and Flood, 2014.
    package mutating func add(_ number: UInt64) {
        var mixed = (value ^ number) &+ 0x9E37_79B9_7F4A_7C15
        mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
        value = mixed ^ mixed >> 31
    }

    package mutating func add(_ number: Int) { add(UInt64(bitPattern: Int64(number))) }

    package var description: String {
        let digits = String(value, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}
