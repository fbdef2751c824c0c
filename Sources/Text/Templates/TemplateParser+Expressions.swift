/// Expressions, in Jinja's order of precedence: conditional, or, and, not, comparisons, + and -, ~, * / // %, **, signs,
/// then filters and tests, then attributes, items and calls.
extension TemplateParser {
    private mutating func add(_ expression: Expression, over children: [ExpressionID]) throws(ChatTemplateError)
        -> ExpressionID
    {
        try count()
        let depth = (children.map { depths[$0] }.max() ?? 0) + 1
        guard depth <= TemplateLimits.expressionDepth else {
            throw .limitExceeded(
                "line \(token.line) of the chat template has an expression deeper than \(TemplateLimits.expressionDepth)"
            )
        }
        program.expressions.append(expression)
        depths.append(depth)
        return program.expressions.count - 1
    }

    /// One expression, or several with commas between, which make a tuple.
    mutating func expressions(withConditional: Bool = true) throws(ChatTemplateError) -> ExpressionID {
        var elements = [try expression(withConditional: withConditional)]
        guard isAt(.comma) else { return elements[0] }
        while skip(.comma), isExpressionStart { elements.append(try expression(withConditional: withConditional)) }
        return try add(.tuple(elements), over: elements)
    }

    private var isExpressionStart: Bool {
        switch token.kind {
        case .outputEnd, .blockEnd, .end, .symbol(.rightParenthesis), .symbol(.rightBracket), .symbol(.assign): false
        case .name("if"): false
        default: true
        }
    }

    mutating func expression(withConditional: Bool = true) throws(ChatTemplateError) -> ExpressionID {
        try nested { parser throws(ChatTemplateError) in
            var value = try parser.or()
            guard withConditional else { return value }
            while parser.skip(name: "if") {
                let test = try parser.or()
                let otherwise = parser.skip(name: "else") ? try parser.expression() : nil
                value = try parser.add(
                    .conditional(test: test, then: value, otherwise: otherwise),
                    over: [value, test] + (otherwise.map { [$0] } ?? []))
            }
            return value
        }
    }

    private mutating func or() throws(ChatTemplateError) -> ExpressionID {
        var left = try and()
        while skip(name: "or") {
            let right = try and()
            left = try add(.or(left, right), over: [left, right])
        }
        return left
    }

    private mutating func and() throws(ChatTemplateError) -> ExpressionID {
        var left = try not()
        while skip(name: "and") {
            let right = try not()
            left = try add(.and(left, right), over: [left, right])
        }
        return left
    }

    private mutating func not() throws(ChatTemplateError) -> ExpressionID {
        guard skip(name: "not") else { return try comparison() }
        let operand = try nested { parser throws(ChatTemplateError) in try parser.not() }
        return try add(.not(operand), over: [operand])
    }

    private mutating func comparison() throws(ChatTemplateError) -> ExpressionID {
        let first = try sum()
        var links: [(test: Comparison, operand: ExpressionID)] = []
        while let test = comparisonOperator() { links.append((test, try sum())) }
        return links.isEmpty ? first : try add(.comparison(first, links), over: [first] + links.map(\.operand))
    }

    private mutating func comparisonOperator() -> Comparison? {
        let found: Comparison
        switch token.kind {
        case .symbol(.equal): found = .equal
        case .symbol(.unequal): found = .unequal
        case .symbol(.less): found = .less
        case .symbol(.lessOrEqual): found = .lessOrEqual
        case .symbol(.greater): found = .greater
        case .symbol(.greaterOrEqual): found = .greaterOrEqual
        case .name("in"): found = .isIn
        case .name("not") where tokens.indices.contains(at + 1) && tokens[at + 1].kind == .name("in"):
            advance()
            found = .isNotIn
        default: return nil
        }
        advance()
        return found
    }

