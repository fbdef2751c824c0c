/// A set of Unicode scalars, as ranges that ascend and do not touch.
struct ScalarSet: Hashable, Sendable {
    private(set) var ranges: [ClosedRange<UInt32>] = []

    /// All that UTF-8 can write: no surrogates.
    static let all = ScalarSet([0...0xD7FF, 0xE000...0x10FFFF])
    static let ascii = ScalarSet([0...0x7F])

    init() {}

    /// - Parameter ranges: in any order; may overlap. Surrogates are left out.
    init(_ ranges: [ClosedRange<UInt32>]) {
        for range in ranges.sorted(by: { $0.lowerBound < $1.lowerBound }) {
            if let last = self.ranges.last, UInt64(range.lowerBound) <= UInt64(last.upperBound) + 1 {
                self.ranges[self.ranges.count - 1] =
                    last.lowerBound...max(last.upperBound, range.upperBound)
            } else {
                self.ranges.append(range)
            }
        }
        self.ranges = Self.intersection(self.ranges, [0...0xD7FF, 0xE000...0x10FFFF])
    }

    init(_ scalar: Unicode.Scalar) { ranges = [scalar.value...scalar.value] }
    init(_ characters: String) { self.init(characters.unicodeScalars.map { $0.value...$0.value }) }

    var isEmpty: Bool { ranges.isEmpty }
    func contains(_ scalar: UInt32) -> Bool { ranges.contains { $0.contains(scalar) } }
    func union(_ other: ScalarSet) -> ScalarSet { ScalarSet(ranges + other.ranges) }
    func subtracting(_ other: ScalarSet) -> ScalarSet { intersection(other.complement) }

    func intersection(_ other: ScalarSet) -> ScalarSet {
        var result = ScalarSet()
        result.ranges = Self.intersection(ranges, other.ranges)
        return result
    }

    var complement: ScalarSet {
        var gaps: [ClosedRange<UInt32>] = []
        var next: UInt32 = 0
        for range in ranges {
            if range.lowerBound > next { gaps.append(next...range.lowerBound - 1) }
            next = range.upperBound + 1
        }
        if next <= 0x10FFFF { gaps.append(next...0x10FFFF) }
        return ScalarSet(gaps)
    }

    private static func intersection(
        _ a: [ClosedRange<UInt32>], _ b: [ClosedRange<UInt32>]
    ) -> [ClosedRange<UInt32>] {
        var result: [ClosedRange<UInt32>] = []
        var (i, j) = (0, 0)
        while i < a.count && j < b.count {
            let (low, high) = (max(a[i].lowerBound, b[j].lowerBound), min(a[i].upperBound, b[j].upperBound))
            if low <= high { result.append(low...high) }
            if a[i].upperBound < b[j].upperBound { i += 1 } else { j += 1 }
        }
        return result
    }
}

extension ScalarSet {
    /// The set's members in UTF-8: one byte, or a lead byte and what may follow it.
    var pattern: Pattern {
        var single = ByteSet()
        var choices: [Pattern] = []
        for range in ranges {
            for part in Self.sameLength(range) {
                if part.upperBound < 0x80 {
                    for byte in part { single.insert(UInt8(truncatingIfNeeded: byte)) }
                } else {
                    Self.split(part, into: &choices)
                }
            }
        }
        if !single.isEmpty { choices.insert(.bytes(single), at: 0) }
        return .choice(of: choices)
    }

    private static func sameLength(_ range: ClosedRange<UInt32>) -> [ClosedRange<UInt32>] {
        [0...0x7F, 0x80...0x7FF, 0x800...0xFFFF, 0x10000...0x10FFFF]
            .compactMap { intersection([range], [$0]).first }
    }

    /// Cuts a range of scalars of one length until each part is a product of byte ranges.
    private static func split(_ range: ClosedRange<UInt32>, into choices: inout [Pattern]) {
        let (first, last) = (bytes(range.lowerBound), bytes(range.upperBound))
        // The lowest bits in which a cut is needed: all below run from 0 to 3F.
        for shift in stride(from: UInt32(6), through: UInt32(6 * (first.count - 1)), by: 6) {
            let mask = UInt32(1) << shift - 1
            guard range.lowerBound & ~mask != range.upperBound & ~mask else { continue }
            if range.lowerBound & mask != 0 {
                split(range.lowerBound...(range.lowerBound | mask), into: &choices)
                split((range.lowerBound | mask) + 1...range.upperBound, into: &choices)
                return
            }
            if range.upperBound & mask != mask {
                split(range.lowerBound...(range.upperBound & ~mask) - 1, into: &choices)
                split((range.upperBound & ~mask)...range.upperBound, into: &choices)
                return
            }
        }
        choices.append(.sequence(zip(first, last).map { .bytes(ByteSet($0...$1)) }))
    }

    private static func bytes(_ scalar: UInt32) -> [UInt8] {
        Unicode.Scalar(scalar).map { Array(String($0).utf8) } ?? []
    }
}
