/// `value | filter`: filters of single values; those of lists are in the file beside this one.
extension TemplateEvaluation {
    func filter(
        _ value: RuntimeValue, _ name: String, _ given: ArgumentValues
    ) throws(ChatTemplateError) -> RuntimeValue {
        try step()
        try charge(reading: value.byteCount)
        if case .open(let open) = value { return try filter(open, name, given) }
        var arguments = given
        var result = try textFilter(value, name, &arguments)
        if result == nil { result = try numberFilter(value, name, &arguments) }
        if result == nil { result = try listFilter(value, name, &arguments) }
        guard let result else { throw fail("there is no filter '\(name.prefix(80))'") }
        guard arguments.isEmpty else { throw fail("too many arguments for the filter '\(name)'") }
        return result
    }

    /// What filters make of a text without knowing it: its ends are no white space where it is a content as it was given.
    private func filter(
        _ open: OpenText, _ name: String, _ arguments: ArgumentValues
    ) throws(ChatTemplateError) -> RuntimeValue {
        let isSame = name == "string" || name == "safe" || (name == "trim" && open.isBare)
        guard isSame, arguments.isEmpty else { throw looked }
        return try text(open)
    }

    private func textFilter(
        _ value: RuntimeValue, _ name: String, _ arguments: inout ArgumentValues
    ) throws(ChatTemplateError) -> RuntimeValue? {
        switch name {
        case "default", "d":
            let standard = arguments.take("default_value") ?? .text([])
            let isForFalse = arguments.take("boolean")?.isTrue ?? false
            if case .undefined = value { return standard }
            return isForFalse && !value.isTrue ? standard : value
        case "string", "safe": return try text(try printed(value))
        case "trim":
            return try text(
                TemplateText.trimmed(try printed(value), .both, of: try optionalText(&arguments, "chars")))
        case "upper": return try text(TemplateText.uppercased(try studied(try printed(value))))
        case "lower": return try text(TemplateText.lowercased(try studied(try printed(value))))
        case "capitalize": return try text(TemplateText.capitalized(try studied(try printed(value))))
        case "title":
            return try text(
                TemplateText.titled(try studied(try printed(value)), first: \.uppercaseMapping) {
                    TemplateText.isSpace($0) || $0 == "-" || $0 == "(" || $0 == "{" || $0 == "[" || $0 == "<"
                })
        case "replace":
            let (old, new) = (try someText(&arguments, "old"), try someText(&arguments, "new"))
            return try replace(try printed(value), old, new, limit: try count(&arguments, "count"))
        case "escape", "e": return try text(escaped(try printed(value)))
        case "indent": return try indented(try printed(value), &arguments)
        case "tojson":
            let indent = arguments.take("indent").flatMap(integer)
            guard indent.map({ (0...64).contains($0) }) ?? true else { throw fail("tojson indents by 0 to 64") }
            if case .boolean(true)? = arguments.take("ensure_ascii") { throw fail("tojson writes no ASCII escapes") }
            var output: [UInt8] = []
            try json(value, indent: indent, into: &output)
            return .text(output)
        default: return nil
        }
    }

    private func escaped(_ bytes: [UInt8]) -> [UInt8] {
        var output: [UInt8] = []
        for byte in bytes {
            switch byte {
            case UInt8(ascii: "&"): output += Array("&amp;".utf8)
            case UInt8(ascii: "<"): output += Array("&lt;".utf8)
            case UInt8(ascii: ">"): output += Array("&gt;".utf8)
            case UInt8(ascii: "'"): output += Array("&#39;".utf8)
            case UInt8(ascii: "\""): output += Array("&#34;".utf8)
            default: output.append(byte)
            }
        }
        return output
    }

    private func indented(
        _ bytes: [UInt8], _ arguments: inout ArgumentValues
    ) throws(ChatTemplateError) -> RuntimeValue {
        let indentation: [UInt8]
        switch arguments.take("width") {
        case nil: indentation = Array(repeating: 0x20, count: 4)
        case .text(let bytes): indentation = bytes
        case let width?:
            guard let count = integer(width), (0...256).contains(count) else { throw fail("indent is by 0 to 256") }
            indentation = Array(repeating: 0x20, count: count)
        }
        let includesFirst = arguments.take("first")?.isTrue ?? false
        let includesBlank = arguments.take("blank")?.isTrue ?? false
        let newlineCount = bytes.count { $0 == 0x0A }
        let (growth, isOver) = (newlineCount + 1).multipliedReportingOverflow(by: indentation.count)
        try charge(making: isOver ? .max / 8 : bytes.count + growth)
        var output: [UInt8] = []
        for (index, line) in bytes.split(separator: 0x0A, omittingEmptySubsequences: false).enumerated() {
            if index > 0 { output.append(0x0A) }
            if index == 0 ? includesFirst : includesBlank || !line.isEmpty { output += indentation }
            output += line
        }
        return .text(output)
    }

    private func numberFilter(
        _ value: RuntimeValue, _ name: String, _ arguments: inout ArgumentValues
    ) throws(ChatTemplateError) -> RuntimeValue? {
        switch name {
        case "int":
            let standard = arguments.take("default") ?? .integer(0)
            if let integer = integer(value) { return .integer(integer) }
            return parsedNumber(value).flatMap { Int(exactly: $0.rounded(.towardZero)) }.map { .integer($0) }
                ?? standard
        case "float":
            let standard = arguments.take("default") ?? .number(0)
            return number(value).map { .number($0) } ?? parsedNumber(value).map { .number($0) } ?? standard
        case "abs":
            if case .number(let number) = value { return .number(number.magnitude) }
            guard let integer = integer(value) else { throw fail("\(value.typeName) has no absolute value") }
            return integer < 0 ? try negative(.integer(integer)) : .integer(integer)
        case "round": return try rounded(value, &arguments)
        default: return nil
        }
    }

    /// A whole number that does not fit 64 bits is as good as none.
    private func parsedNumber(_ value: RuntimeValue) -> Double? {
        guard case .text(let bytes) = value else { return number(value) }
        let trimmed = TemplateText.trimmed(bytes, .both)
        let isDecimal = trimmed.allSatisfy { byte in
            (0x30...0x39).contains(byte) || byte == UInt8(ascii: ".") || byte == UInt8(ascii: "-")
                || byte == UInt8(ascii: "+") || byte | 0x20 == UInt8(ascii: "e")
        }
        return isDecimal ? Double(String(decoding: trimmed, as: UTF8.self)) : nil
    }

    private func rounded(
        _ value: RuntimeValue, _ arguments: inout ArgumentValues
    ) throws(ChatTemplateError) -> RuntimeValue {
        guard let number = number(value) else { throw fail("\(value.typeName) cannot be rounded") }
        let precision = arguments.take("precision").flatMap(integer) ?? 0
        guard (0...15).contains(precision) else { throw fail("rounding is to 0 to 15 places") }
        let rule: FloatingPointRoundingRule
        switch try optionalText(&arguments, "method") {
        case nil, Array("common".utf8):
            if let integer = integer(value) { return .integer(integer) }
            rule = .toNearestOrEven
        case Array("ceil".utf8): rule = .up
        case Array("floor".utf8): rule = .down
        default: throw fail("rounding is 'common', 'ceil' or 'floor'")
        }
        var factor = 1.0
        for _ in 0..<precision { factor *= 10 }
        let scaled = (number * factor).rounded(rule) / factor
        return .number(scaled.isFinite ? scaled : number)
    }
}
