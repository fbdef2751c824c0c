import OrderedCollections

extension TemplateEvaluation {
    func evaluate(_ id: ExpressionID) throws(ChatTemplateError) -> RuntimeValue {
        try enter()
        defer { leave() }
        return switch program.expressions[id] {
        case .text(let bytes): .text(bytes)
        case .integer(let value): .integer(value)
        case .number(let value): .number(value)
        case .boolean(let value): .boolean(value)
        case .none: .none
        case .name(let name): try variable(name)
        case .list(let ids): try list(try values(ids))
        case .tuple(let ids): try list(try values(ids), isTuple: true)
        case .mapping(let entries): try mapping(entries)
        case .attribute(let owner, let name): try attribute(name, of: try evaluate(owner))
        case .item(let owner, let key): try item(try evaluate(key), of: try evaluate(owner))
        case .slice(let owner, let from, let to, let step): try slice(owner, from, to, step)
        case .call: try call(id, caller: nil)
        case .filter(let value, let call): try filter(try evaluate(value), call.name, try values(call.arguments))
        case .test(let value, let name, let arguments):
            .boolean(try test(try evaluate(value), name, try values(arguments)))
        case .not(let operand): .boolean(!(try evaluate(operand).isTrue))
        case .negative(let operand): try negative(try evaluate(operand))
        case .positive(let operand): try positive(try evaluate(operand))
        case .binary(let operation, let left, let right):
            try binary(operation, try evaluate(left), try evaluate(right))
        case .and(let left, let right): try both(left, right)
        case .or(let left, let right): try either(left, right)
        case .comparison(let first, let links): try comparison(first, links)
        case .conditional(let test, let then, let otherwise): try conditional(test, then, otherwise)
        }
    }

    func values(_ ids: [ExpressionID]) throws(ChatTemplateError) -> [RuntimeValue] {
        var values: [RuntimeValue] = []
        values.reserveCapacity(ids.count)
        for id in ids { values.append(try evaluate(id)) }
        return values
    }

    func values(_ arguments: Arguments) throws(ChatTemplateError) -> ArgumentValues {
        var named: OrderedDictionary<String, RuntimeValue> = [:]
        for argument in arguments.named {
            guard named.updateValue(try evaluate(argument.value), forKey: argument.name) == nil else {
                throw fail("the argument '\(argument.name)' is given twice")
            }
        }
        return ArgumentValues(try values(arguments.positional), named: named)
    }

    private func variable(_ name: String) throws(ChatTemplateError) -> RuntimeValue {
        if let value = try lookUp(name) { return value }
        guard let function = TemplateFunction(rawValue: name), function != .timeNow || now != nil else {
            return .undefined("'\(name)' is undefined")
        }
        return .function(function)
    }

    private func mapping(
        _ entries: [(key: ExpressionID, value: ExpressionID)]
    ) throws(ChatTemplateError) -> RuntimeValue {
        var pairs: [(RuntimeMapping.Key, RuntimeValue)] = []
        for entry in entries { pairs.append((try key(try evaluate(entry.key)), try evaluate(entry.value))) }
        return try mapping(pairs)
    }

    func key(_ value: RuntimeValue) throws(ChatTemplateError) -> RuntimeMapping.Key {
        guard let key = RuntimeMapping.Key(value) else { throw fail("\(value.typeName) cannot be a key") }
        try charge(reading: value.byteCount)
        return key
    }

    private func both(_ left: ExpressionID, _ right: ExpressionID) throws(ChatTemplateError) -> RuntimeValue {
        let first = try evaluate(left)
        return first.isTrue ? try evaluate(right) : first
    }

    private func either(_ left: ExpressionID, _ right: ExpressionID) throws(ChatTemplateError) -> RuntimeValue {
        let first = try evaluate(left)
        return first.isTrue ? first : try evaluate(right)
    }

    private func conditional(
        _ test: ExpressionID, _ then: ExpressionID, _ otherwise: ExpressionID?
    ) throws(ChatTemplateError) -> RuntimeValue {
        if try evaluate(test).isTrue { return try evaluate(then) }
        guard let otherwise else { return .undefined("the inline if has no else") }
        return try evaluate(otherwise)
    }

    private func comparison(
        _ first: ExpressionID, _ links: [(test: Comparison, operand: ExpressionID)]
    ) throws(ChatTemplateError) -> RuntimeValue {
        var left = try evaluate(first)
        for link in links {
            let right = try evaluate(link.operand)
            guard try compare(left, link.test, right) else { return .boolean(false) }
            left = right
        }
        return .boolean(true)
    }

