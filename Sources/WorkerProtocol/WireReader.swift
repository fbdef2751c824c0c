/// Where a message in protocol buffers' encoding is read on: ``WireWriter``'s counterpart, for messages whose fields come
/// once each and in the order of their numbers, as every encoder writes them. Whatever is not so is answered with nil, and
/// is for swift-protobuf. Source: protobuf.dev, Encoding.
struct WireReader {
    private var place: Int
    private let end: Int

    /// - Parameter bytes: where the message lies; each function is given the same again.
    init(_ bytes: RawSpan) {
        place = 0
        end = bytes.byteCount
    }

    private init(_ range: Range<Int>) {
        place = range.lowerBound
        end = range.upperBound
    }

    var isAtEnd: Bool { place == end }

    /// The field of that number, 0 where the message does not have it.
    mutating func number(_ field: UInt8, _ bytes: RawSpan) -> UInt64? {
        take(tag: field << 3, bytes) ? varint(bytes) : 0
    }

    mutating func count(_ field: UInt8, _ bytes: RawSpan, max: Int) -> Int? {
        guard let value = number(field, bytes), value <= UInt64(max) else { return nil }
        return Int(value)
    }

    /// The contents of a message, or of a column of numbers; nothing where the message does not have it.
    mutating func contents(_ field: UInt8, _ bytes: RawSpan) -> WireReader? {
        guard take(tag: field << 3 | 2, bytes) else { return WireReader(place..<place) }
        guard let byteCount = varint(bytes), byteCount <= UInt64(end - place) else { return nil }
        defer { place += Int(byteCount) }
        return WireReader(place..<place + Int(byteCount))
    }

    /// The next number of a column; nil at its end, and where the number has more than 64 bits.
    @inline(__always)
    mutating func varint(_ bytes: RawSpan) -> UInt64? {
        var value: UInt64 = 0
        for shift in stride(from: 0, to: 64, by: 7) as StrideTo<UInt64> {
            guard place < end else { return nil }
            let byte = bytes.unsafeLoad(fromByteOffset: place, as: UInt8.self)
            place += 1
            value |= UInt64(byte & 0x7F) << shift
            if byte < 0x80 { return shift < 63 || byte < 2 ? value : nil }
        }
        return nil
    }

    /// Numbers in what is left of a column.
    func varintCount(_ bytes: RawSpan) -> Int {
        var count = 0
        for place in place..<end where bytes.unsafeLoad(fromByteOffset: place, as: UInt8.self) < 0x80 { count += 1 }
        return count
    }

    /// Of fields up to 15, whose tags are one byte.
    private mutating func take(tag: UInt8, _ bytes: RawSpan) -> Bool {
        guard place < end, bytes.unsafeLoad(fromByteOffset: place, as: UInt8.self) == tag else { return false }
        place += 1
        return true
    }
}
