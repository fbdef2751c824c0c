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

    package init() {
        (entries, alignment) = ([], GGUFHeader.alignmentDefault)
    }

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
        set(key, .uint32) { $0.append(littleEndian: value) }
    }

    /// A float32 where that holds the number, which all programs read; else a float64.
    package mutating func set(_ key: String, number: Double) {
        let rounded = Float(number)
        if Double(rounded) == number {
            set(key, .float32) { $0.append(littleEndian: rounded.bitPattern) }
        } else {
            set(key, .float64) { $0.append(littleEndian: number.bitPattern) }
        }
    }

    package mutating func set(_ key: String, to value: Bool) { set(key, .bool) { $0.append(value ? 1 : 0) } }

    package mutating func set(_ key: String, to value: String) { set(key, .string) { $0.append(text: value) } }

    package mutating func set(_ key: String, to values: [String]) {
        set(key, .string, values) { $0.append(text: $1) }
    }

    package mutating func set(_ key: String, to values: [Int32]) {
        set(key, .int32, values) { $0.append(littleEndian: $1) }
    }

    package mutating func set(_ key: String, to values: [Float]) {
        set(key, .float32, values) { $0.append(littleEndian: $1.bitPattern) }
    }

    private mutating func set<Value>(
        _ key: String, _ type: GGUFValueType, _ values: [Value], _ append: (inout [UInt8], Value) -> Void
    ) {
        set(key, .array) { encoded in
            encoded.append(littleEndian: type.rawValue)
            encoded.append(littleEndian: UInt64(values.count))
            for value in values { append(&encoded, value) }
        }
    }

    private mutating func set(_ key: String, _ type: GGUFValueType, _ append: (inout [UInt8]) -> Void) {
        var encoded: [UInt8] = []
        encoded.append(littleEndian: type.rawValue)
        append(&encoded)
        if let index = entries.firstIndex(where: { $0.key == key }) {
            entries[index].encoded = encoded
        } else {
            entries.append(Entry(key: key, encoded: encoded))
        }
    }
}
