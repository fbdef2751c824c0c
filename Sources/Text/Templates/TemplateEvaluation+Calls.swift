import OrderedCollections

extension TemplateEvaluation {
    /// A call of a macro, function or method. What stands before the parentheses is no value of its own when it names
    /// a method: there is nothing to reflect on.
    func call(_ id: ExpressionID, caller: TemplateMacro?) throws(ChatTemplateError) -> RuntimeValue {
        guard case .call(let callee, let arguments) = program.expressions[id] else { throw fail("nothing to call") }
        if case .attribute(let owner, let name) = program.expressions[callee] {
            let owner = try evaluate(owner)
            let values = try values(arguments)
            if let result = try method(name, of: owner, values) { return result }
            return try call(try attribute(name, of: owner), name, values, caller)
        }
        let function = try evaluate(callee)
        let name = if case .name(let name) = program.expressions[callee] { name } else { "this" }
        return try call(function, name, try values(arguments), caller)
    }

    private func call(
        _ function: RuntimeValue, _ name: String, _ arguments: ArgumentValues, _ caller: TemplateMacro?
    ) throws(ChatTemplateError) -> RuntimeValue {
        switch function {
        case .macro(let macro):
            try enter()
            defer { leave() }
            return try run(macro, arguments, caller: caller)
        case .function(let function): return try call(function, arguments)
        case .undefined(let why): throw fail("\(why), so it cannot be called")
        default: throw fail("'\(name.prefix(80))' is \(function.typeName) and cannot be called")
        }
    }

    private func call(
        _ function: TemplateFunction, _ given: ArgumentValues
    ) throws(ChatTemplateError) -> RuntimeValue {
        var arguments = given
        let result: RuntimeValue
        switch function {
        case .raiseException:
            throw .refused(String(decoding: try printed(arguments.take("message") ?? .none), as: UTF8.self))
        case .range: result = try range(arguments.takeAll())
        case .namespace:
            let namespace = TemplateNamespace()
            for (name, value) in try entries(&arguments) { namespace.values[name] = value }
            result = .namespace(namespace)
        case .dict:
            result = try mapping(try entries(&arguments).map { (.text(Array($0.utf8)), $1) })
        case .timeNow:
            guard let now, case .text(let format)? = arguments.take("format") else {
                throw fail("strftime_now needs a format")
            }
            guard let printed = now.formatted(format) else { throw fail("strftime_now does not know this format") }
            result = try text(printed)
        }
        guard arguments.isEmpty else { throw fail("too many arguments for \(function.rawValue)") }
        return result
    }

    /// The mapping given first, if there is one, and then named arguments in their order.
    private func entries(_ arguments: inout ArgumentValues) throws(ChatTemplateError) -> [(String, RuntimeValue)] {
        var entries: [(String, RuntimeValue)] = []
        if case .mapping(let mapping)? = arguments.positional.first {
            _ = arguments.take("")
            for (key, value) in mapping.entries {
                guard case .text(let name) = key else { throw fail("a key is no string") }
                entries.append((String(decoding: name, as: UTF8.self), value))
            }
        }
        for (name, value) in arguments.takeNamed() {
            guard value.isData else { throw fail("\(value.typeName) cannot be put into a namespace or mapping") }
            entries.append((name, value))
        }
        return entries
    }

    private func range(_ given: [RuntimeValue]) throws(ChatTemplateError) -> RuntimeValue {
        let bounds = given.compactMap(integer)
        guard bounds.count == given.count, (1...3).contains(bounds.count) else {
            throw fail("range needs 1 to 3 numbers")
        }
        let (from, to) = bounds.count == 1 ? (0, bounds[0]) : (bounds[0], bounds[1])
        let step = bounds.count == 3 ? bounds[2] : 1
        guard step != 0 else { throw fail("range cannot have the step 0") }
        var elements: [RuntimeValue] = []
        for value in stride(from: from, to: to, by: step) {
            guard elements.count < TemplateLimits.rangeCount else {
                throw .limitExceeded("the chat template asks for a range of more than \(TemplateLimits.rangeCount)")
            }
            elements.append(.integer(value))
        }
        return try list(elements)
    }
}
