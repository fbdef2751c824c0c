import OrderedCollections

/// Methods of texts, mappings and lists: a closed list, none of which changes its owner.
extension TemplateEvaluation {
    /// Nil when a value of this kind has no such method.
    func method(
        _ name: String, of owner: RuntimeValue, _ given: ArgumentValues
    ) throws(ChatTemplateError) -> RuntimeValue? {
        var arguments = given
        try charge(reading: owner.byteCount)
        let result: RuntimeValue?
        switch owner {
        case .open(let open):
            let trims = name == "strip" || name == "lstrip" || name == "rstrip"
            guard trims, open.isBare, arguments.isEmpty else { throw looked }
            result = try text(open)
        case .text(let bytes): result = try method(name, of: bytes, &arguments)
        case .mapping(let mapping): result = try method(name, of: mapping, &arguments)
        case .list(let list) where name == "index" || name == "count":
            guard let element = arguments.take("value") else { throw fail("\(name) needs a value") }
            var indices: [Int] = []
            for (index, candidate) in list.elements.enumerated() {
                if try areEqual(candidate, element) { indices.append(index) }
            }
            if name == "index", indices.isEmpty { throw fail("the list does not have what 'index' looks for") }
            result = .integer(name == "index" ? indices[0] : indices.count)
        case .loop(let loop) where name == "cycle":
            let values = arguments.takeAll()
            guard !values.isEmpty else { throw fail("cycle needs values") }
            result = values[loop.index % values.count]
        default: return nil
        }
        if result != nil, !arguments.isEmpty { throw fail("too many arguments for '\(name)'") }
        return result
    }

    private func method(
        _ name: String, of mapping: RuntimeMapping, _ arguments: inout ArgumentValues
    ) throws(ChatTemplateError) -> RuntimeValue? {
        switch name {
        case "items": return try items(mapping)
        case "keys": return try list(mapping.entries.keys.map(\.value))
        case "values": return try list(Array(mapping.entries.values))
        case "get":
            guard let key = arguments.take("key") else { throw fail("get needs a key") }
            let standard = arguments.take("default") ?? .none
            if case .open = key { throw looked }
            try charge(reading: key.byteCount)
            return RuntimeMapping.Key(key).flatMap { mapping.entries[$0] } ?? standard
        default: return nil
        }
    }

    func items(_ mapping: RuntimeMapping) throws(ChatTemplateError) -> RuntimeValue {
        var pairs: [RuntimeValue] = []
        for (key, value) in mapping.entries { pairs.append(try list([key.value, value], isTuple: true)) }
        return try list(pairs)
    }

    private func method(
        _ name: String, of bytes: [UInt8], _ arguments: inout ArgumentValues
    ) throws(ChatTemplateError) -> RuntimeValue? {
        switch name {
        case "strip", "lstrip", "rstrip":
            let sides: TemplateText.Sides = name == "strip" ? .both : name == "lstrip" ? .left : .right
            return try text(TemplateText.trimmed(bytes, sides, of: try optionalText(&arguments, "chars")))
        case "upper": return try text(TemplateText.uppercased(try studied(bytes)))
        case "lower": return try text(TemplateText.lowercased(try studied(bytes)))
        case "capitalize": return try text(TemplateText.capitalized(try studied(bytes)))
        case "title":
            return try text(
                TemplateText.titled(try studied(bytes), first: \.titlecaseMapping) { !$0.properties.isCased })
        case "split": return try split(bytes, &arguments)
        case "splitlines": return try texts(TemplateText.lines(bytes))
        case "startswith", "endswith":
            let isStart = name == "startswith"
            for part in try parts(arguments.take("prefix"), of: name) {
                try charge(reading: part.count)
                if isStart ? bytes.starts(with: part) : bytes.suffix(part.count).elementsEqual(part) {
                    return .boolean(true)
                }
            }
            return .boolean(false)
        case "replace":
            let (old, new) = (try someText(&arguments, "old"), try someText(&arguments, "new"))
            return try replace(bytes, old, new, limit: try count(&arguments, "count"))
        case "join": return try join(arguments.take("iterable") ?? .none, separator: bytes)
        case "find", "count":
            let search = TextSearch(try someText(&arguments, "sub"))
            if name == "count" { return .integer(search.all(in: bytes).count) }
            return .integer(
                search.first(in: bytes[...]).map { ScalarOffsets(Array(bytes[..<$0])).count } ?? -1)
        case "removeprefix", "removesuffix":
            let part = try someText(&arguments, "part")
            if name == "removeprefix" {
                return try text(bytes.starts(with: part) ? Array(bytes[part.count...]) : bytes)
            }
            return try text(
                bytes.suffix(part.count).elementsEqual(part) ? Array(bytes.dropLast(part.count)) : bytes)
        case "isdigit", "isalpha", "isalnum", "isspace", "isupper", "islower":
            return .boolean(TextClass.holds(name, try studied(bytes)))
        default: return nil
        }
    }

