import OrderedCollections

/// Filters of lists and mappings. Where Jinja gives a generator, this gives a list.
extension TemplateEvaluation {
    func listFilter(
        _ value: RuntimeValue, _ name: String, _ arguments: inout ArgumentValues
    ) throws(ChatTemplateError) -> RuntimeValue? {
        switch name {
        case "length", "count": return .integer(try length(value))
        case "first", "last":
            let elements = try elements(of: value)
            return (name == "first" ? elements.first : elements.last) ?? .undefined("there is no \(name) element")
        case "list": return try list(try elements(of: value))
        case "join":
            let separator = arguments.take("d")
            var elements = value
            if let attribute = arguments.take("attribute") { elements = try mapped(value, attribute, standard: nil) }
            return try join(elements, separator: try printed(separator ?? .text([])))
        case "reverse":
            if case .text(let bytes) = value {
                let scalars = ScalarOffsets(try studied(bytes))
                return try text((0..<scalars.count).reversed().flatMap { bytes[scalars.range($0..<$0 + 1)] })
            }
            return try list(try elements(of: value).reversed())
        case "items":
            if case .undefined = value { return try list([]) }
            guard case .mapping(let mapping) = value else { throw fail("\(value.typeName) has no items") }
            return try items(mapping)
        case "dictsort": return try sortedItems(value, &arguments)
        case "sort": return try sorted(value, &arguments)
        case "unique": return try unique(value, &arguments)
        case "min", "max": return try extreme(value, isMax: name == "max")
        case "sum":
            var sum = RuntimeValue.integer(0)
            for element in try elements(of: value) { sum = try binary(.add, sum, element) }
            return sum
        case "map": return try map(value, &arguments)
        case "select", "reject", "selectattr", "rejectattr": return try selected(value, name, &arguments)
        default: return nil
        }
    }

    func length(_ value: RuntimeValue) throws(ChatTemplateError) -> Int {
        switch value {
        case .text(let bytes): return bytes.count { $0 & 0xC0 != 0x80 }
        case .list(let list): return list.elements.count
        case .mapping(let mapping): return mapping.entries.count
        case .undefined: return 0
        default: throw fail("\(value.typeName) has no length")
        }
    }