    private mutating func chain(
        _ operators: [TemplateToken.Symbol: BinaryOperator],
        of operand: (inout TemplateParser) throws(ChatTemplateError) -> ExpressionID
    ) throws(ChatTemplateError) -> ExpressionID {
        var left = try operand(&self)
        while case .symbol(let symbol) = token.kind, let found = operators[symbol] {
            advance()
            let right = try operand(&self)
            left = try add(.binary(found, left, right), over: [left, right])
        }
        return left
    }

    private mutating func sum() throws(ChatTemplateError) -> ExpressionID {
        try chain([.plus: .add, .minus: .subtract]) { parser throws(ChatTemplateError) in try parser.concatenation() }
    }

    private mutating func concatenation() throws(ChatTemplateError) -> ExpressionID {
        try chain([.tilde: .concatenate]) { parser throws(ChatTemplateError) in try parser.product() }
    }

    private mutating func product() throws(ChatTemplateError) -> ExpressionID {
        try chain([.times: .multiply, .divide: .divide, .floorDivide: .floorDivide, .remainder: .remainder]) {
            parser throws(ChatTemplateError) in try parser.power()
        }
    }

    private mutating func power() throws(ChatTemplateError) -> ExpressionID {
        try chain([.power: .power]) { parser throws(ChatTemplateError) in try parser.unary() }
    }

    private mutating func unary(withFilters: Bool = true) throws(ChatTemplateError) -> ExpressionID {
        var value: ExpressionID
        if skip(.minus) {
            let operand = try nested { parser throws(ChatTemplateError) in try parser.unary(withFilters: false) }
            value = try add(.negative(operand), over: [operand])
        } else if skip(.plus) {
            let operand = try nested { parser throws(ChatTemplateError) in try parser.unary(withFilters: false) }
            value = try add(.positive(operand), over: [operand])
        } else {
            value = try primary()
        }
        value = try postfix(value)
        return withFilters ? try filters(value) : value
    }

    private mutating func primary() throws(ChatTemplateError) -> ExpressionID {
        switch token.kind {
        case .name(let name):
            advance()
            switch name {
            case "true", "True": return try add(.boolean(true), over: [])
            case "false", "False": return try add(.boolean(false), over: [])
            case "none", "None": return try add(.none, over: [])
            default: return try add(.name(name), over: [])
            }
        case .text(var bytes):
            advance()
            // Neighbouring literals are one.
            while case .text(let more) = token.kind {
                bytes += more
                advance()
            }
            return try add(.text(bytes), over: [])
        case .integer(let value):
            advance()
            return try add(.integer(value), over: [])
        case .number(let value):
            advance()
            return try add(.number(value), over: [])
        case .symbol(.leftParenthesis):
            advance()
            if skip(.rightParenthesis) { return try add(.tuple([]), over: []) }
            let inner = try expressions()
            try expect(.symbol(.rightParenthesis))
            return inner
        case .symbol(.leftBracket):
            advance()
            return try list()
        case .symbol(.leftBrace):
            advance()
            return try mapping()
        default: throw fail("an expression should stand before \(token.description)")
        }
    }

    private mutating func list() throws(ChatTemplateError) -> ExpressionID {
        var elements: [ExpressionID] = []
        while !skip(.rightBracket) {
            if !elements.isEmpty { try expect(.symbol(.comma)) }
            if !elements.isEmpty, skip(.rightBracket) { break }
            elements.append(try expression())
        }
        return try add(.list(elements), over: elements)
    }

    private mutating func mapping() throws(ChatTemplateError) -> ExpressionID {
        var entries: [(key: ExpressionID, value: ExpressionID)] = []
        while !skip(.rightBrace) {
            if !entries.isEmpty { try expect(.symbol(.comma)) }
            if !entries.isEmpty, skip(.rightBrace) { break }
            let key = try expression()
            try expect(.symbol(.colon))
            entries.append((key, try expression()))
        }
        return try add(.mapping(entries), over: entries.flatMap { [$0.key, $0.value] })
    }