    private func split(_ bytes: [UInt8], _ arguments: inout ArgumentValues) throws(ChatTemplateError) -> RuntimeValue {
        let separator = try optionalText(&arguments, "sep")
        let limit = try count(&arguments, "maxsplit")
        guard let separator else {
            guard limit == .max else { throw fail("split with a count needs a separator") }
            return try texts(TemplateText.words(try studied(bytes)))
        }
        guard !separator.isEmpty else { throw fail("split needs a separator that is not empty") }
        return try texts(TemplateText.split(bytes, at: separator, limit: limit))
    }

    func texts(_ parts: [[UInt8]]) throws(ChatTemplateError) -> RuntimeValue {
        // A part costs its array's header too.
        try charge(making: parts.count * 32)
        return try list(parts.map { .text($0) })
    }

    /// - Parameter limit: replaces at most so many.
    func replace(
        _ bytes: [UInt8], _ old: [UInt8], _ new: [UInt8], limit: Int
    ) throws(ChatTemplateError) -> RuntimeValue {
        guard !old.isEmpty else { throw fail("replace needs something to look for") }
        let found = TextSearch(old).all(in: bytes, limit: limit)
        let (growth, isOver) = found.count.multipliedReportingOverflow(by: new.count)
        try charge(making: isOver ? .max / 8 : bytes.count + growth)
        var output: [UInt8] = []
        var start = 0
        for cut in found {
            output += bytes[start..<cut]
            output += new
            start = cut + old.count
        }
        return .text(output + bytes[start...])
    }

    func join(_ value: RuntimeValue, separator: [UInt8]) throws(ChatTemplateError) -> RuntimeValue {
        var output: [UInt8] = []
        for (index, element) in try elements(of: value).enumerated() {
            try step()
            if index > 0 { output += separator }
            output += try printed(element)
            guard output.count <= TemplateLimits.textByteCount else { break }
        }
        return try text(output)
    }

    // MARK: Arguments

    func someText(_ arguments: inout ArgumentValues, _ name: String) throws(ChatTemplateError) -> [UInt8] {
        guard let text = try optionalText(&arguments, name) else { throw fail("the argument '\(name)' is missing") }
        return text
    }

    func optionalText(_ arguments: inout ArgumentValues, _ name: String) throws(ChatTemplateError) -> [UInt8]? {
        switch arguments.take(name) {
        case nil, .some(.none): return nil
        case .text(let bytes):
            try charge(reading: bytes.count)
            return bytes
        case let other?: throw fail("the argument '\(name)' is \(other.typeName), not a string")
        }
    }

    /// How often; unlimited when not given or below 0.
    func count(_ arguments: inout ArgumentValues, _ name: String) throws(ChatTemplateError) -> Int {
        guard let value = arguments.take(name) else { return .max }
        if case .none = value { return .max }
        guard let count = integer(value) else {
            throw fail("the argument '\(name)' is \(value.typeName), not a number")
        }
        return count < 0 ? .max : count
    }

    private func parts(_ value: RuntimeValue?, of name: String) throws(ChatTemplateError) -> [[UInt8]] {
        var parts: [[UInt8]] = []
        switch value {
        case .text(let bytes): parts = [bytes]
        case .list(let list):
            for element in list.elements {
                guard case .text(let bytes) = element else { throw fail("\(name) needs strings") }
                parts.append(bytes)
            }
        default: throw fail("\(name) needs a string")
        }
        return parts
    }
}

/// `str.isdigit` and its kin.
private enum TextClass {
    static func holds(_ name: String, _ bytes: [UInt8]) -> Bool {
        let scalars = String(decoding: bytes, as: UTF8.self).unicodeScalars
        guard !scalars.isEmpty else { return false }
        return switch name {
        case "isdigit": scalars.allSatisfy(isDigit)
        case "isalpha": scalars.allSatisfy(isLetter)
        case "isalnum": scalars.allSatisfy { isLetter($0) || $0.properties.numericType != nil }
        case "isspace": scalars.allSatisfy(TemplateText.isSpace)
        case "isupper":
            scalars.contains { $0.properties.isUppercase } && !scalars.contains { $0.properties.isLowercase }
        default: scalars.contains { $0.properties.isLowercase } && !scalars.contains { $0.properties.isUppercase }
        }
    }

    private static func isDigit(_ scalar: Unicode.Scalar) -> Bool {
        scalar.properties.numericType == .decimal || scalar.properties.numericType == .digit
    }

    private static func isLetter(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter: true
        default: false
        }
    }
}
