import Inference

/// Fields of a message in protocol buffers' encoding, written in one pass, in the order of their numbers. For the one
/// message that each request costs: swift-protobuf goes through a message twice, and makes an object of each inside it.
/// It would write the same bytes. Source: protobuf.dev, Encoding.
struct WireWriter {
    private(set) var bytes: [UInt8] = []

    private enum Kind: UInt64 {
        case varint = 0
        case fixed64 = 1
        case lengthDelimited = 2
        case fixed32 = 5
    }

    init(capacity: Int) { bytes.reserveCapacity(capacity) }

    /// Left out when it is 0, as all but optional fields are.
    mutating func write(_ value: UInt64, _ field: UInt64) {
        if value != 0 { write(present: value, field) }
    }

    /// An optional field that has a value, which may be 0.
    mutating func write(present value: UInt64, _ field: UInt64) {
        tag(field, .varint)
        varint(value)
    }

    /// `sint32`: small numbers are short whatever their sign.
    mutating func write(signed value: Int32, _ field: UInt64) {
        write(UInt64(UInt32(bitPattern: value << 1 ^ value >> 31)), field)
    }

    mutating func write(fixed value: UInt64, _ field: UInt64) {
        guard value != 0 else { return }
        tag(field, .fixed64)
        little(value, byteCount: 8)
    }

    mutating func write(_ value: Float, _ field: UInt64) {
        guard value.bitPattern != 0 else { return }
        tag(field, .fixed32)
        little(UInt64(value.bitPattern), byteCount: 4)
    }

    mutating func write(_ tokens: [TokenID], _ field: UInt64) {
        guard !tokens.isEmpty else { return }
        tag(field, .lengthDelimited)
        let byteCount = tokens.reduce(0) { $0 + Self.byteCount(UInt32(bitPattern: $1)) }
        varint(byteCount)
        bytes.append(addingCapacity: Int(byteCount)) { column in
            for token in tokens { Self.varint(UInt64(UInt32(bitPattern: token))) { column.append($0) } }
        }
    }

    mutating func write(_ numbers: [Float], _ field: UInt64) {
        guard !numbers.isEmpty else { return }
        tag(field, .lengthDelimited)
        varint(UInt64(numbers.count) * 4)
        for number in numbers { little(UInt64(number.bitPattern), byteCount: 4) }
    }

    mutating func write(message: [UInt8], _ field: UInt64) {
        tag(field, .lengthDelimited)
        varint(UInt64(message.count))
        bytes += message
    }

    /// A message that `body` writes here; its length goes in front when it is known.
    mutating func write(_ field: UInt64, message body: (inout WireWriter) -> Void) {
        tag(field, .lengthDelimited)
        var place = bytes.count
        body(&self)
        Self.varint(UInt64(bytes.count - place)) { byte in
            bytes.insert(byte, at: place)
            place += 1
        }
    }

    private mutating func tag(_ field: UInt64, _ kind: Kind) { varint(field << 3 | kind.rawValue) }

    private mutating func varint(_ value: UInt64) { Self.varint(value) { bytes.append($0) } }

    @inline(__always)
    private static func varint(_ value: UInt64, _ put: (UInt8) -> Void) {
        var rest = value
        while rest >= 0x80 {
            put(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        put(UInt8(truncatingIfNeeded: rest))
    }

    private mutating func little(_ value: UInt64, byteCount: UInt64) {
        for place in 0..<byteCount { bytes.append(UInt8(truncatingIfNeeded: value >> (place * 8))) }
    }

    private static func byteCount(_ value: UInt32) -> UInt64 {
        switch value {
        case 0..<1 << 7: 1
        case 0..<1 << 14: 2
        case 0..<1 << 21: 3
        case 0..<1 << 28: 4
        default: 5
        }
    }
}
