import OrderedCollections

/// One run of a template: its scopes, what it has printed, and what it has cost so far. Used once, by one thread.
final class TemplateEvaluation {
    enum Flow { case onward, breakLoop, continueLoop }

    let program: TemplateProgram
    let now: TemplateTime?
    /// The outermost scope first. Loops, macros and set blocks have their own; `if` has not.
    var scopes = [TemplateScope()]
    /// What the outermost scope has besides, of equal names the last: made into values when somebody asks for them.
    private var given: [(name: String, value: TemplateValue)] = []
    var output = OpenText()
    /// Leaves contents of messages open: see ``OpenText``.
    private let leavesOpen: Bool
    private var stepCount = 0
    private var workByteCount = 0
    private var depth = 0
    var macroDepth = 0
    var line = 0

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

    func exceeded(_ what: String) -> ChatTemplateError {
        .limitExceeded("line \(line) of the chat template: \(what)")
    }

    var tooDeep: ChatTemplateError {
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

    // MARK: Names

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
}
