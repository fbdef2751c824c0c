import OrderedCollections

/// Values as text: as Python's `str` and `repr` print them, and as JSON.
extension TemplateEvaluation {
    func printed(_ value: RuntimeValue) throws(ChatTemplateError) -> [UInt8] {
        switch value {
        case .undefined: return []
        case .text(let bytes): return bytes
        default:
            var output: [UInt8] = []
            try represent(value, into: &output)
            return output
        }
    }

    /// Recursion ends: data is nested no deeper than `TemplateLimits.valueDepth`.
    private func represent(_ value: RuntimeValue, into output: inout [UInt8]) throws(ChatTemplateError) {
        try step()
        let start = output.count
        switch value {
        case .undefined: output += Array("Undefined".utf8)
        case .none: output += Array("None".utf8)
        case .boolean(let value): output += Array((value ? "True" : "False").utf8)
        case .integer(let value): output += Array("\(value)".utf8)
        case .number(let value): output += Array("\(value)".utf8)
        case .text(let bytes): PythonText.quote(bytes, into: &output)
        case .open: throw looked
        case .list(let list):
            output.append(UInt8(ascii: list.isTuple ? "(" : "["))
            for (index, element) in list.elements.enumerated() {
                if index > 0 { output += [UInt8(ascii: ","), UInt8(ascii: " ")] }
                try represent(element, into: &output)
            }
            if list.isTuple, list.elements.count == 1 { output.append(UInt8(ascii: ",")) }
            output.append(UInt8(ascii: list.isTuple ? ")" : "]"))
        case .mapping(let mapping):
            output.append(UInt8(ascii: "{"))
            for (index, entry) in mapping.entries.enumerated() {
                if index > 0 { output += [UInt8(ascii: ","), UInt8(ascii: " ")] }
                try represent(entry.key.value, into: &output)
                output += [UInt8(ascii: ":"), UInt8(ascii: " ")]
                try represent(entry.value, into: &output)
            }
            output.append(UInt8(ascii: "}"))
        case .namespace, .macro, .function, .loop: throw fail("\(value.typeName) cannot be printed")
        }
        if value.depth == 0 { try charge(making: output.count - start) }
    }

    /// JSON as Python's `json.dumps(…, ensure_ascii=False)` writes it, which is what Hugging Face's `tojson` does.
    func json(
        _ value: RuntimeValue, indent: Int?, level: Int = 0, into output: inout [UInt8]
    ) throws(ChatTemplateError) {
        try step()
        let start = output.count
        switch value {
        case .none: output += Array("null".utf8)
        case .boolean(let value): output += Array((value ? "true" : "false").utf8)
        case .integer(let value): output += Array("\(value)".utf8)
        case .number(let value):
            output += Array(
                (value.isFinite ? "\(value)" : value.isNaN ? "NaN" : value < 0 ? "-Infinity" : "Infinity").utf8)
        case .text(let bytes): JSONText.quote(bytes, into: &output)
        case .open: throw looked
        case .list(let list):
            output.append(UInt8(ascii: "["))
            for (index, element) in list.elements.enumerated() {
                try separate(index, indent, level + 1, &output)
                try json(element, indent: indent, level: level + 1, into: &output)
            }
            if !list.elements.isEmpty { try breakLine(indent, level, &output) }
            output.append(UInt8(ascii: "]"))
        case .mapping(let mapping):
            output.append(UInt8(ascii: "{"))
            for (index, entry) in mapping.entries.enumerated() {
                try separate(index, indent, level + 1, &output)
                switch entry.key {
                case .text(let bytes): JSONText.quote(bytes, into: &output)
                case .integer(let value): output += Array("\"\(value)\"".utf8)
                }
                output += [UInt8(ascii: ":"), UInt8(ascii: " ")]
                try json(entry.value, indent: indent, level: level + 1, into: &output)
            }
            if !mapping.entries.isEmpty { try breakLine(indent, level, &output) }
            output.append(UInt8(ascii: "}"))
        case .undefined(let why): throw fail(why)
        case .namespace, .macro, .function, .loop: throw fail("\(value.typeName) has no JSON")
        }
        if value.depth == 0 { try charge(making: output.count - start) }
    }

    private func separate(
        _ index: Int, _ indent: Int?, _ level: Int, _ output: inout [UInt8]
    ) throws(ChatTemplateError) {
        if index > 0 { output.append(UInt8(ascii: ",")) }
        if indent == nil, index > 0 { output.append(0x20) }
        try breakLine(indent, level, &output)
    }

    private func breakLine(_ indent: Int?, _ level: Int, _ output: inout [UInt8]) throws(ChatTemplateError) {
        guard let indent else { return }
        try charge(making: indent * level)
        output.append(0x0A)
        output += repeatElement(0x20, count: indent * level)
    }
}

enum PythonText {
    /// `repr` of a string.
    static func quote(_ bytes: [UInt8], into output: inout [UInt8]) {
        let single = UInt8(ascii: "'")
        let quote = bytes.contains(single) && !bytes.contains(UInt8(ascii: "\"")) ? UInt8(ascii: "\"") : single
        output.append(quote)
        for scalar in String(decoding: bytes, as: UTF8.self).unicodeScalars {
            switch scalar.value {
            case 0x0A: output += Array("\\n".utf8)
            case 0x0D: output += Array("\\r".utf8)
            case 0x09: output += Array("\\t".utf8)
            case 0x5C: output += Array("\\\\".utf8)
            case UInt32(quote): output += [0x5C, quote]
            case 0x20..<0x7F: output.append(UInt8(truncatingIfNeeded: scalar.value))
            default:
                if isPrintable(scalar) {
                    output += Array(Character(scalar).utf8)
                } else {
                    let (mark, digits) =
                        scalar.value < 0x100 ? ("\\x", 2) : scalar.value < 0x10000 ? ("\\u", 4) : ("\\U", 8)
                    output += Array((mark + Hexadecimal.text(scalar.value, digits: digits)).utf8)
                }
            }
        }
        output.append(quote)
    }

    private static func isPrintable(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .control, .format, .surrogate, .privateUse, .unassigned, .lineSeparator, .paragraphSeparator,
            .spaceSeparator:
            false
        default: true
        }
    }
}

enum JSONText {
    static func quote(_ bytes: [UInt8], into output: inout [UInt8]) {
        output.append(UInt8(ascii: "\""))
        for byte in bytes {
            switch byte {
            case UInt8(ascii: "\""): output += Array("\\\"".utf8)
            case UInt8(ascii: "\\"): output += Array("\\\\".utf8)
            case 0x0A: output += Array("\\n".utf8)
            case 0x0D: output += Array("\\r".utf8)
            case 0x09: output += Array("\\t".utf8)
            case 0x08: output += Array("\\b".utf8)
            case 0x0C: output += Array("\\f".utf8)
            case 0..<0x20: output += Array(("\\u" + Hexadecimal.text(UInt32(byte), digits: 4)).utf8)
            default: output.append(byte)
            }
        }
        output.append(UInt8(ascii: "\""))
    }
}

private enum Hexadecimal {
    static func text(_ value: UInt32, digits: Int) -> String {
        let text = String(value, radix: 16)
        return String(repeating: "0", count: max(0, digits - text.count)) + text
    }
}
