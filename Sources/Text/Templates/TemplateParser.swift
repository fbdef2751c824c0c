/// Parses tokens into a program: here the statements; expressions are in the extension.
struct TemplateParser {
    let tokens: [TemplateToken]
    var at = 0
    var program = TemplateProgram()
    /// Of each expression: how many lie within each other below it.
    var depths: [Int] = []
    private var nodeCount = 0
    private var depth = 0

    static func parse(_ source: String) throws(ChatTemplateError) -> TemplateProgram {
        var parser = TemplateParser(tokens: try TemplateLexer.tokens(of: source))
        parser.program.body = try parser.statements(until: []).body
        return parser.program
    }

    private init(tokens: [TemplateToken]) { self.tokens = tokens }

    // MARK: Tokens. The last one is `.end`, and nothing steps over it.

    var token: TemplateToken { tokens[at] }

    mutating func advance() { if at + 1 < tokens.count { at += 1 } }

    func isAt(_ symbol: TemplateToken.Symbol) -> Bool { token.kind == .symbol(symbol) }

    func isAt(name: String) -> Bool { token.kind == .name(name) }

    mutating func skip(_ symbol: TemplateToken.Symbol) -> Bool {
        guard isAt(symbol) else { return false }
        advance()
        return true
    }

    mutating func skip(name: String) -> Bool {
        guard isAt(name: name) else { return false }
        advance()
        return true
    }

    mutating func expect(_ kind: TemplateToken.Kind) throws(ChatTemplateError) {
        guard token.kind == kind else {
            throw fail("\(TemplateToken(kind: kind, line: 0).description) should stand before \(token.description)")
        }
        advance()
    }

    mutating func expectName() throws(ChatTemplateError) -> String {
        guard case .name(let name) = token.kind else { throw fail("a name should stand before \(token.description)") }
        advance()
        return name
    }

    func fail(_ what: String) -> ChatTemplateError { .unsupported("line \(token.line) of the chat template: \(what)") }

    // MARK: Limits

    mutating func count() throws(ChatTemplateError) {
        nodeCount += 1
        guard nodeCount <= TemplateLimits.nodeCount else {
            throw .limitExceeded("the chat template has more than \(TemplateLimits.nodeCount) parts")
        }
    }

    mutating func nested<T>(
        _ body: (inout TemplateParser) throws(ChatTemplateError) -> T
    ) throws(ChatTemplateError) -> T {
        guard depth < TemplateLimits.parseDepth else {
            throw .limitExceeded(
                "line \(token.line) of the chat template is nested deeper than \(TemplateLimits.parseDepth)")
        }
        depth += 1
        defer { depth -= 1 }
        return try body(&self)
    }

    // MARK: Statements

    /// Statements up to a block tag with one of the names, which is stepped over (but not what follows it in its tag).
    private mutating func statements(
        until ends: [String]
    ) throws(ChatTemplateError) -> (body: [Statement], end: String) {
        var body: [Statement] = []
        while true {
            let line = token.line
            switch token.kind {
            case .data(let bytes):
                advance()
                body.append(Statement(line: line, kind: .data(bytes)))
            case .outputBegin:
                advance()
                let value = try expressions()
                try expect(.outputEnd)
                body.append(Statement(line: line, kind: .output(value)))
            case .blockBegin:
                advance()
                let name = try expectName()
                if ends.contains(name) { return (body, name) }
                let kind = try nested { parser throws(ChatTemplateError) in try parser.statement(name) }
                body.append(Statement(line: line, kind: kind))
            default:
                guard ends.isEmpty else { throw fail("'\(ends.joined(separator: "' or '"))' is missing") }
                return (body, "")
            }
            try count()
        }
    }

    /// The body of a block, and its end.
    private mutating func body(until end: String) throws(ChatTemplateError) -> [Statement] {
        try expect(.blockEnd)
        let body = try statements(until: [end]).body
        // `{% endmacro name %}` and the like are allowed.
        if case .name = token.kind { advance() }
        try expect(.blockEnd)
        return body
    }

