/// Reads regular expressions: what Python's `re`, ECMAScript and most others agree on, and refuses the rest by name.
///
/// Literals, `.`, classes, `\d \w \s` and their opposites, escapes, groups, `|`, `* + ? {m} {m,} {m,n}` and their lazy
/// spellings. `^` and `$` at the ends of the expression's alternatives. Where dialects disagree about a character
/// (`\w` outside ASCII) it is left out, so that what is matched here matches everywhere.
struct RegexParser {
    enum Meaning {
        /// The expression matches the whole text.
        case whole
        /// It matches somewhere in the text, as `pattern` of a schema does.
        case somewhere
    }

    private var cursor: TextCursor
    private var sets: CharacterSets
    private let meaning: Meaning
    private var depth = 0
    /// How many times more the part that was read last may come, for loops within loops.
    private var product = 1

    static func rules(_ source: String) throws(GrammarError) -> RuleSet {
        var rules = RuleSet()
        _ = try rules.add("the expression", try pattern(source, .whole) { $0.pattern })
        return rules
    }

    static func pattern(
        _ source: String, _ meaning: Meaning, _ encode: @escaping (ScalarSet) -> Pattern
    ) throws(GrammarError) -> Pattern {
        var parser = RegexParser(cursor: TextCursor(source), encode: encode, meaning: meaning)
        let pattern = try parser.alternatives()
        guard parser.cursor.isAtEnd else { throw parser.cursor.error("\")\" closes no group") }
        return pattern
    }

    private init(cursor: TextCursor, encode: @escaping (ScalarSet) -> Pattern, meaning: Meaning) {
        self.cursor = cursor
        sets = CharacterSets(encode: encode)
        self.meaning = meaning
    }

    // MARK: - Structure

    private mutating func alternatives() throws(GrammarError) -> Pattern {
        depth += 1
        defer { depth -= 1 }
        try cursor.check(depth: depth)
        var choices: [Pattern] = []
        var largest = 1
        repeat {
            product = 1
            choices.append(try alternative())
            largest = max(largest, product)
        } while cursor.take("|")
        product = largest
        return .choice(of: choices)
    }

    private mutating func alternative() throws(GrammarError) -> Pattern {
        let isTop = depth == 1
        var parts: [Pattern] = []
        var isOpen = isTop && meaning == .somewhere
        if isTop, cursor.take("^") { isOpen = false }
        if isOpen { parts.append(.any(try characters(.all))) }
        isOpen = isTop && meaning == .somewhere
        var largest = 1
        while let scalar = cursor.peek, scalar != "|", scalar != ")" {
            if scalar == "$" && isTop && (cursor.peek(1) == nil || cursor.peek(1) == "|") {
                cursor.skip()
                isOpen = false
                break
            }
            product = 1
            parts.append(try repetition(try atom()))
            largest = max(largest, product)
        }
        product = largest
        if isOpen { parts.append(.any(try characters(.all))) }
        return .sequence(of: parts)
    }

    private mutating func atom() throws(GrammarError) -> Pattern {
        guard let scalar = cursor.next() else { return .empty }
        switch scalar {
        case "(": return try group()
        case "[": return try characters(try characterClass())
        case ".": return try characters(ScalarSet("\n\r\u{2028}\u{2029}").complement)
        case "\\": return try characters(try escape().set)
        case "^", "$":
            throw cursor.error("\"\(scalar)\" is supported at the ends of the whole expression only", back: 1)
        case "*", "+", "?": throw cursor.error("\"\(scalar)\" repeats nothing", back: 1)
        case "{" where cursor.countAhead != nil: throw cursor.error("\"{\" repeats nothing", back: 1)
        default: return try characters(ScalarSet(scalar))
        }
    }

    private mutating func group() throws(GrammarError) -> Pattern {
        let start = cursor.place
        if cursor.take("?") {
            if !cursor.take(":") {
                _ = cursor.take("P")
                guard cursor.take("<"), let name = cursor.peek, name != "=", name != "!" else {
                    throw cursor.error(
                        "groups that begin with \"(?\" are supported as (?:…) and (?<name>…) only: no lookaround, no flags",
                        back: cursor.place - start + 1)
                }
                while let scalar = cursor.next(), scalar != ">" {}
            }
        }
        let pattern = try alternatives()
        guard cursor.take(")") else { throw cursor.error("a group is not closed") }
        return pattern
    }

