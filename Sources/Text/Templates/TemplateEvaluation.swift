import OrderedCollections

/// One run of a template: its scopes, what it has printed, and what it has cost so far. Used once, by one thread.
final class TemplateEvaluation {
    private enum Flow { case onward, breakLoop, continueLoop }

    let program: TemplateProgram
    let now: TemplateTime?
    /// The outermost scope first. Loops, macros and set blocks have their own; `if` has not.
    var scopes: [[String: RuntimeValue]] = [[:]]
    private var output: [UInt8] = []
    private var stepCount = 0
    private var workByteCount = 0
    private var depth = 0
    private var macroDepth = 0
    private var line = 0

    init(_ program: TemplateProgram, now: TemplateTime?) {
        self.program = program
        self.now = now
    }

    /// - Parameter variables: of equal names the last counts.
    func render(_ variables: [(name: String, value: TemplateValue)]) throws(ChatTemplateError) -> String {
        scopes[0].reserveCapacity(variables.count)
        for (name, value) in variables { scopes[0][name] = try runtimeValue(value, depth: 0) }
        _ = try run(program.body)
        return String(decoding: output, as: UTF8.self)
    }

    private func runtimeValue(_ value: TemplateValue, depth: Int) throws(ChatTemplateError) -> RuntimeValue {
        guard depth <= TemplateLimits.valueDepth else { throw tooDeep }
        switch value {
        case .none: return .none
        case .boolean(let value): return .boolean(value)
        case .integer(let value): return .integer(value)
        case .number(let value): return .number(value)
        case .string(let value): return .text(value)
        case .list(let values):
            var elements: [RuntimeValue] = []
            elements.reserveCapacity(values.count)
            for value in values { elements.append(try runtimeValue(value, depth: depth + 1)) }
            return try list(elements)
        case .mapping(let values):
            var entries: [(RuntimeMapping.Key, RuntimeValue)] = []
            entries.reserveCapacity(values.count)
            for entry in values {
                entries.append((.text(Array(entry.key.utf8)), try runtimeValue(entry.value, depth: depth + 1)))
            }
            return try mapping(entries)
        }
    }

    // MARK: Limits

    func fail(_ what: String) -> ChatTemplateError { .unsupported("line \(line) of the chat template: \(what)") }

    private func exceeded(_ what: String) -> ChatTemplateError {
        .limitExceeded("line \(line) of the chat template: \(what)")
    }

    private var tooDeep: ChatTemplateError {
        exceeded("lists are nested deeper than \(TemplateLimits.valueDepth)")
    }

    func step() throws(ChatTemplateError) {
        stepCount += 1
        guard stepCount <= TemplateLimits.stepCount else {
            throw exceeded("rendering takes more than \(TemplateLimits.stepCount) steps")
        }
    }

    /// Counts bytes that an operation reads.
    func charge(reading byteCount: Int) throws(ChatTemplateError) {
        // Neither addend is above the limit by more than an array can be long: no overflow.
        workByteCount += byteCount
        guard workByteCount <= TemplateLimits.workByteCount else {
            throw exceeded("rendering moves more than \(TemplateLimits.workByteCount) bytes")
        }
    }

    /// Counts bytes that an operation goes through one by one, looking each up: an order slower than copying.
    func studied(_ bytes: [UInt8]) throws(ChatTemplateError) -> [UInt8] {
        try charge(reading: bytes.count * 8)
        return bytes
    }

    /// Counts bytes that an operation is about to make, as one text or list.
    func charge(making byteCount: Int) throws(ChatTemplateError) {
        guard byteCount <= TemplateLimits.textByteCount else {
            throw exceeded("a text is longer than \(TemplateLimits.textByteCount) bytes")
        }
        try charge(reading: byteCount * 4)
    }

    func nested<T>(_ body: () throws(ChatTemplateError) -> T) throws(ChatTemplateError) -> T {
        try step()
        guard depth < TemplateLimits.evaluationDepth else {
            throw exceeded("evaluation is nested deeper than \(TemplateLimits.evaluationDepth)")
        }
        depth += 1
        defer { depth -= 1 }
        return try body()
    }

    // MARK: Making values

    func list(_ elements: [RuntimeValue], isTuple: Bool = false) throws(ChatTemplateError) -> RuntimeValue {
        try charge(making: elements.count * 16)
        return .list(RuntimeList(elements: elements, isTuple: isTuple, depth: try depth(over: elements)))
    }

    func mapping(_ pairs: [(RuntimeMapping.Key, RuntimeValue)]) throws(ChatTemplateError) -> RuntimeValue {
        try charge(making: pairs.count * 64)
        return .mapping(
            RuntimeMapping(
                entries: .init(pairs, uniquingKeysWith: { $1 }), depth: try depth(over: pairs.map { $0.1 })))
    }

