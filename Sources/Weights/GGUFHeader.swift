/// A file's header as parsed: what is where.
///
/// Source: the GGUF specification in ggml's docs/gguf.md, versions 2 and 3. Stricter where files have been used as
/// weapons: counts are held against the bytes that are left before anything is reserved, tensors lie one after the
/// other without holes or overlaps, and the last one ends where the file does.
struct GGUFHeader {
    static let entryMax = 65_536
    static let tensorMax = 65_536
    static let alignments = 8...65_536
    static let alignmentKey = "general.alignment"
    static let alignmentDefault = 32

    private(set) var version: UInt32 = 0
    private(set) var keys: [String] = []
    private(set) var entries: [String: GGUFMetadata.Entry] = [:]
    private(set) var tensors: [GGUFTensor] = []

    private struct Announced {
        var name: String
        var type: GGUFTensorType
        var dimensions: [Int]
        var byteCount: Int
        var offset: UInt64
    }

    init(_ bytes: UnsafeRawBufferPointer) throws(GGUFFault) {
        var cursor = GGUFCursor(bytes)
        try readPreamble(&cursor)
        let tensorCount: UInt64 = try cursor.integer("the tensor count")
        let entryCount: UInt64 = try cursor.integer("the metadata count")
        // Shortest possible records: key, type, value of one byte; name, count, one dimension, type, offset.
        try Self.check(entryCount, "metadata entries", limit: Self.entryMax, recordBytes: 8 + 1 + 4 + 1, cursor)
        try Self.check(tensorCount, "tensors", limit: Self.tensorMax, recordBytes: 8 + 1 + 4 + 8 + 4 + 8, cursor)

        keys.reserveCapacity(Int(entryCount))
        for _ in 0..<entryCount { try readEntry(&cursor) }
        let alignment = try alignment(bytes)

        var announced: [Announced] = []
        announced.reserveCapacity(Int(tensorCount))
        var names: Set<String> = []
        for _ in 0..<tensorCount {
            let tensor = try Self.readTensor(&cursor)
            guard names.insert(tensor.name).inserted else { throw .duplicateTensor(tensor.name) }
            announced.append(tensor)
        }
        try place(announced, headerEnd: cursor.offset, alignment: alignment, fileByteCount: bytes.count)
    }

    private mutating func readPreamble(_ cursor: inout GGUFCursor) throws(GGUFFault) {
        let magic: UInt32 = try cursor.integer("the magic number")
        guard magic == 0x4655_4747 else {
            throw .notGGUF(firstBytes: Array(cursor.bytes.prefix(4)))
        }
        version = try cursor.integer("the version")
        guard version.byteSwapped > 3 || version == 0 else { throw .bigEndian }
        guard version == 2 || version == 3 else { throw .unsupportedVersion(version) }
    }

    private static func check(
        _ count: UInt64, _ part: String, limit: Int, recordBytes: Int, _ cursor: GGUFCursor
    ) throws(GGUFFault) {
        guard count <= UInt64(limit) else { throw .tooMany(part: part, count: count, limit: limit) }
        let needed = count * UInt64(recordBytes)
        guard needed <= UInt64(cursor.remaining) else {
            throw .truncated(
                part: "the list of \(count) \(part)", offset: cursor.offset, needed: needed,
                available: cursor.remaining)
        }
    }

    // MARK: Metadata

    private mutating func readEntry(_ cursor: inout GGUFCursor) throws(GGUFFault) {
        let key = try cursor.name("a metadata key")
        let type = try Self.valueType(&cursor, key)
        let entry =
            type == .array
            ? try Self.readArray(&cursor, key)
            : GGUFMetadata.Entry(type: type, count: nil, offset: cursor.offset)
        if type != .array { try Self.skipValue(&cursor, type, key) }
        guard entries.updateValue(entry, forKey: key) == nil else { throw .duplicateKey(key) }
        keys.append(key)
    }

    private static func valueType(_ cursor: inout GGUFCursor, _ key: String) throws(GGUFFault) -> GGUFValueType {
        let rawValue: UInt32 = try cursor.integer("the type of \(key)")
        guard let type = GGUFValueType(rawValue: rawValue) else {
            throw .unknownValueType(key: key, rawValue: rawValue)
        }
        return type
    }

