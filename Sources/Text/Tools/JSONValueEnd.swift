/// Finds where a JSON value ends. Looks at brackets and strings alone: whether it is valid is its reader's business.
struct JSONValueEnd: Sendable {
    enum Step: Equatable, Sendable {
        case inside
        /// The byte is the value's last.
        case last
        /// The value, a number or a word, ended before the byte.
        case behind
        case malformed
    }

    private var closers: [UInt8] = []
    private var isInString = false
    private var isEscaped = false
    private var isScalar = false
    private static let depthMax = 64

    mutating func read(_ byte: UInt8) -> Step {
        if isInString {
            if isEscaped {
                isEscaped = false
            } else if byte == UInt8(ascii: "\\") {
                isEscaped = true
            } else if byte == UInt8(ascii: "\"") {
                isInString = false
                return closers.isEmpty ? .last : .inside
            }
            return .inside
        }
        switch byte {
        case UInt8(ascii: "\""):
            guard !isScalar else { return .malformed }
            isInString = true
        case UInt8(ascii: "{"), UInt8(ascii: "["):
            guard !isScalar, closers.count < Self.depthMax else { return .malformed }
            closers.append(byte == UInt8(ascii: "{") ? UInt8(ascii: "}") : UInt8(ascii: "]"))
        case UInt8(ascii: "}"), UInt8(ascii: "]"):
            guard let closer = closers.last else { return isScalar ? .behind : .malformed }
            guard closer == byte else { return .malformed }
            closers.removeLast()
            return closers.isEmpty ? .last : .inside
        case UInt8(ascii: ","), 0x20, 0x09...0x0D:
            if closers.isEmpty { return isScalar ? .behind : .malformed }
        default:
            if closers.isEmpty { isScalar = true }
        }
        return .inside
    }
}
