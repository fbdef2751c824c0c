/// Reads GBNF, the grammars of llama.cpp: rules `name ::= …` of literals, classes, `.`, groups, `|`, `* + ? {m,n}`, names,
/// and comments behind `#`. The text is what rule `root` makes.
struct GrammarTextParser {
    private var cursor: TextCursor
    private var sets = CharacterSets { $0.pattern }
    private var rules = RuleSet()
    private var ruleNumbers: [String: Int] = [:]
    private var defined: Set<String> = []
    private var depth = 0
    private var product = 1

    static func rules(_ source: String) throws(GrammarError) -> RuleSet {
        var parser = GrammarTextParser(cursor: TextCursor(source))
        return try parser.grammar()
    }

    private init(cursor: TextCursor) { self.cursor = cursor }

    private mutating func grammar() throws(GrammarError) -> RuleSet {
        let root = try number(of: "root")
        skipSpace(lines: true)
        while !cursor.isAtEnd {
            guard let name = name() else { throw cursor.error("the name of a rule was expected") }
            skipSpace(lines: false)
            guard cursor.take(":"), cursor.take(":"), cursor.take("=") else {
                throw cursor.error("\"::=\" was expected behind the name of rule \(name)")
            }
            guard defined.insert(name).inserted else { throw cursor.error("rule \(name) is defined twice") }
            let rule = try number(of: name)
            rules.patterns[rule] = try alternatives()
            guard cursor.isAtEnd || cursor.peek == "\n" || cursor.peek == "\r" else {
                throw cursor.error("rule \(name) was expected to end here")
            }
            skipSpace(lines: true)
        }
        guard defined.contains("root") else { throw GrammarError("it has no rule root") }
        if let missing = rules.names.first(where: { !defined.contains(String($0.dropFirst(5))) }) {
            throw GrammarError("\(missing) is named but not defined")
        }
        precondition(root == 0, "root is rule \(root)")
        return rules
    }

    private mutating func number(of name: String) throws(GrammarError) -> Int {
        if let known = ruleNumbers[name] { return known }
        let rule = try rules.reserve("rule \(name)")
        ruleNumbers[name] = rule
        return rule
    }

    private mutating func alternatives() throws(GrammarError) -> Pattern {
        depth += 1
        defer { depth -= 1 }
        try cursor.check(depth: depth)
        var choices: [Pattern] = []
        var largest = 1
        repeat {
            skipSpace(lines: true)
            choices.append(try sequence())
            largest = max(largest, product)
        } while takeBar()
        product = largest
        return .choice(of: choices)
    }

    /// A bar may also begin the next line.
    private mutating func takeBar() -> Bool {
        let before = cursor
        skipSpace(lines: true)
        if cursor.take("|") { return true }
        cursor = before
        return false
    }

    private mutating func sequence() throws(GrammarError) -> Pattern {
        var parts: [Pattern] = []
        var largest = 1
        while true {
            skipSpace(lines: depth > 1)
            product = 1
            guard let part = try atom() else { break }
            parts.append(try repetition(part))
            largest = max(largest, product)
        }
        product = largest
        return .sequence(of: parts)
    }

    /// - Returns: nil where the sequence ends.
    private mutating func atom() throws(GrammarError) -> Pattern? {
        switch cursor.peek {
        case "\"":
            cursor.skip()
            return try literal()
        case "[":
            cursor.skip()
            return try sets.pattern(of: try characterClass(), cursor)
        case ".":
            cursor.skip()
            return try sets.pattern(of: .all, cursor)
        case "(":
            cursor.skip()
            let group = try alternatives()
            skipSpace(lines: true)
            guard cursor.take(")") else { throw cursor.error("a group is not closed") }
            return group
        case "<", "!": throw cursor.error("tokens in a grammar are not supported: write their text")
        default:
            // A name followed by ::= begins the next rule.
            let before = cursor
            guard let name = name() else { return nil }
            skipSpace(lines: false)
            if cursor.peek == ":" {
                cursor = before
                return nil
            }
            return .rule(try number(of: name))
        }
    }

    private mutating func repetition(_ part: Pattern) throws(GrammarError) -> Pattern {
        skipSpace(lines: depth > 1)
        guard let bounds = try cursor.takeBounds() else {
            guard cursor.peek != "{" else { throw cursor.error("{m}, {m,} or {m,n} was expected") }
            return part
        }
        product = try cursor.product(product, bounds)
        if let scalar = cursor.peek, "*+?{".unicodeScalars.contains(scalar) {
            throw cursor.error("\"\(scalar)\" repeats a repetition")
        }
        return .repeated(part, min: bounds.min, max: bounds.max)
    }

    // MARK: - Words

    private mutating func name() -> String? {
        var name = ""
        while let scalar = cursor.peek {
            switch scalar {
            case "a"..."z", "A"..."Z", "0"..."9", "-", "_":
                name.unicodeScalars.append(scalar)
                cursor.skip()
            default: return name.isEmpty ? nil : name
            }
        }
        return name.isEmpty ? nil : name
    }

    private mutating func literal() throws(GrammarError) -> Pattern {
        var text = ""
        while true {
            guard let scalar = cursor.next(), scalar != "\n" else { throw cursor.error("a literal is not closed") }
            if scalar == "\"" { return .text(text) }
            text.unicodeScalars.append(scalar == "\\" ? try escape() : scalar)
        }
    }

    private mutating func characterClass() throws(GrammarError) -> ScalarSet {
        let isNegated = cursor.take("^")
        var ranges: [ClosedRange<UInt32>] = []
        while true {
            guard let scalar = cursor.next(), scalar != "\n" else { throw cursor.error("a class is not closed") }
            if scalar == "]" { break }
            let low = scalar == "\\" ? try escape() : scalar
            guard cursor.peek == "-", let after = cursor.peek(1), after != "]" else {
                ranges.append(low.value...low.value)
                continue
            }
            cursor.skip()
            guard let upper = cursor.next() else { throw cursor.error("a class is not closed") }
            let high = upper == "\\" ? try escape() : upper
            guard low <= high else { throw cursor.error("a range in a class has no order") }
            ranges.append(low.value...high.value)
        }
        return isNegated ? ScalarSet(ranges).complement : ScalarSet(ranges)
    }

    /// After a backslash.
    private mutating func escape() throws(GrammarError) -> Unicode.Scalar {
        switch cursor.next() {
        case "n": return "\n"
        case "r": return "\r"
        case "t": return "\t"
        case "x": return try cursor.hexadecimal(2)
        case "u": return try cursor.hexadecimal(4)
        case "U": return try cursor.hexadecimal(8)
        case let scalar? where "\\\"[]-^/.".unicodeScalars.contains(scalar): return scalar
        default: throw cursor.error("an escape is not known", back: 2)
        }
    }

    private mutating func skipSpace(lines: Bool) {
        while let scalar = cursor.peek {
            switch scalar {
            case " ", "\t": cursor.skip()
            case "\n", "\r":
                guard lines else { return }
                cursor.skip()
            case "#": while let scalar = cursor.peek, scalar != "\n" { cursor.skip() }
            default: return
            }
        }
    }
}