    private static func readArray(_ cursor: inout GGUFCursor, _ key: String) throws(GGUFFault) -> GGUFMetadata.Entry {
        let type = try valueType(&cursor, key)
        guard type != .array else { throw .nestedArray(key: key) }
        let count: UInt64 = try cursor.integer("the element count of \(key)")
        let start = cursor.offset
        // A string takes 8 bytes at least, its length.
        let (needed, overflow) = count.multipliedReportingOverflow(by: UInt64(type.byteCount ?? 8))
        guard !overflow, needed <= UInt64(cursor.remaining) else {
            throw .truncated(
                part: "the array \(key) of \(count) elements", offset: start, needed: overflow ? .max : needed,
                available: cursor.remaining)
        }
        if type == .string || type == .bool {
            for _ in 0..<count { try skipValue(&cursor, type, key) }
        } else {
            try cursor.skip(needed, "the array \(key)")
        }
        return GGUFMetadata.Entry(type: type, count: Int(count), offset: start)
    }

    private static func skipValue(
        _ cursor: inout GGUFCursor, _ type: GGUFValueType, _ key: String
    ) throws(GGUFFault) {
        if type == .bool {
            let byte: UInt8 = try cursor.integer("the value of \(key)")
            guard byte <= 1 else { throw .notBoolean(key: key, byte: byte) }
        } else if let byteCount = type.byteCount {
            try cursor.skip(UInt64(byteCount), "the value of \(key)")
        } else {
            _ = try cursor.stringRange("the value of \(key)")
        }
    }

    private func alignment(_ bytes: UnsafeRawBufferPointer) throws(GGUFFault) -> Int {
        let key = Self.alignmentKey
        guard let entry = entries[key] else { return Self.alignmentDefault }
        guard entry.type == .uint32, entry.count == nil else {
            throw .wrongValueType(key: key, expected: "a uint32", found: "of type \(entry.type)")
        }
        var cursor = GGUFCursor(bytes, offset: entry.offset)
        let value: UInt32 = try cursor.integer(key)
        guard Self.alignments.contains(Int(value)), value.nonzeroBitCount == 1 else {
            throw .badAlignment(Int(value))
        }
        return Int(value)
    }

    // MARK: Tensors

    private static func readTensor(_ cursor: inout GGUFCursor) throws(GGUFFault) -> Announced {
        let name = try cursor.name("a tensor name")
        let count: UInt32 = try cursor.integer("the dimension count of \(name)")
        guard (1...4).contains(count) else { throw .badDimensionCount(tensor: name, count: count) }
        var dimensions: [Int] = []
        for index in 0..<Int(count) {
            let value: UInt64 = try cursor.integer("dimension \(index) of \(name)")
            guard let dimension = Int(exactly: value), dimension >= 1 else {
                throw .badDimension(tensor: name, index: index, value: value)
            }
            dimensions.append(dimension)
        }
        let rawType: UInt32 = try cursor.integer("the type of \(name)")
        guard let type = GGUFTensorType(rawValue: rawType) else {
            throw .unsupportedTensorType(tensor: name, rawValue: rawType)
        }
        guard dimensions[0] % type.blockElementCount == 0 else {
            throw .rowNotWholeBlocks(tensor: name, columns: dimensions[0], type: type)
        }
        guard let byteCount = type.byteCount(dimensions: dimensions) else {
            throw .tensorTooLarge(tensor: name, dimensions: dimensions)
        }
        let offset: UInt64 = try cursor.integer("the offset of \(name)")
        return Announced(name: name, type: type, dimensions: dimensions, byteCount: byteCount, offset: offset)
    }

    /// Lays the announced tensors over the data that follows the header.
    private mutating func place(
        _ announced: [Announced], headerEnd: Int, alignment: Int, fileByteCount: Int
    ) throws(GGUFFault) {
        guard !announced.isEmpty else { return }
        // Cannot overflow: headerEnd is at most the file's length, and alignment at most 65536.
        let dataStart = (headerEnd + alignment - 1) & ~(alignment - 1)
        let available = max(0, fileByteCount - dataStart)
        var expected = 0
        var end = 0
        tensors.reserveCapacity(announced.count)
        for tensor in announced {
            guard tensor.offset == UInt64(expected) else {
                throw .misplacedTensor(tensor: tensor.name, offset: tensor.offset, expected: expected)
            }
            guard expected <= available, tensor.byteCount <= available - expected else {
                throw .tensorBeyondEnd(
                    tensor: tensor.name, offset: expected, byteCount: tensor.byteCount,
                    available: max(0, available - expected))
            }
            tensors.append(
                GGUFTensor(
                    name: tensor.name, type: tensor.type, dimensions: tensor.dimensions,
                    offset: dataStart + expected, byteCount: tensor.byteCount))
            end = expected + tensor.byteCount
            expected = (end + alignment - 1) & ~(alignment - 1)
        }
        guard available <= expected else {
            throw .trailingBytes(count: available - expected, offset: dataStart + expected)
        }
    }
}
