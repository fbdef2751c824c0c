import NIOCore

/// JSON written straight into a buffer, piece by piece: the caller writes the punctuation, these the values.
extension ByteBuffer {
    /// Quotes and escapes. Beyond what JSON asks for, U+0085, U+2028 and U+2029 are escaped as well: some clients
    /// take them for line ends, and a line end would break an event of a stream in two.
    mutating func writeJSON(_ text: String) {
        guard text.isPlainJSON else {
            writeInteger(UInt8(ascii: "\""))
            writeBytes(Self.escaped(text))
            writeInteger(UInt8(ascii: "\""))
            return
        }
        let bytes = text.utf8.span
        writeWithOutputRawSpan(minimumWritableBytes: bytes.count + 2) { out in
            out.append(UInt8(ascii: "\""))
            for place in bytes.indices { out.append(bytes[place]) }
            out.append(UInt8(ascii: "\""))
        }
    }

    mutating func writeJSON(_ number: Int) { writeJSON(Int64(number)) }

    mutating func writeJSON(_ number: Int64) {
        // The last first.
        var digits = InlineArray<20, UInt8>(repeating: 0)
        var count = 0
        var rest = number.magnitude
        repeat {
            digits[count] = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest % 10)
            rest /= 10
            count += 1
        } while rest > 0
        writeWithOutputRawSpan(minimumWritableBytes: digits.count) { out in
            if number < 0 { out.append(UInt8(ascii: "-")) }
            while count > 0 {
                count -= 1
                out.append(digits[count])
            }
        }
    }
    mutating func writeJSON(_ isTrue: Bool) { writeStaticString(isTrue ? "true" : "false") }

    /// The shortest text that reads back as the same `Float`. What is no number (a log-probability of zero
    /// probability) becomes -9999, which is how OpenAI's API writes it.
    mutating func writeJSON(_ number: Float) {
        guard number.isFinite else {
            writeStaticString("-9999.0")
            return
        }
        writeString(number.description)
    }

    mutating func writeJSON(_ text: String?) {
        if let text { writeJSON(text) } else { writeStaticString("null") }
    }

    /// A list, with commas between what `write` writes.
    mutating func writeJSONList<Elements: Sequence>(
        _ elements: Elements, _ write: (inout ByteBuffer, Elements.Element) -> Void
    ) {
        writeInteger(UInt8(ascii: "["))
        var isFirst = true
        for element in elements {
            if !isFirst { writeInteger(UInt8(ascii: ",")) }
            isFirst = false
            write(&self, element)
        }
        writeInteger(UInt8(ascii: "]"))
    }

    private static func escaped(_ text: String) -> [UInt8] {
        var escaped: [UInt8] = []
        escaped.reserveCapacity(text.utf8.count + 16)
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": escaped += "\\\"".utf8
            case "\\": escaped += "\\\\".utf8
            case "\n": escaped += "\\n".utf8
            case "\r": escaped += "\\r".utf8
            case "\t": escaped += "\\t".utf8
            case "\u{08}": escaped += "\\b".utf8
            case "\u{0C}": escaped += "\\f".utf8
            case "\u{00}"..<"\u{20}", "\u{85}", "\u{2028}", "\u{2029}":
                let hexadecimal = String(scalar.value, radix: 16)
                escaped += "\\u".utf8
                escaped += repeatElement(UInt8(ascii: "0"), count: 4 - hexadecimal.utf8.count)
                escaped += hexadecimal.utf8
            default: escaped += UTF8.encode(scalar).map { Array($0) } ?? []
            }
        }
        return escaped
    }
}

extension String {
    /// Whether the text can stand between quotes as it is.
    fileprivate var isPlainJSON: Bool {
        let bytes = utf8.span
        for index in bytes.indices {
            let byte = bytes[index]
            // 0xC2 and 0xE2 begin the three line ends above, and much else: the long way decides.
            if byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") || byte == 0xC2 || byte == 0xE2 {
                return false
            }
        }
        return true
    }
}