    private mutating func postfix(_ start: ExpressionID) throws(ChatTemplateError) -> ExpressionID {
        var value = start
        while true {
            if skip(.dot) {
                switch token.kind {
                case .name(let name):
                    advance()
                    value = try add(.attribute(value, name), over: [value])
                case .integer(let index):
                    advance()
                    let item = try add(.integer(index), over: [])
                    value = try add(.item(value, item), over: [value, item])
                default: throw fail("a name should stand before \(token.description)")
                }
            } else if skip(.leftBracket) {
                value = try item(of: value)
            } else if isAt(.leftParenthesis) {
                let arguments = try arguments()
                value = try add(.call(value, arguments), over: [value] + children(arguments))
            } else {
                return value
            }
        }
    }

    /// What stands in brackets: an item, or `from:to:step`.
    private mutating func item(of value: ExpressionID) throws(ChatTemplateError) -> ExpressionID {
        var parts: [ExpressionID?] = []
        var colonCount = 0
        while !skip(.rightBracket) {
            if skip(.colon) {
                colonCount += 1
                while parts.count < colonCount { parts.append(nil) }
            } else if parts.count == colonCount {
                parts.append(try expression())
            } else {
                throw fail("']' should stand before \(token.description)")
            }
        }
        if colonCount == 0, parts.count == 1, let index = parts[0] {
            return try add(.item(value, index), over: [value, index])
        }
        guard (1...2).contains(colonCount) else { throw fail("brackets need an index or 'from:to:step'") }
        while parts.count < 3 { parts.append(nil) }
        return try add(
            .slice(value, from: parts[0], to: parts[1], step: parts[2]), over: [value] + parts.compactMap { $0 })
    }

    private func children(_ arguments: Arguments) -> [ExpressionID] {
        arguments.positional + arguments.named.map(\.value)
    }

    private mutating func arguments() throws(ChatTemplateError) -> Arguments {
        var arguments = Arguments()
        try expect(.symbol(.leftParenthesis))
        var isFirst = true
        while !skip(.rightParenthesis) {
            if !isFirst { try expect(.symbol(.comma)) }
            if !isFirst, skip(.rightParenthesis) { break }
            isFirst = false
            if case .name(let name) = token.kind, tokens.indices.contains(at + 1),
                tokens[at + 1].kind == .symbol(.assign)
            {
                advance()
                advance()
                arguments.named.append((name, try expression()))
            } else {
                guard arguments.named.isEmpty else { throw fail("an argument without a name follows one with a name") }
                arguments.positional.append(try expression())
            }
        }
        return arguments
    }

    mutating func filterCall() throws(ChatTemplateError) -> FilterCall {
        let name = try expectName()
        return FilterCall(name: name, arguments: isAt(.leftParenthesis) ? try arguments() : Arguments())
    }

    private mutating func filters(_ start: ExpressionID) throws(ChatTemplateError) -> ExpressionID {
        var value = start
        while true {
            if skip(.pipe) {
                let call = try filterCall()
                value = try add(.filter(value, call), over: [value] + children(call.arguments))
            } else if skip(name: "is") {
                value = try test(of: value)
            } else if isAt(.leftParenthesis) {
                let arguments = try arguments()
                value = try add(.call(value, arguments), over: [value] + children(arguments))
            } else {
                return value
            }
        }
    }

    private mutating func test(of value: ExpressionID) throws(ChatTemplateError) -> ExpressionID {
        let isNegated = skip(name: "not")
        let name = try expectName()
        var arguments = Arguments()
        if isAt(.leftParenthesis) {
            arguments = try self.arguments()
        } else if isTestArgument {
            let argument = try nested { parser throws(ChatTemplateError) in
                try parser.postfix(try parser.primary())
            }
            arguments.positional = [argument]
        }
        let test = try add(.test(value, name: name, arguments), over: [value] + children(arguments))
        return isNegated ? try add(.not(test), over: [test]) : test
    }

    /// Whether a test's one argument follows without parentheses, as in `x is divisibleby 3`.
    private var isTestArgument: Bool {
        switch token.kind {
        case .name(let name): !["else", "or", "and", "is", "if", "in", "not"].contains(name)
        case .text, .integer, .number, .symbol(.leftBracket), .symbol(.leftBrace): true
        default: false
        }
    }
}
