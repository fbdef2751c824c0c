import JSON

/// A safetensors header as parsed: what is where.
///
/// Source: the format's description in huggingface/safetensors, README.md: eight bytes of length, that much JSON, data.
/// Tensors fill the data without holes or overlaps, and the last one ends where the file does.
struct SafetensorsHeader {
    /// The format's own limit on its JSON.
    static let byteMax = 100_000_000
    static let tensorMax = 65_536
    static let dimensionMax = 8

    private(set) var tensors: [String: GGUFTensor] = [:]
    private(set) var otherTypes: [String: String] = [:]

    /// One entry, as far as every type has it.
    private struct Entry {
        var name: String
        var type: String
        /// From the outermost, as the file has it.
        var shape: [Int]
        /// In the data.
        var range: Range<Int>
    }

    init(_ bytes: UnsafeRawBufferPointer) throws(SafetensorsFault) {
        guard bytes.count >= 8 else { throw .truncated(part: "the header's length", needed: 8, available: bytes.count) }
        // SAFETY: eight bytes are there, by the check above; the load need not be aligned.
        let length = UInt64(littleEndian: bytes.loadUnaligned(as: UInt64.self))
        guard length <= UInt64(Self.byteMax) else { throw .headerTooLong(byteCount: length, limit: Self.byteMax) }
        guard length <= UInt64(bytes.count - 8) else {
            throw .truncated(part: "the header", needed: length, available: bytes.count - 8)
        }
        let dataStart = 8 + Int(length)
        var entries = try Self.entries(bytes[8..<dataStart])
        entries.sort { ($0.range.lowerBound, $0.range.upperBound) < ($1.range.lowerBound, $1.range.upperBound) }
        var end = 0
        for entry in entries {
            guard entry.range.lowerBound == end else {
                throw .misplacedTensor(tensor: entry.name, offset: entry.range.lowerBound, expected: end)
            }
            end = entry.range.upperBound
            guard end <= bytes.count - dataStart else {
                throw .tensorBeyondEnd(tensor: entry.name, end: end, available: bytes.count - dataStart)
            }
            try add(entry, dataStart: dataStart)
        }
        guard end == bytes.count - dataStart else { throw .trailingBytes(count: bytes.count - dataStart - end) }
    }

    private mutating func add(_ entry: Entry, dataStart: Int) throws(SafetensorsFault) {
        guard let width = Self.bitCounts[entry.type] else {
            throw .unknownType(tensor: entry.name, type: entry.type)
        }
        var bits = (partialValue: width, overflow: false)
        for factor in entry.shape {
            bits = bits.partialValue.multipliedReportingOverflow(by: factor)
            if bits.overflow { break }
        }
        guard !bits.overflow, bits.partialValue == entry.range.count.multipliedReportingOverflow(by: 8).partialValue
        else {
            throw .wrongByteCount(
                tensor: entry.name, type: entry.type, shape: entry.shape, byteCount: entry.range.count)
        }
        guard let type = Self.types[entry.type], (1...4).contains(entry.shape.count),
            entry.shape.allSatisfy({ $0 >= 1 })
        else {
            otherTypes[entry.name] = entry.type
            return
        }
        tensors[entry.name] = GGUFTensor(
            name: entry.name, type: type, dimensions: entry.shape.reversed(),
            offset: dataStart + entry.range.lowerBound, byteCount: entry.range.count)
    }

    /// Types that Apus reads.
    private static let types: [String: GGUFTensorType] = ["F32": .f32, "F16": .f16, "BF16": .bf16]
    /// Bits of one number, of every type that the format has.
    private static let bitCounts = [
        "BOOL": 8, "U8": 8, "I8": 8, "F8_E5M2": 8, "F8_E4M3": 8, "F8_E8M0": 8, "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6,
        "I16": 16, "U16": 16, "F16": 16, "BF16": 16, "I32": 32, "U32": 32, "F32": 32, "C64": 64, "F64": 64, "I64": 64,
        "U64": 64,
    ]

    // MARK: - JSON

    private static func entries(_ json: Slice<UnsafeRawBufferPointer>) throws(SafetensorsFault) -> [Entry] {
        guard json.first == UInt8(ascii: "{") else { throw .notSafetensors(firstByte: json.first) }
        var limits = JSONParser.Limits()
        limits.depthMax = 4
        limits.memberCountMax = tensorMax + 1
        limits.valueCountMax = 16 * tensorMax
        let value: JSONValue
        do throws(JSONError) {
            value = try JSONParser.parse(Array(json), limits: limits)
        } catch {
            throw .notJSON(reason: error.cause)
        }
        guard case .object(let object) = value else { throw .notSafetensors(firstByte: json.first) }
        var entries: [Entry] = []
        for member in object.members where member.name != "__metadata__" {
            guard case .object(let fields) = member.value else {
                throw .badEntry(tensor: member.name, reason: "it is \(member.value.kind) and no object")
            }
            entries.append(try entry(member.name, fields))
        }
        return entries
    }

    private static func entry(_ name: String, _ fields: JSONObject) throws(SafetensorsFault) -> Entry {
        guard !name.isEmpty else { throw .badEntry(tensor: name, reason: "its name is empty") }
        guard case .string(let type)? = fields["dtype"] else {
            throw .badEntry(tensor: name, reason: "its dtype is no string")
        }
        guard let shape = numbers(fields["shape"]), shape.count <= dimensionMax else {
            throw .badEntry(
                tensor: name, reason: "its shape is no list of at most \(dimensionMax) whole numbers from 0 on")
        }
        guard let offsets = numbers(fields["data_offsets"]), offsets.count == 2, offsets[0] <= offsets[1] else {
            throw .badEntry(tensor: name, reason: "its data_offsets are not two numbers in order")
        }
        return Entry(name: name, type: type, shape: shape, range: offsets[0]..<offsets[1])
    }

    /// nil unless all are whole numbers, not below 0.
    private static func numbers(_ value: JSONValue?) -> [Int]? {
        guard case .array(let elements)? = value else { return nil }
        var numbers: [Int] = []
        for element in elements {
            guard case .integer(let number) = element, number >= 0 else { return nil }
            numbers.append(Int(number))
        }
        return numbers
    }
}