    private mutating func statement(_ name: String) throws(ChatTemplateError) -> Statement.Kind {
        switch name {
        case "if": return try conditional()
        case "for": return try loop()
        case "set": return try set()
        case "macro": return .macro(try macro())
        case "call": return try call()
        case "generation": return .group(try body(until: "endgeneration"))
        case "break", "continue":
            try expect(.blockEnd)
            return name == "break" ? .breakLoop : .continueLoop
        default: throw fail("the statement '\(name.prefix(40))' is not supported here")
        }
    }

    private mutating func conditional() throws(ChatTemplateError) -> Statement.Kind {
        var branches: [(test: ExpressionID, body: [Statement])] = []
        var otherwise: [Statement] = []
        while true {
            let test = try expressions()
            try expect(.blockEnd)
            let (body, end) = try statements(until: ["elif", "else", "endif"])
            branches.append((test, body))
            if end == "elif" { continue }
            if end == "else" {
                try expect(.blockEnd)
                otherwise = try statements(until: ["endif"]).body
            }
            try expect(.blockEnd)
            return .conditional(branches, otherwise: otherwise)
        }
    }

    private mutating func loop() throws(ChatTemplateError) -> Statement.Kind {
        let target = try target()
        try expect(.name("in"))
        let elements = try expressions(withConditional: false)
        let condition = skip(name: "if") ? try expression() : nil
        try expect(.blockEnd)
        var (body, end) = try statements(until: ["else", "endfor"])
        var otherwise: [Statement] = []
        if end == "else" {
            try expect(.blockEnd)
            (otherwise, end) = try statements(until: ["endfor"])
        }
        try expect(.blockEnd)
        return .loop(Loop(target: target, elements: elements, condition: condition, body: body, otherwise: otherwise))
    }

    private mutating func set() throws(ChatTemplateError) -> Statement.Kind {
        let target = try target()
        if skip(.assign) {
            let value = try expressions()
            try expect(.blockEnd)
            return .set(target, value)
        }
        var filters: [FilterCall] = []
        while skip(.pipe) { filters.append(try filterCall()) }
        return .setBlock(target, filters, try body(until: "endset"))
    }

    private mutating func macro() throws(ChatTemplateError) -> MacroDefinition {
        let name = try expectName()
        let parameters = try parameters()
        return MacroDefinition(name: name, parameters: parameters, body: try body(until: "endmacro"))
    }

    private mutating func call() throws(ChatTemplateError) -> Statement.Kind {
        let parameters = isAt(.leftParenthesis) ? try parameters() : []
        let callee = try expression()
        guard case .call = program.expressions[callee] else { throw fail("a call block has to call something") }
        return .call(
            callee, MacroDefinition(name: "caller", parameters: parameters, body: try body(until: "endcall")))
    }

    private mutating func parameters() throws(ChatTemplateError) -> [(name: String, standard: ExpressionID?)] {
        var parameters: [(name: String, standard: ExpressionID?)] = []
        try expect(.symbol(.leftParenthesis))
        while !skip(.rightParenthesis) {
            if !parameters.isEmpty { try expect(.symbol(.comma)) }
            if !parameters.isEmpty, skip(.rightParenthesis) { break }
            let name = try expectName()
            parameters.append((name, skip(.assign) ? try expression() : nil))
            try count()
        }
        return parameters
    }

    /// `name`, `a, b`, `(a, b)` or `namespace.name`.
    private mutating func target() throws(ChatTemplateError) -> AssignmentTarget {
        var targets = [try singleTarget()]
        var isTuple = false
        while skip(.comma) {
            isTuple = true
            guard isTargetStart else { break }
            targets.append(try singleTarget())
        }
        return isTuple ? .tuple(targets) : targets[0]
    }

    private var isTargetStart: Bool {
        switch token.kind {
        case .name("in"): false
        case .name, .symbol(.leftParenthesis): true
        default: false
        }
    }

    private mutating func singleTarget() throws(ChatTemplateError) -> AssignmentTarget {
        try count()
        if skip(.leftParenthesis) {
            let inner = try nested { parser throws(ChatTemplateError) in try parser.target() }
            try expect(.symbol(.rightParenthesis))
            return inner
        }
        let name = try expectName()
        guard skip(.dot) else { return .name(name) }
        return .attribute(of: name, try expectName())
    }
}