    private mutating func repetition(_ part: Pattern) throws(GrammarError) -> Pattern {
        guard let bounds = try cursor.takeBounds() else { return part }
        product = try cursor.product(product, bounds)
        // A lazy repetition repeats the same texts. A possessive one does not.
        if !cursor.take("?") {
            guard cursor.peek != "+" else { throw cursor.error("possessive repetition is not supported") }
        }
        if let scalar = cursor.peek, scalar == "*" || scalar == "+" || scalar == "?" || cursor.countAhead != nil {
            throw cursor.error("\"\(scalar)\" repeats a repetition")
        }
        return .repeated(part, min: bounds.min, max: bounds.max)
    }

    // MARK: - Characters

    private mutating func characters(_ set: ScalarSet) throws(GrammarError) -> Pattern {
        try sets.pattern(of: set, cursor)
    }

    private mutating func characterClass() throws(GrammarError) -> ScalarSet {
        let isNegated = cursor.take("^")
        var ranges: [ClosedRange<UInt32>] = []
        var hasShorthand = false
        var isFirst = true
        while true {
            guard let scalar = cursor.next() else { throw cursor.error("a class is not closed") }
            if scalar == "]" && !isFirst { break }
            guard scalar != "]" else {
                throw cursor.error("\"]\" first in a class means different things in different dialects: write \"\\]\"")
            }
            isFirst = false
            if scalar == "[", cursor.peek == ":" { throw cursor.error("POSIX classes are not supported", back: 1) }
            let low = try member(scalar)
            hasShorthand = hasShorthand || low.isShorthand
            guard cursor.peek == "-", let after = cursor.peek(1), after != "]" else {
                ranges += low.set.ranges
                continue
            }
            cursor.skip()
            guard let upper = cursor.next() else { throw cursor.error("a class is not closed") }
            let high = try member(upper)
            guard !low.isShorthand, !high.isShorthand, let first = low.set.ranges.first?.lowerBound,
                let last = high.set.ranges.first?.lowerBound, first <= last
            else { throw cursor.error("a range in a class has no order") }
            ranges.append(first...last)
        }
        let set = ScalarSet(ranges)
        guard isNegated else { return set }
        // Dialects disagree what `\w` is beyond ASCII, so nothing there is certain not to be one.
        return hasShorthand ? ScalarSet.ascii.subtracting(set) : set.complement
    }

    private mutating func member(_ scalar: Unicode.Scalar) throws(GrammarError) -> (set: ScalarSet, isShorthand: Bool) {
        if scalar == "\\", cursor.peek == "b" {
            cursor.skip()
            return (ScalarSet("\u{08}"), false)
        }
        return scalar == "\\" ? try escape() : (ScalarSet(scalar), false)
    }

    private static let digits = ScalarSet([0x30...0x39])
    private static let word = ScalarSet([0x30...0x39, 0x41...0x5A, 0x5F...0x5F, 0x61...0x7A])
    private static let space = ScalarSet(" \t\n\r\u{0B}\u{0C}")

    /// After a backslash.
    private mutating func escape() throws(GrammarError) -> (set: ScalarSet, isShorthand: Bool) {
        guard let scalar = cursor.next() else { throw cursor.error("the expression ends with a backslash") }
        switch scalar {
        case "d": return (Self.digits, true)
        case "D": return (ScalarSet.ascii.subtracting(Self.digits), true)
        case "w": return (Self.word, true)
        case "W": return (ScalarSet.ascii.subtracting(Self.word), true)
        case "s": return (Self.space, true)
        case "S": return (ScalarSet.ascii.subtracting(Self.space), true)
        case "t": return (ScalarSet("\t"), false)
        case "n": return (ScalarSet("\n"), false)
        case "r": return (ScalarSet("\r"), false)
        case "f": return (ScalarSet("\u{0C}"), false)
        case "v": return (ScalarSet("\u{0B}"), false)
        case "x": return (ScalarSet(try cursor.hexadecimal(2)), false)
        case "u": return (ScalarSet(try cursor.hexadecimal(4)), false)
        case "b", "B": throw cursor.error("\"\\\(scalar)\" (word boundary) is not supported", back: 2)
        case "0"..."9": throw cursor.error("\"\\\(scalar)\" (back reference) is not supported", back: 2)
        case "a"..."z", "A"..."Z": throw cursor.error("\"\\\(scalar)\" is not supported", back: 2)
        default: return (ScalarSet(scalar), false)
        }
    }
}
