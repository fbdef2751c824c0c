/// Metadata to write: keys in order, values as bytes.
package struct GGUFEntries: Equatable, Sendable {
    struct Entry: Equatable, Sendable {
        var key: String
        /// The value's type and the value, as they stand in a file.
        var encoded: [UInt8]
    }

    private(set) var entries: [Entry]
    /// Of tensors in the file: what `general.alignment` says.
    let alignment: Int

    /// All of a file's metadata, byte for byte.
    package init(copying metadata: GGUFMetadata) throws(GGUFError) {
        var entries: [Entry] = []
        for key in metadata.keys {
            if let encoded = try metadata.encodedValue(key) { entries.append(Entry(key: key, encoded: encoded)) }
        }
        self.entries = entries
        alignment = try metadata.uint(GGUFHeader.alignmentKey) ?? GGUFHeader.alignmentDefault
    }

    /// A uint32 under `key`, in the place of what was there. Not for the alignment.
    package mutating func set(_ key: String, to value: UInt32) {
        precondition(key != GGUFHeader.alignmentKey, "tensors are aligned already")
        var encoded: [UInt8] = []
        encoded.append(littleEndian: GGUFValueType.uint32.rawValue)
        encoded.append(littleEndian: value)
        if let index = entries.firstIndex(where: { $0.key == key }) {
            entries[index].encoded = encoded
        } else {
            entries.append(Entry(key: key, encoded: encoded))
        }
    }
}