    /// What a dotted path such as `function.name` or an index leads to; the value itself without a path.
    private func follow(_ path: RuntimeValue?, from value: RuntimeValue) throws(ChatTemplateError) -> RuntimeValue {
        guard let path else { return value }
        guard case .text(let bytes) = path else { return try item(path, of: value) }
        var value = value
        for part in bytes.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false) {
            try step()
            let name = String(decoding: part, as: UTF8.self)
            value = try item(Int(name).map { .integer($0) } ?? .text(name), of: value)
        }
        return value
    }

    private func mapped(
        _ value: RuntimeValue, _ attribute: RuntimeValue, standard: RuntimeValue?
    ) throws(ChatTemplateError) -> RuntimeValue {
        var results: [RuntimeValue] = []
        for element in try elements(of: value) {
            let found = try follow(attribute, from: element)
            if case .undefined = found, let standard { results.append(standard) } else { results.append(found) }
        }
        return try list(results)
    }

    private func map(
        _ value: RuntimeValue, _ arguments: inout ArgumentValues
    ) throws(ChatTemplateError) -> RuntimeValue {
        if arguments.positional.isEmpty, let attribute = arguments.take("attribute") {
            return try mapped(value, attribute, standard: arguments.take("default"))
        }
        let filter = String(decoding: try someText(&arguments, "filter"), as: UTF8.self)
        let inner = ArgumentValues(arguments.takeAll(), named: arguments.takeNamed())
        var results: [RuntimeValue] = []
        for element in try elements(of: value) { results.append(try self.filter(element, filter, inner)) }
        return try list(results)
    }

    private func selected(
        _ value: RuntimeValue, _ name: String, _ arguments: inout ArgumentValues
    ) throws(ChatTemplateError) -> RuntimeValue {
        let attribute = name.hasSuffix("attr") ? arguments.take("attribute") : nil
        if name.hasSuffix("attr"), attribute == nil { throw fail("\(name) needs an attribute") }
        let test = try optionalText(&arguments, "test").map { String(decoding: $0, as: UTF8.self) }
        let inner = ArgumentValues(arguments.takeAll(), named: arguments.takeNamed())
        var kept: [RuntimeValue] = []
        for element in try elements(of: value) {
            try step()
            let subject = try follow(attribute, from: element)
            let holds = if let test { try self.test(subject, test, inner) } else { subject.isTrue }
            if holds == name.hasPrefix("select") { kept.append(element) }
        }
        return try list(kept)
    }

    // MARK: Order

    private func foldedCase(_ value: RuntimeValue) throws(ChatTemplateError) -> RuntimeValue {
        guard case .text(let bytes) = value else { return value }
        return try text(TemplateText.lowercased(try studied(bytes)))
    }

    /// Stable, by merging: a comparison can fail, and it costs steps.
    private func sorted(
        _ pairs: [(key: RuntimeValue, value: RuntimeValue)], isReversed: Bool
    ) throws(ChatTemplateError) -> [RuntimeValue] {
        var runs = pairs.map { [$0] }
        while runs.count > 1 {
            var merged: [[(key: RuntimeValue, value: RuntimeValue)]] = []
            for start in stride(from: 0, to: runs.count, by: 2) {
                guard start + 1 < runs.count else {
                    merged.append(runs[start])
                    continue
                }
                var (left, right) = (runs[start][...], runs[start + 1][...])
                var run: [(key: RuntimeValue, value: RuntimeValue)] = []
                while let first = left.first, let second = right.first {
                    try step()
                    let order = try order(first.key, second.key)
                    let takesRight = isReversed ? order < 0 : order > 0
                    run.append(takesRight ? second : first)
                    if takesRight { right.removeFirst() } else { left.removeFirst() }
                }
                merged.append(run + left + right)
            }
            runs = merged
        }
        return runs.first?.map(\.value) ?? []
    }

    private func sorted(
        _ value: RuntimeValue, _ arguments: inout ArgumentValues
    ) throws(ChatTemplateError) -> RuntimeValue {
        let isReversed = arguments.take("reverse")?.isTrue ?? false
        let isCaseSensitive = arguments.take("case_sensitive")?.isTrue ?? false
        let attribute = arguments.take("attribute")
        var pairs: [(key: RuntimeValue, value: RuntimeValue)] = []
        for element in try elements(of: value) {
            try step()
            let key = try follow(attribute, from: element)
            pairs.append((isCaseSensitive ? key : try foldedCase(key), element))
        }
        return try list(try sorted(pairs, isReversed: isReversed))
    }

    private func sortedItems(
        _ value: RuntimeValue, _ arguments: inout ArgumentValues
    ) throws(ChatTemplateError) -> RuntimeValue {
        guard case .mapping(let mapping) = value else { throw fail("\(value.typeName) has no items") }
        let isCaseSensitive = arguments.take("case_sensitive")?.isTrue ?? false
        let isByValue = try optionalText(&arguments, "by") == Array("value".utf8)
        let isReversed = arguments.take("reverse")?.isTrue ?? false
        var pairs: [(key: RuntimeValue, value: RuntimeValue)] = []
        for (key, value) in mapping.entries {
            let subject = isByValue ? value : key.value
            pairs.append(
                (isCaseSensitive ? subject : try foldedCase(subject), try list([key.value, value], isTuple: true)))
        }
        return try list(try sorted(pairs, isReversed: isReversed))
    }

    private func unique(
        _ value: RuntimeValue, _ arguments: inout ArgumentValues
    ) throws(ChatTemplateError) -> RuntimeValue {
        let isCaseSensitive = arguments.take("case_sensitive")?.isTrue ?? false
        let attribute = arguments.take("attribute")
        var keys: [RuntimeValue] = []
        var kept: [RuntimeValue] = []
        for element in try elements(of: value) {
            var key = try follow(attribute, from: element)
            if !isCaseSensitive { key = try foldedCase(key) }
            guard try !contains(.list(RuntimeList(elements: keys, isTuple: false, depth: 1)), key) else { continue }
            keys.append(key)
            kept.append(element)
        }
        return try list(kept)
    }

    private func extreme(_ value: RuntimeValue, isMax: Bool) throws(ChatTemplateError) -> RuntimeValue {
        var best: RuntimeValue?
        for element in try elements(of: value) {
            try step()
            guard let known = best else {
                best = element
                continue
            }
            let order = try order(try foldedCase(element), try foldedCase(known))
            if isMax ? order > 0 : order < 0 { best = element }
        }
        return best ?? .undefined("the list is empty")
    }
}
