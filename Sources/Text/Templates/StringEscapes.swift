/// Backslash escapes of string literals, as Python has them. What is no escape stays as it is, backslash included.
enum StringEscapes {
    /// Nil when an escape gives no Unicode character.
    static func decode(_ bytes: ArraySlice<UInt8>) -> [UInt8]? {
        var decoded: [UInt8] = []
        var rest = bytes
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "\\"), let mark = rest.first else {
                decoded.append(byte)
                continue
            }
            rest.removeFirst()
            switch mark {
            case UInt8(ascii: "\n"): break
            case UInt8(ascii: "x"): guard append(number(&rest, digits: 2), to: &decoded) else { return nil }
            case UInt8(ascii: "u"): guard append(number(&rest, digits: 4), to: &decoded) else { return nil }
            case UInt8(ascii: "U"): guard append(number(&rest, digits: 8), to: &decoded) else { return nil }
            case UInt8(ascii: "0")...UInt8(ascii: "7"):
                var value = UInt32(mark - 0x30)
                for _ in 0..<2 {
                    guard let next = rest.first, (0x30...0x37).contains(next) else { break }
                    value = value * 8 + UInt32(next - 0x30)
                    rest.removeFirst()
                }
                guard append(value, to: &decoded) else { return nil }
            default:
                if let plain = single[mark] { decoded.append(plain) } else { decoded += [byte, mark] }
            }
        }
        return decoded
    }

    private static let single: [UInt8: UInt8] = [
        UInt8(ascii: "n"): 0x0A, UInt8(ascii: "t"): 0x09, UInt8(ascii: "r"): 0x0D, UInt8(ascii: "\\"): 0x5C,
        UInt8(ascii: "'"): 0x27, UInt8(ascii: "\""): 0x22, UInt8(ascii: "a"): 0x07, UInt8(ascii: "b"): 0x08,
        UInt8(ascii: "f"): 0x0C, UInt8(ascii: "v"): 0x0B,
    ]

    private static func number(_ rest: inout ArraySlice<UInt8>, digits: Int) -> UInt32? {
        guard rest.count >= digits else { return nil }
        let text = String(decoding: rest.prefix(digits), as: UTF8.self)
        guard text.utf8.allSatisfy({ $0 != UInt8(ascii: "+") && $0 != UInt8(ascii: "-") }) else { return nil }
        rest = rest.dropFirst(digits)
        return UInt32(text, radix: 16)
    }

    private static func append(_ value: UInt32?, to decoded: inout [UInt8]) -> Bool {
        guard let scalar = value.flatMap(Unicode.Scalar.init) else { return false }
        decoded += Array(Character(scalar).utf8)
        return true
    }
}
