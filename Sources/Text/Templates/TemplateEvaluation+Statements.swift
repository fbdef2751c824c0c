/// What statements do: print, assign, branch and repeat.
extension TemplateEvaluation {
    func run(_ statements: [Statement]) throws(ChatTemplateError) -> Flow {
        for statement in statements {
            line = statement.line
            try enter()
            defer { leave() }
            let flow = try run(statement.kind)
            if flow != .onward { return flow }
        }
        return .onward
    }

    private func run(_ statement: Statement.Kind) throws(ChatTemplateError) -> Flow {
        switch statement {
        case .data(let bytes): try emit(bytes)
        case .output(let expression): try emit(expression)
        case .set(let target, let expression): try assign(try evaluate(expression), to: target)
        case .setBlock(let target, let filters, let body): try setBlock(target, filters, body)
        case .conditional(let branches, let otherwise):
            for branch in branches {
                if try evaluate(branch.test).isTrue { return try run(branch.body) }
            }
            return try run(otherwise)
        case .loop(let loop): return try run(loop)
        case .macro(let definition):
            scopes[scopes.count - 1].set(definition.name, .macro(TemplateMacro(definition, scopes: nil)))
        case .call(let expression, let caller):
            try emit(try printed(try call(expression, caller: TemplateMacro(caller, scopes: scopes))))
        case .group(let body): return try run(body)
        case .breakLoop: return .breakLoop
        case .continueLoop: return .continueLoop
        }
        return .onward
    }

    private func emit(_ bytes: [UInt8]) throws(ChatTemplateError) {
        guard output.byteCount + bytes.count <= TemplateLimits.textByteCount else {
            throw exceeded("the output is longer than \(TemplateLimits.textByteCount) bytes")
        }
        try charge(reading: bytes.count)
        output.bytes += bytes
    }

    private func emit(_ text: OpenText) throws(ChatTemplateError) {
        guard output.byteCount + text.byteCount <= TemplateLimits.textByteCount else {
            throw exceeded("the output is longer than \(TemplateLimits.textByteCount) bytes")
        }
        try charge(reading: text.byteCount)
        output += text
    }

    /// Prints what an expression gives. The parts of a sum of texts go out one by one, without the sum.
    private func emit(_ id: ExpressionID) throws(ChatTemplateError) {
        guard let rest = try emitText(id) else { return }
        try emit(try printed(rest))
    }

    /// - Returns: what the expression gives, unless that is a text: then it is printed.
    private func emitText(_ id: ExpressionID) throws(ChatTemplateError) -> RuntimeValue? {
        let value: RuntimeValue
        switch program.expressions[id] {
        case .text(let bytes):
            try enter()
            leave()
            try emit(bytes)
            return nil
        case .binary(.add, let left, let right):
            try enter()
            defer { leave() }
            // Once the left part is printed the right one must be a text: nothing else can be added to one.
            if let first = try emitText(left) {
                value = try binary(.add, first, try evaluate(right))
            } else if let second = try emitText(right) {
                value = try binary(.add, .text([]), second)
            } else {
                return nil
            }
        default: value = try evaluate(id)
        }
        switch value {
        case .text(let bytes): try emit(bytes)
        case .open(let text): try emit(text)
        default: return value
        }
        return nil
    }

    /// What `body` prints, in a scope of its own.
    private func captured(_ body: () throws(ChatTemplateError) -> Void) throws(ChatTemplateError) -> RuntimeValue {
        let outer = output
        output = OpenText()
        defer { output = outer }
        try body()
        return try text(output)
    }

    private func setBlock(
        _ target: AssignmentTarget, _ filters: [FilterCall], _ body: [Statement]
    ) throws(ChatTemplateError) {
        scopes.append(TemplateScope())
        defer { scopes.removeLast() }
        var value = try captured { () throws(ChatTemplateError) in _ = try run(body) }
        for filter in filters { value = try self.filter(value, filter.name, try values(filter.arguments)) }
        let own = scopes.removeLast()
        defer { scopes.append(own) }
        try assign(value, to: target)
    }

    private func assign(_ value: RuntimeValue, to target: AssignmentTarget) throws(ChatTemplateError) {
        try step()
        switch target {
        case .name(let name): scopes[scopes.count - 1].set(name, value)
        case .attribute(let owner, let name):
            guard case .namespace(let namespace)? = try lookUp(owner) else {
                throw fail("'\(owner)' is no namespace, so '\(owner).\(name)' cannot be set")
            }
            guard value.isData else { throw fail("\(value.typeName) cannot be put into a namespace") }
            namespace.values[name] = value
        case .tuple(let targets):
            let elements = try self.elements(of: value)
            guard elements.count == targets.count else {
                throw fail("\(elements.count) values cannot be unpacked into \(targets.count) names")
            }
            for (target, element) in zip(targets, elements) { try assign(element, to: target) }
        }
    }

    private func run(_ loop: Loop) throws(ChatTemplateError) -> Flow {
        var elements = try self.elements(of: try evaluate(loop.elements))
        if let condition = loop.condition {
            var kept: [RuntimeValue] = []
            for element in elements {
                scopes.append(TemplateScope())
                defer { scopes.removeLast() }
                try assign(element, to: loop.target)
                if try evaluate(condition).isTrue { kept.append(element) }
            }
            elements = kept
        }
        guard !elements.isEmpty else { return try run(loop.otherwise) }
        scopes.append(TemplateScope())
        defer { scopes.removeLast() }
        for (index, element) in elements.enumerated() {
            try step()
            let position = LoopPosition(index: index, elements: elements)
            scopes[scopes.count - 1].removeAll()
            scopes[scopes.count - 1].set("loop", .loop(position))
            try assign(element, to: loop.target)
            if try run(loop.body) == .breakLoop { break }
        }
        return .onward
    }

    /// Prints the macro's body with `arguments` as its parameters.
    func run(
        _ macro: TemplateMacro, _ arguments: ArgumentValues, caller: TemplateMacro?
    ) throws(ChatTemplateError) -> RuntimeValue {
        guard macroDepth < TemplateLimits.macroDepth else {
            throw exceeded("macros call each other deeper than \(TemplateLimits.macroDepth)")
        }
        let outer = (scopes: scopes, line: line)
        macroDepth += 1
        scopes = macro.scopes ?? [scopes[0]]
        scopes.append(TemplateScope())
        defer {
            macroDepth -= 1
            // Macros assign only in their own scope, so the outer ones are as they were.
            (scopes, line) = outer
        }
        if let caller { scopes[scopes.count - 1].set("caller", .macro(caller)) }
        var arguments = arguments
        for parameter in macro.definition.parameters {
            let value: RuntimeValue
            if let given = arguments.take(parameter.name) {
                value = given
            } else if let standard = parameter.standard {
                value = try evaluate(standard)
            } else {
                value = .undefined("the parameter '\(parameter.name)' of \(macro.definition.name) was not given")
            }
            scopes[scopes.count - 1].set(parameter.name, value)
        }
        guard arguments.isEmpty else { throw fail("too many arguments for \(macro.definition.name)") }
        return try captured { () throws(ChatTemplateError) in _ = try run(macro.definition.body) }
    }
}
