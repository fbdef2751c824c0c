/// A set of byte strings, as all kinds of constraints are read into it.
indirect enum Pattern: Sendable {
    /// No string at all.
    case nothing
    case empty
    case bytes(ByteSet)
    case sequence([Pattern])
    case choice([Pattern])
    /// `min` to `max` times; without end where `max` is nil.
    case repeated(Pattern, min: Int, max: Int?)
    /// What the rule of this number says: rules may name each other in a circle.
    case rule(Int)

    static func text(_ text: String) -> Pattern { .sequence(of: text.utf8.map { .bytes(ByteSet($0)) }) }

    static func sequence(of parts: [Pattern]) -> Pattern {
        switch parts.count {
        case 0: .empty
        case 1: parts[0]
        default: .sequence(parts)
        }
    }

    static func choice(of parts: [Pattern]) -> Pattern {
        switch parts.count {
        case 0: .nothing
        case 1: parts[0]
        default: .choice(parts)
        }
    }

    static func optional(_ pattern: Pattern) -> Pattern { .repeated(pattern, min: 0, max: 1) }
    static func any(_ pattern: Pattern) -> Pattern { .repeated(pattern, min: 0, max: nil) }

    static let digit = Pattern.bytes(ByteSet(UInt8(ascii: "0")...UInt8(ascii: "9")))
    static let digitFrom1 = Pattern.bytes(ByteSet(UInt8(ascii: "1")...UInt8(ascii: "9")))

    /// Whether the predicate holds of this pattern, where it is known of rules.
    /// - Parameter isEmpty: asks "can it be empty"; else "can it be anything at all".
    func holds(isEmpty: Bool, rules: [Bool]) -> Bool {
        switch self {
        case .nothing: false
        case .empty: true
        case .bytes(let set): !isEmpty && !set.isEmpty
        case .sequence(let parts): parts.allSatisfy { $0.holds(isEmpty: isEmpty, rules: rules) }
        case .choice(let parts): parts.contains { $0.holds(isEmpty: isEmpty, rules: rules) }
        case .repeated(let part, let min, _): min == 0 || part.holds(isEmpty: isEmpty, rules: rules)
        case .rule(let rule): rules[rule]
        }
    }

    /// Calls `visit` for each rule named.
    func visitRules(_ visit: (Int) -> Void) {
        switch self {
        case .nothing, .empty, .bytes: break
        case .sequence(let parts), .choice(let parts): for part in parts { part.visitRules(visit) }
        case .repeated(let part, _, _): part.visitRules(visit)
        case .rule(let rule): visit(rule)
        }
    }

    /// Calls `visit` for each rule that may begin where this pattern begins.
    func visitFirstRules(nullable: [Bool], _ visit: (Int) -> Void) {
        switch self {
        case .nothing, .empty, .bytes: break
        case .sequence(let parts):
            for part in parts {
                part.visitFirstRules(nullable: nullable, visit)
                if !part.holds(isEmpty: true, rules: nullable) { break }
            }
        case .choice(let parts): for part in parts { part.visitFirstRules(nullable: nullable, visit) }
        case .repeated(let part, _, _): part.visitFirstRules(nullable: nullable, visit)
        case .rule(let rule): visit(rule)
        }
    }
}

/// Patterns that name each other. Rule 0 is the whole text.
struct RuleSet: Sendable {
    var names: [String] = []
    var patterns: [Pattern] = []

    /// A rule whose pattern is set later.
    mutating func reserve(_ name: String) throws(GrammarError) -> Int {
        guard patterns.count < GrammarLimits.ruleMax else {
            throw GrammarError("it has more than \(GrammarLimits.ruleMax) parts")
        }
        names.append(name)
        patterns.append(.nothing)
        return patterns.count - 1
    }

    mutating func add(_ name: String, _ pattern: Pattern) throws(GrammarError) -> Int {
        let rule = try reserve(name)
        patterns[rule] = pattern
        return rule
    }

    /// For each rule whether the predicate of ``Pattern/holds(isEmpty:rules:)`` does: the least solution, each rule looked
    /// at again only when one it names has changed.
    func solved(isEmpty: Bool) -> [Bool] {
        var users: [[Int]] = Array(repeating: [], count: patterns.count)
        for (rule, pattern) in patterns.enumerated() {
            // The last user of a rule is this one if any before was.
            pattern.visitRules { if users[$0].last != rule { users[$0].append(rule) } }
        }
        var known = [Bool](repeating: false, count: patterns.count)
        var waiting = Array(patterns.indices.reversed())
        while let rule = waiting.popLast() {
            guard !known[rule], patterns[rule].holds(isEmpty: isEmpty, rules: known) else { continue }
            known[rule] = true
            waiting += users[rule].filter { !known[$0] }
        }
        return known
    }

    /// A rule that begins with itself, which no left-to-right reading ends.
    func leftRecursiveRule(nullable: [Bool]) -> Int? {
        enum Mark { case new, open, done }
        var marks = [Mark](repeating: .new, count: patterns.count)
        for root in patterns.indices where marks[root] == .new {
            var path: [(rule: Int, rest: [Int])] = []
            func enter(_ rule: Int) {
                marks[rule] = .open
                var firsts: Set<Int> = []
                patterns[rule].visitFirstRules(nullable: nullable) { firsts.insert($0) }
                path.append((rule, firsts.sorted()))
            }
            enter(root)
            while let last = path.indices.last {
                guard let next = path[last].rest.popLast() else {
                    marks[path[last].rule] = .done
                    path.removeLast()
                    continue
                }
                switch marks[next] {
                case .new: enter(next)
                case .open: return next
                case .done: break
                }
            }
        }
        return nil
    }
}
