import Inference

/// Finds a token by its bytes without making strings: an open-addressed hash table over one flat array.
struct VocabularyIndex: Sendable {
    private var bytes: [UInt8] = []
    /// Token t is bytes[starts[t]..<starts[t + 1]].
    private var starts: [Int] = [0]
    private var ids: [TokenID] = []
    /// Index into `ids` plus one; 0 is empty. A power of two, at least twice as long as `ids`.
    private var table: [Int32] = []

    /// Of equal entries the first wins.
    init(_ entries: [(bytes: [UInt8], id: TokenID)]) {
        var size = 16
        while size < entries.count * 2 { size *= 2 }
        table = Array(repeating: 0, count: size)
        ids.reserveCapacity(entries.count)
        for entry in entries where !entry.bytes.isEmpty && find(entry.bytes[...]) == nil {
            bytes += entry.bytes
            starts.append(bytes.count)
            ids.append(entry.id)
            var slot = Self.hash(entry.bytes.span) & (size - 1)
            while table[slot] != 0 { slot = (slot + 1) & (size - 1) }
            table[slot] = Int32(truncatingIfNeeded: ids.count)
        }
    }

    func find(_ key: ArraySlice<UInt8>) -> TokenID? { find(key.span, hash: Self.hash(key.span)) }

    /// - Parameter hash: of `key`.
    func find(_ key: Span<UInt8>, hash: Int) -> TokenID? {
        var slot = hash & (table.count - 1)
        while table[slot] != 0 {
            let index = Int(table[slot]) - 1
            if isEqual(key, index) { return ids[index] }
            slot = (slot + 1) & (table.count - 1)
        }
        return nil
    }

    private func isEqual(_ key: Span<UInt8>, _ index: Int) -> Bool {
        let start = starts[index]
        guard starts[index + 1] - start == key.count else { return false }
        let bytes = bytes.span
        for place in key.indices where bytes[start + place] != key[place] { return false }
        return true
    }

    /// The vocabulary is the operator's, so nobody chooses colliding keys.
    static func hash(_ key: Span<UInt8>) -> Int { Int(truncatingIfNeeded: key.mixedHash >> 33) }
}