    private func depth(over elements: [RuntimeValue]) throws(ChatTemplateError) -> Int {
        var depth = 0
        for element in elements {
            guard element.isData else { throw fail("\(element.typeName) cannot be put into a list or mapping") }
            depth = max(depth, element.depth)
        }
        guard depth < TemplateLimits.valueDepth else { throw tooDeep }
        return depth + 1
    }

    func text(_ bytes: [UInt8]) throws(ChatTemplateError) -> RuntimeValue {
        try charge(making: bytes.count)
        return .text(bytes)
    }

    // MARK: Statements

    private func run(_ statements: [Statement]) throws(ChatTemplateError) -> Flow {
        for statement in statements {
            line = statement.line
            let flow = try nested { () throws(ChatTemplateError) in try run(statement.kind) }
            if flow != .onward { return flow }
        }
        return .onward
    }

    private func run(_ statement: Statement.Kind) throws(ChatTemplateError) -> Flow {
        switch statement {
        case .data(let bytes): try emit(bytes)
        case .output(let expression): try emit(try printed(try evaluate(expression)))
        case .set(let target, let expression): try assign(try evaluate(expression), to: target)
        case .setBlock(let target, let filters, let body): try setBlock(target, filters, body)
        case .conditional(let branches, let otherwise):
            for branch in branches {
                if try evaluate(branch.test).isTrue { return try run(branch.body) }
            }
            return try run(otherwise)
        case .loop(let loop): return try run(loop)
        case .macro(let definition):
            scopes[scopes.count - 1][definition.name] = .macro(TemplateMacro(definition, scopes: nil))
        case .call(let expression, let caller):
            try emit(try printed(try call(expression, caller: TemplateMacro(caller, scopes: scopes))))
        case .group(let body): return try run(body)
        case .breakLoop: return .breakLoop
        case .continueLoop: return .continueLoop
        }
        return .onward
    }

    private func emit(_ bytes: [UInt8]) throws(ChatTemplateError) {
        guard output.count + bytes.count <= TemplateLimits.textByteCount else {
            throw exceeded("the output is longer than \(TemplateLimits.textByteCount) bytes")
        }
        try charge(reading: bytes.count)
        output += bytes
    }

    /// What `body` prints, in a scope of its own.
    private func captured(_ body: () throws(ChatTemplateError) -> Void) throws(ChatTemplateError) -> [UInt8] {
        let outer = output
        output = []
        defer { output = outer }
        try body()
        return output
    }

    private func setBlock(
        _ target: AssignmentTarget, _ filters: [FilterCall], _ body: [Statement]
    ) throws(ChatTemplateError) {
        scopes.append([:])
        defer { scopes.removeLast() }
        var value = try text(try captured { () throws(ChatTemplateError) in _ = try run(body) })
        for filter in filters { value = try self.filter(value, filter.name, try values(filter.arguments)) }
        let own = scopes.removeLast()
        defer { scopes.append(own) }
        try assign(value, to: target)
    }

    private func assign(_ value: RuntimeValue, to target: AssignmentTarget) throws(ChatTemplateError) {
        try step()
        switch target {
        case .name(let name): scopes[scopes.count - 1][name] = value
        case .attribute(let owner, let name):
            guard case .namespace(let namespace)? = lookUp(owner) else {
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

    func lookUp(_ name: String) -> RuntimeValue? {
        for scope in scopes.reversed() {
            if let value = scope[name] { return value }
        }
        return nil
    }

    private func run(_ loop: Loop) throws(ChatTemplateError) -> Flow {
        var elements = try self.elements(of: try evaluate(loop.elements))
        if let condition = loop.condition {
            var kept: [RuntimeValue] = []
            for element in elements {
                scopes.append([:])
                defer { scopes.removeLast() }
                try assign(element, to: loop.target)
                if try evaluate(condition).isTrue { kept.append(element) }
            }
            elements = kept
        }
        guard !elements.isEmpty else { return try run(loop.otherwise) }
        for (index, element) in elements.enumerated() {
            try step()
            let position = LoopPosition(index: index, elements: elements)
            scopes.append(["loop": .loop(position)])
            defer { scopes.removeLast() }
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
        scopes.append([:])
        defer {
            macroDepth -= 1
            // Macros assign only in their own scope, so the outer ones are as they were.
            (scopes, line) = outer
        }
        if let caller { scopes[scopes.count - 1]["caller"] = .macro(caller) }
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
            scopes[scopes.count - 1][parameter.name] = value
        }
        guard arguments.isEmpty else { throw fail("too many arguments for \(macro.definition.name)") }
        return try text(try captured { () throws(ChatTemplateError) in _ = try run(macro.definition.body) })
    }
}
