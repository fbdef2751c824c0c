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
            var slot = Self.hash(entry.bytes[...]) & (size - 1)
            while table[slot] != 0 { slot = (slot + 1) & (size - 1) }
            table[slot] = Int32(truncatingIfNeeded: ids.count)
        }
    }

    func find(_ key: ArraySlice<UInt8>) -> TokenID? {
        var slot = Self.hash(key) & (table.count - 1)
        while table[slot] != 0 {
            let index = Int(table[slot]) - 1
            if starts[index + 1] - starts[index] == key.count,
                bytes[starts[index]..<starts[index + 1]].elementsEqual(key)
            {
                return ids[index]
            }
            slot = (slot + 1) & (table.count - 1)
        }
        return nil
    }

    /// FNV-1a: the vocabulary is the operator's, so nobody chooses colliding keys.
    private static func hash(_ key: ArraySlice<UInt8>) -> Int {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in key { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
        return Int(truncatingIfNeeded: (hash ^ hash >> 32) & 0x7FFF_FFFF)
    }
}
