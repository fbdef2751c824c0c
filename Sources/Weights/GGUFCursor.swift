/// Reads a file's header from front to back. Each read checks that the bytes are there, with arithmetic that cannot
/// overflow, before it touches or allocates anything.
struct GGUFCursor {
    static let keyByteMax = 65_535
    /// Longest string value. The longest in practice is a tokenizer.json of 35 MB.
    static let stringByteMax = 64 << 20

    let bytes: UnsafeRawBufferPointer
    private(set) var offset = 0

    init(_ bytes: UnsafeRawBufferPointer, offset: Int = 0) {
        self.bytes = bytes
        self.offset = offset
    }

    var remaining: Int { bytes.count - offset }

    mutating func integer<T: FixedWidthInteger>(_ part: @autoclosure () -> String) throws(GGUFFault) -> T {
        let size = MemoryLayout<T>.size
        guard remaining >= size else {
            throw .truncated(part: part(), offset: offset, needed: UInt64(size), available: remaining)
        }
        // SAFETY: the range was checked on the line above; the load need not be aligned.
        defer { offset += size }
        return T(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: T.self))
    }

    /// Steps over `count` bytes.
    mutating func skip(_ count: UInt64, _ part: @autoclosure () -> String) throws(GGUFFault) {
        guard count <= UInt64(remaining) else {
            throw .truncated(part: part(), offset: offset, needed: count, available: remaining)
        }
        offset += Int(count)
    }

    /// Steps over a string and returns where its bytes are.
    mutating func stringRange(
        _ part: @autoclosure () -> String, limit: Int = stringByteMax
    ) throws(GGUFFault) -> Range<Int> {
        let start = offset
        let count: UInt64 = try integer("the length of \(part())")
        guard count <= UInt64(limit) else {
            throw .stringTooLong(part: part(), offset: start, byteCount: count, limit: limit)
        }
        let range = offset..<offset + Int(min(count, UInt64(remaining)))
        try skip(count, part())
        return range
    }

    /// A key or tensor name: never empty, valid UTF-8.
    mutating func name(_ part: String) throws(GGUFFault) -> String {
        let start = offset
        let range = try stringRange(part, limit: Self.keyByteMax)
        guard !range.isEmpty else { throw .emptyName(part: part, offset: start) }
        return try Self.text(bytes, range, part)
    }

    static func text(
        _ bytes: UnsafeRawBufferPointer, _ range: Range<Int>, _ part: @autoclosure () -> String
    ) throws(GGUFFault) -> String {
        guard let text = String(validating: bytes[range], as: UTF8.self) else {
            throw .notUTF8(part: part(), offset: range.lowerBound)
        }
        return text
    }
}
