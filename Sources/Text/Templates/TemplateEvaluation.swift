import OrderedCollections

/// One run of a template: its scopes, what it has printed, and what it has cost so far. Used once, by one thread.
final class TemplateEvaluation {
    private enum Flow { case onward, breakLoop, continueLoop }

    let program: TemplateProgram
    let now: TemplateTime?
    /// The outermost scope first. Loops, macros and set blocks have their own; `if` has not.
    var scopes = [TemplateScope()]
    /// What the outermost scope has besides, of equal names the last: made into values when somebody asks for them.
    private var given: [(name: String, value: TemplateValue)] = []
    private var output = OpenText()
    /// Leaves contents of messages open: see ``OpenText``.
    private let leavesOpen: Bool
    private var stepCount = 0
    private var workByteCount = 0
    private var depth = 0
    private var macroDepth = 0
    private var line = 0

    init(_ program: TemplateProgram, now: TemplateTime?, leavesOpen: Bool = false) {
        self.program = program
        self.now = now
        self.leavesOpen = leavesOpen
    }

    /// - Parameters:
    ///   - messages: the variable of that name, unless `variables` have one.
    ///   - variables: of equal names the last counts.
    func render(
        _ messages: [ChatMessage], _ variables: [(name: String, value: TemplateValue)]
    ) throws(ChatTemplateError) -> OpenText {
        given = variables
        var elements: [RuntimeValue] = []
        elements.reserveCapacity(messages.count)
        var byteCount = 0
        for (place, message) in messages.enumerated() {
            elements.append(try runtimeValue(message, at: place))
            byteCount += 64 + (message.content?.utf8.count ?? 0)
        }
        let all = try list(elements)
        if !variables.contains(where: { $0.name == "messages" }) { scopes[0].set("messages", all) }
        // What most templates make of the messages, without growing on the way.
        output.bytes.reserveCapacity(min(128 + byteCount, TemplateLimits.textByteCount))
        _ = try run(program.body)
        return output
    }

    private func runtimeValue(_ message: ChatMessage, at place: Int) throws(ChatTemplateError) -> RuntimeValue {
        var pairs: [(RuntimeMapping.Key, RuntimeValue)] = []
        pairs.reserveCapacity(5)
        pairs.append((.role, .text(message.role)))
        let content: RuntimeValue =
            leavesOpen ? .open(OpenText(contentOf: place)) : message.content.map { .text($0) } ?? .none
        pairs.append((.content, content))
        if let name = message.name { pairs.append((.text(Array("name".utf8)), .text(name))) }
        if let id = message.toolCallID { pairs.append((.text(Array("tool_call_id".utf8)), .text(id))) }
        if !message.toolCalls.isEmpty {
            let calls = try runtimeValue(.list(message.toolCalls.map(\.value)), depth: 2)
            pairs.append((.text(Array("tool_calls".utf8)), calls))
        }
        return try mapping(pairs)
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

    /// Goes one level deeper; `leave()` comes back.
    func enter() throws(ChatTemplateError) {
        try step()
        guard depth < TemplateLimits.evaluationDepth else {
            throw exceeded("evaluation is nested deeper than \(TemplateLimits.evaluationDepth)")
        }
        depth += 1
    }

    func leave() { depth -= 1 }

    // MARK: Making values

    func list(_ elements: [RuntimeValue], isTuple: Bool = false) throws(ChatTemplateError) -> RuntimeValue {
        try charge(making: elements.count * 16)
        return .list(RuntimeList(elements: elements, isTuple: isTuple, depth: try depth(over: elements)))
    }

    func mapping(_ pairs: [(RuntimeMapping.Key, RuntimeValue)]) throws(ChatTemplateError) -> RuntimeValue {
        try charge(making: pairs.count * 64)
        let depth = try depth(over: pairs.lazy.map { $0.1 })
        // Of equal keys the first counts for the place and the last for the value.
        var entries = OrderedDictionary<RuntimeMapping.Key, RuntimeValue>(minimumCapacity: pairs.count)
        for (key, value) in pairs { entries.updateValue(value, forKey: key) }
        return .mapping(RuntimeMapping(entries: entries, depth: depth))
    }

    private func depth(over elements: some Sequence<RuntimeValue>) throws(ChatTemplateError) -> Int {
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

    func text(_ text: OpenText) throws(ChatTemplateError) -> RuntimeValue {
        try charge(making: text.byteCount)
        return text.gaps.isEmpty ? .text(text.bytes) : .open(text)
    }

    /// Ends the run where something depends on a content that is left open.
    var looked: ChatTemplateError { fail("a content that is left open is looked into") }

    // MARK: Statements

    private func run(_ statements: [Statement]) throws(ChatTemplateError) -> Flow {
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

    func lookUp(_ name: String) throws(ChatTemplateError) -> RuntimeValue? {
        var depth = scopes.count
        while depth > 0 {
            depth -= 1
            if let value = scopes[depth][name] { return value }
        }
        guard let place = given.lastIndex(where: { $0.name == name }) else { return nil }
        let value = try runtimeValue(given[place].value, depth: 0)
        scopes[0].set(name, value)
        return value
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