    // MARK: Attributes and items

    func attribute(_ name: String, of owner: RuntimeValue) throws(ChatTemplateError) -> RuntimeValue {
        switch owner {
        case .undefined(let why): throw fail(why)
        case .mapping(let mapping): return mapping.entries[.text(Array(name.utf8))] ?? missing(name, of: owner)
        case .namespace(let namespace): return namespace.values[name] ?? missing(name, of: owner)
        case .loop(let loop): return loop.attribute(name) ?? missing(name, of: owner)
        default: return missing(name, of: owner)
        }
    }

    private func missing(_ name: String, of owner: RuntimeValue) -> RuntimeValue {
        .undefined("\(owner.typeName) has no '\(name.prefix(80))'")
    }

    func item(_ key: RuntimeValue, of owner: RuntimeValue) throws(ChatTemplateError) -> RuntimeValue {
        switch (owner, key) {
        case (.open, _), (_, .open): throw looked
        case (.undefined(let why), _): throw fail(why)
        case (.mapping(let mapping), _):
            guard let key = RuntimeMapping.Key(key) else { return missing("a key of \(key.typeName)", of: owner) }
            try charge(reading: key.value.byteCount)
            return mapping.entries[key] ?? missing("key", of: owner)
        case (.namespace, .text(let name)), (.loop, .text(let name)):
            return try attribute(String(decoding: name, as: UTF8.self), of: owner)
        case (.list(let list), .integer(let index)):
            let position = index < 0 ? list.elements.count + index : index
            return list.elements.indices.contains(position) ? list.elements[position] : missing("\(index)", of: owner)
        case (.text(let bytes), .integer(let index)):
            let scalars = ScalarOffsets(try studied(bytes))
            let position = index < 0 ? scalars.count + index : index
            guard position >= 0, position < scalars.count else { return missing("\(index)", of: owner) }
            return .text(Array(bytes[scalars.range(position..<position + 1)]))
        default: return missing("such item", of: owner)
        }
    }

    private func slice(
        _ owner: ExpressionID, _ from: ExpressionID?, _ to: ExpressionID?, _ step: ExpressionID?
    ) throws(ChatTemplateError) -> RuntimeValue {
        let owner = try evaluate(owner)
        let bounds = (from: try bound(from), to: try bound(to), step: try bound(step) ?? 1)
        guard bounds.step != 0 else { throw fail("a slice cannot have the step 0") }
        try charge(reading: owner.byteCount)
        switch owner {
        case .list(let values):
            let indices = SliceIndices.of(count: values.elements.count, bounds.from, bounds.to, bounds.step)
            return try list(indices.map { values.elements[$0] }, isTuple: values.isTuple)
        case .text(let bytes):
            let scalars = ScalarOffsets(try studied(bytes))
            let indices = SliceIndices.of(count: scalars.count, bounds.from, bounds.to, bounds.step)
            if bounds.step == 1, let first = indices.first, let last = indices.last {
                return try text(Array(bytes[scalars.range(first..<last + 1)]))
            }
            return try text(indices.flatMap { bytes[scalars.range($0..<$0 + 1)] })
        case .undefined(let why): throw fail(why)
        default: throw fail("\(owner.typeName) cannot be sliced")
        }
    }

    private func bound(_ id: ExpressionID?) throws(ChatTemplateError) -> Int? {
        guard let id else { return nil }
        switch try evaluate(id) {
        case .none: return nil
        case .integer(let value): return value
        case let value: throw fail("\(value.typeName) cannot bound a slice")
        }
    }

    /// What a loop goes over: elements, keys of a mapping, characters of a text.
    func elements(of value: RuntimeValue) throws(ChatTemplateError) -> [RuntimeValue] {
        switch value {
        case .list(let list): return list.elements
        case .mapping(let mapping):
            try charge(making: mapping.entries.count * 16)
            return mapping.entries.keys.map(\.value)
        case .text(let bytes):
            let scalars = ScalarOffsets(bytes)
            // An element takes this much, its array of bytes included.
            try charge(making: scalars.count * 48)
            return (0..<scalars.count).map { .text(Array(bytes[scalars.range($0..<$0 + 1)])) }
        case .undefined: return []
        default: throw fail("\(value.typeName) cannot be looped over")
        }
    }
}
