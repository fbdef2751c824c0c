import Inference
import SwiftProtobuf

extension Message {
    /// Decodes with unknown fields passed over.
    static func decoded(from bytes: RawSpan, limit: Int = WireLimits.messageByteMax) throws(WireError) -> Self {
        guard bytes.byteCount <= limit else {
            throw .tooLarge(message: "\(plainName) message", byteCount: bytes.byteCount, limit: limit)
        }
        var options = BinaryDecodingOptions()
        options.discardUnknownFields = true
        // The deepest message is a column table in a step in a message.
        options.messageDepthLimit = 8
        do {
            return try Self(serializedBytes: bytes, options: options)
        } catch {
            throw .undecodable(message: plainName)
        }
    }

    /// As worker.proto calls it.
    private static var plainName: String { String(String(describing: Self.self).dropFirst("Wire".count)) }

    /// Nothing of ours can fail to encode: no field is required and no message comes near 2 GB. Should it, the empty
    /// message is what the peer gets, and refuses.
    func encoded() -> [UInt8] {
        let bytes: [UInt8]? = try? serializedBytes()
        return bytes ?? []
    }
}

/// Numbers from outside become values, or an error that names the field.
enum FieldChecks {
    static func integer<Wire: BinaryInteger>(
        _ field: @autoclosure () -> String, _ value: Wire, in range: ClosedRange<Int>
    ) throws(WireError) -> Int {
        guard let exact = Int(exactly: value), range.contains(exact) else {
            throw .outOfRange(
                field: field(), value: String(value), allowed: "from \(range.lowerBound) to \(range.upperBound)")
        }
        return exact
    }

    /// Not a NaN either: no range contains it.
    static func number(
        _ field: @autoclosure () -> String, _ value: Float, in range: ClosedRange<Float>
    ) throws(WireError) -> Float {
        guard range.contains(value) else {
            throw .outOfRange(
                field: field(), value: String(value), allowed: "from \(range.lowerBound) to \(range.upperBound)")
        }
        return value
    }

    static func finite(_ field: @autoclosure () -> String, _ values: [Float]) throws(WireError) {
        guard let bad = values.first(where: { !$0.isFinite }) else { return }
        throw .outOfRange(field: field(), value: String(bad), allowed: "a finite number")
    }

    static func token(_ field: @autoclosure () -> String, _ value: UInt32) throws(WireError) -> TokenID {
        guard let token = TokenID(exactly: value) else {
            throw .outOfRange(field: field(), value: String(value), allowed: "a token id, up to \(TokenID.max)")
        }
        return token
    }

    static func tokens(
        _ field: @autoclosure () -> String, _ values: some Sequence<UInt32>
    ) throws(WireError) -> [TokenID] {
        var tokens: [TokenID] = []
        tokens.reserveCapacity(values.underestimatedCount)
        for value in values { tokens.append(try token(field(), value)) }
        return tokens
    }

    static func ascending(_ field: @autoclosure () -> String, _ values: [UInt32]) throws(WireError) {
        guard zip(values, values.dropFirst()).allSatisfy({ $0 < $1 }) else { throw .notAscending(field: field()) }
    }

    static func count(_ field: @autoclosure () -> String, _ count: Int, equals expected: Int) throws(WireError) {
        guard count == expected else {
            throw .columnsDisagree(field: field(), count: count, expected: expected)
        }
    }

    static func name(
        _ field: @autoclosure () -> String, _ value: String, byteMax: Int = WireLimits.nameByteMax
    ) throws(WireError) -> String {
        guard (1...byteMax).contains(value.utf8.count) else {
            throw .outOfRange(
                field: field(), value: "\(value.utf8.count) bytes long", allowed: "of 1 to \(byteMax) bytes")
        }
        return value
    }
}

/// Divides a column by a column of counts: the next so many entries belong to the next row.
struct ColumnReader<Element> {
    private var rest: ArraySlice<Element>
    private let field: String

    init(_ field: String, _ column: [Element]) {
        rest = column[...]
        self.field = field
    }

    mutating func take(_ count: UInt32) throws(WireError) -> ArraySlice<Element> {
        guard let wanted = Int(exactly: count), wanted <= rest.count else {
            throw .columnsDisagree(field: field, count: rest.count, expected: Int(clamping: count))
        }
        defer { rest = rest.dropFirst(wanted) }
        return rest.prefix(wanted)
    }

    /// All entries must belong to a row.
    func finish() throws(WireError) {
        guard rest.isEmpty else {
            throw .columnsDisagree(field: field, count: rest.endIndex, expected: rest.startIndex)
        }
    }
}

extension UInt32 {
    /// For counts of ours, which are never negative nor near the limit.
    init(count: Int) { self.init(clamping: count) }
}
