/// The keys and values of a file's header. Values stay in the mapped file and are decoded when asked for.
///
/// Every getter returns nil for an absent key and throws when the value has another type or does not fit.
package struct GGUFMetadata: Sendable {
    struct Entry: Sendable {
        /// Of the value, or of the elements when it is an array.
        var type: GGUFValueType
        /// Elements of an array, nil for a single value.
        var count: Int?
        /// Where the value, or the first element, begins.
        var offset: Int
    }

    private let mapping: FileMapping
    private let path: String
    private let entries: [String: Entry]
    /// In the order of the file.
    package let keys: [String]

    init(mapping: FileMapping, path: String, keys: [String], entries: [String: Entry]) {
        self.mapping = mapping
        self.path = path
        self.keys = keys
        self.entries = entries
    }

    package func string(_ key: String) throws(GGUFError) -> String? {
        try locating { () throws(GGUFFault) in
            guard let entry = entries[key] else { return nil }
            guard entry.type == .string, entry.count == nil else { throw wrongType(key, entry, "a string") }
            var cursor = GGUFCursor(mapping.bytes, offset: entry.offset)
            return try GGUFCursor.text(mapping.bytes, cursor.stringRange(key), "the value of \(key)")
        }
    }

    /// Any integer type.
    package func int(_ key: String) throws(GGUFError) -> Int? {
        try locating { () throws(GGUFFault) in
            guard let entry = entries[key] else { return nil }
            guard entry.count == nil, let value = integer(entry, at: entry.offset) else {
                throw wrongType(key, entry, "an integer")
            }
            return try value.get(key)
        }
    }

    /// Any integer type, never negative.
    package func uint(_ key: String) throws(GGUFError) -> Int? {
        guard let value = try int(key) else { return nil }
        guard value >= 0 else {
            throw GGUFError(
                path: path, fault: .valueOutOfRange(key: key, value: "\(value)", expected: "a number from 0 on"))
        }
        return value
    }

    /// Either floating-point type; finite.
    package func float(_ key: String) throws(GGUFError) -> Double? {
        try locating { () throws(GGUFFault) in
            guard let entry = entries[key] else { return nil }
            guard entry.count == nil, let value = float(entry, at: entry.offset) else {
                throw wrongType(key, entry, "a floating-point number")
            }
            guard value.isFinite else {
                throw .valueOutOfRange(key: key, value: "\(value)", expected: "a finite number")
            }
            return value
        }
    }

    package func bool(_ key: String) throws(GGUFError) -> Bool? {
        try locating { () throws(GGUFFault) in
            guard let entry = entries[key] else { return nil }
            guard entry.type == .bool, entry.count == nil else { throw wrongType(key, entry, "a truth value") }
            return mapping.bytes[entry.offset] == 1
        }
    }

    package func strings(_ key: String) throws(GGUFError) -> [String]? {
        try locating { () throws(GGUFFault) in
            guard let entry = entries[key] else { return nil }
            guard entry.type == .string, let count = entry.count else {
                throw wrongType(key, entry, "an array of strings")
            }
            var cursor = GGUFCursor(mapping.bytes, offset: entry.offset)
            var values: [String] = []
            values.reserveCapacity(count)
            for index in 0..<count {
                let range = try cursor.stringRange("element \(index) of \(key)")
                values.append(try GGUFCursor.text(mapping.bytes, range, "element \(index) of \(key)"))
            }
            return values
        }
    }

    /// Elements of either floating-point type, rounded to Float.
    package func floats(_ key: String) throws(GGUFError) -> [Float]? {
        try elements(key, "an array of floating-point numbers") { entry, offset throws(GGUFFault) in
            float(entry, at: offset).map { Float($0) }
        }
    }

    /// Elements of any integer type.
    package func ints(_ key: String) throws(GGUFError) -> [Int]? {
        try elements(key, "an array of integers") { entry, offset throws(GGUFFault) in
            try integer(entry, at: offset)?.get(key)
        }
    }

    /// A value as one line for people: strings cut, arrays as type and count. Nil for an absent key.
    package func summary(_ key: String) -> String? {
        guard let entry = entries[key] else { return nil }
        if let count = entry.count { return "\(count) × \(entry.type)" }
        switch entry.type {
        case .string:
            guard let text = try? string(key) else { return "(not UTF-8)" }
            let line = text.unicodeScalars.prefix(120).map { $0.escaped(asASCII: false) }.joined()
            return text.unicodeScalars.count > 120 ? line + "…" : line
        case .bool: return mapping.bytes[entry.offset] == 1 ? "true" : "false"
        case .float32, .float64: return float(entry, at: entry.offset).map { "\($0)" }
        default: return integer(entry, at: entry.offset).map { "\($0)" }
        }
    }

    /// A value as it stands in the file, its type in front. Nil for an absent key.
    func encodedValue(_ key: String) throws(GGUFError) -> [UInt8]? {
        try locating { () throws(GGUFFault) in
            guard let entry = entries[key] else { return nil }
            var encoded: [UInt8] = []
            if let count = entry.count {
                encoded.append(littleEndian: GGUFValueType.array.rawValue)
                encoded.append(littleEndian: entry.type.rawValue)
                encoded.append(littleEndian: UInt64(count))
            } else {
                encoded.append(littleEndian: entry.type.rawValue)
            }
            var cursor = GGUFCursor(mapping.bytes, offset: entry.offset)
            for _ in 0..<(entry.count ?? 1) {
                if let byteCount = entry.type.byteCount {
                    try cursor.skip(UInt64(byteCount), key)
                } else {
                    _ = try cursor.stringRange(key)
                }
            }
            encoded += mapping.bytes[entry.offset..<cursor.offset]
            return encoded
        }
    }

    // MARK: Decoding. The parser has walked every entry, so that the bytes are known to be there.

    private struct Integer: CustomStringConvertible {
        var exact: Int?
        var description: String

        init(_ value: some FixedWidthInteger) {
            exact = Int(exactly: value)
            description = "\(value)"
        }

        func get(_ key: String) throws(GGUFFault) -> Int {
            guard let exact else {
                throw .valueOutOfRange(key: key, value: description, expected: "a 63-bit number")
            }
            return exact
        }
    }

    private func integer(_ entry: Entry, at offset: Int) -> Integer? {
        switch entry.type {
        case .uint8: Integer(load(offset, UInt8.self))
        case .int8: Integer(load(offset, Int8.self))
        case .uint16: Integer(load(offset, UInt16.self))
        case .int16: Integer(load(offset, Int16.self))
        case .uint32: Integer(load(offset, UInt32.self))
        case .int32: Integer(load(offset, Int32.self))
        case .uint64: Integer(load(offset, UInt64.self))
        case .int64: Integer(load(offset, Int64.self))
        case .float32, .float64, .bool, .string, .array: nil
        }
    }

    private func float(_ entry: Entry, at offset: Int) -> Double? {
        switch entry.type {
        case .float32: Double(Float(bitPattern: load(offset, UInt32.self)))
        case .float64: Double(bitPattern: load(offset, UInt64.self))
        default: nil
        }
    }

    private func load<T: FixedWidthInteger>(_ offset: Int, _: T.Type) -> T {
        // SAFETY: entries come from the parser, which checked that their bytes lie in the file.
        T(littleEndian: mapping.bytes.loadUnaligned(fromByteOffset: offset, as: T.self))
    }

    private func elements<T>(
        _ key: String, _ expected: String, _ decode: (Entry, Int) throws(GGUFFault) -> T?
    ) throws(GGUFError) -> [T]? {
        try locating { () throws(GGUFFault) in
            guard let entry = entries[key] else { return nil }
            guard let count = entry.count, let stride = entry.type.byteCount else {
                throw wrongType(key, entry, expected)
            }
            var values: [T] = []
            values.reserveCapacity(count)
            for index in 0..<count {
                guard let value = try decode(entry, entry.offset + index * stride) else {
                    throw wrongType(key, entry, expected)
                }
                values.append(value)
            }
            return values
        }
    }

    private func wrongType(_ key: String, _ entry: Entry, _ expected: String) -> GGUFFault {
        let found = entry.count.map { "an array of \($0) \(entry.type)" } ?? "of type \(entry.type)"
        return .wrongValueType(key: key, expected: expected, found: found)
    }

    private func locating<T>(_ body: () throws(GGUFFault) -> T) throws(GGUFError) -> T {
        do throws(GGUFFault) { return try body() } catch { throw GGUFError(path: path, fault: error) }
    }
}
