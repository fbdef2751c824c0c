import Inference

/// Which pairs of tokens merge: a hash table in one array, since encoding does little else than ask it.
struct MergeTable: Sendable {
    typealias Merge = PairMerging.Merge

    private struct Slot {
        var key: UInt64
        /// `none` marks a slot as empty.
        var merge: Merge
    }

    private var slots: [Slot]
    private let shift: Int

    /// - Parameter count: how many pairs will be inserted at most.
    init(count: Int) {
        var bits = 4
        while 1 << bits < count * 2 { bits += 1 }
        slots = Array(repeating: Slot(key: 0, merge: .none), count: 1 << bits)
        shift = 64 - bits
    }

    /// Keeps what is there for the same pair.
    mutating func insert(_ left: TokenID, _ right: TokenID, _ merge: Merge) {
        let index = index(of: Self.key(left, right))
        guard slots[index].merge.token < 0 else { return }
        slots[index] = Slot(key: Self.key(left, right), merge: merge)
    }

    func find(_ left: TokenID, _ right: TokenID) -> Merge? {
        let merge = look(left, right)
        return merge.token < 0 ? nil : merge
    }

    /// The same; `none` for nothing.
    func look(_ left: TokenID, _ right: TokenID) -> Merge { slots[index(of: Self.key(left, right))].merge }

    /// Where the key is, or where it would be put. There are always empty slots.
    private func index(of key: UInt64) -> Int {
        // Fibonacci hashing. The vocabulary is the operator's, so nobody chooses colliding keys.
        var index = Int(truncatingIfNeeded: (key &* 0x9E37_79B9_7F4A_7C15) >> UInt64(shift))
        while slots[index].merge.token >= 0, slots[index].key != key { index = (index + 1) & (slots.count - 1) }
        return index
    }

    private static func key(_ left: TokenID, _ right: TokenID) -> UInt64 {
        UInt64(UInt32(bitPattern: left)) << 32 | UInt64(UInt32(bitPattern: right))
    }
}
