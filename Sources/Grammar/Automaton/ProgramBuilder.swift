/// Makes a ``Program`` of rules, from the end backwards, so that equal endings share their nodes.
struct ProgramBuilder {
    private struct ByteNode: Hashable {
        var set: ByteSet
        var next: Int32
    }

    private var rules: RuleSet
    private var program = Program()
    private var isNullable: [Bool]
    /// Which rules can be anything at all: others are left out.
    private var isPossible: [Bool]
    private var byteNodes: [ByteNode: Int32] = [:]
    /// Where each rule begins.
    private var starts: [Int32] = []
    /// The rule that is another without its empty string.
    private var nonEmptyRules: [Int: Int] = [:]

    static func build(_ rules: RuleSet) throws(GrammarError) -> Program {
        var builder = ProgramBuilder(rules)
        return try builder.build()
    }

    private init(_ rules: RuleSet) {
        self.rules = rules
        isNullable = rules.solved(isEmpty: true)
        isPossible = rules.solved(isEmpty: false)
    }

    private mutating func build() throws(GrammarError) -> Program {
        guard isPossible.first == true else {
            throw GrammarError("no text satisfies it: nothing finite does, or its parts contradict each other")
        }
        if let rule = rules.leftRecursiveRule(nullable: isNullable) {
            throw GrammarError("\(rules.names[rule]) begins with itself")
        }
        var built = 0
        // Each rule's first node is a split that is filled in later, so that rules may call what is not built yet.
        while built < rules.patterns.count {
            try reserveStarts()
            if isPossible[built] {
                let entry = try compile(rules.patterns[built], then: Program.endNode)
                program.nodes[Int(starts[built])] = .split([entry])
            }
            built += 1
        }
        program.start = starts[0]
        program.classify()
        return program
    }

    private mutating func reserveStarts() throws(GrammarError) {
        while starts.count < rules.patterns.count { starts.append(try add(.split([]))) }
    }

    private mutating func add(_ node: Program.Node) throws(GrammarError) -> Int32 {
        guard program.nodes.count < GrammarLimits.nodeMax else {
            throw GrammarError("it needs more than \(GrammarLimits.nodeMax) states")
        }
        program.nodes.append(node)
        return Int32(truncatingIfNeeded: program.nodes.count - 1)
    }

    /// - Returns: the node where the pattern begins; after it comes `next`.
    private mutating func compile(_ pattern: Pattern, then next: Int32) throws(GrammarError) -> Int32 {
        switch pattern {
        case .nothing: return try add(.split([]))
        case .empty: return next
        case .bytes(let set):
            let key = ByteNode(set: set, next: next)
            if let known = byteNodes[key] { return known }
            let node = try add(.bytes(set, next: next))
            byteNodes[key] = node
            return node
        case .sequence(let parts):
            var entry = next
            for part in parts.reversed() { entry = try compile(part, then: entry) }
            return entry
        case .choice(let parts):
            var entries: [Int32] = []
            for part in parts where part.holds(isEmpty: false, rules: isPossible) {
                entries.append(try compile(part, then: next))
            }
            return try add(.split(entries))
        case .repeated(let part, let min, let max): return try repeated(part, min, max, then: next)
        case .rule(let rule): return try add(.call(start: starts[rule], next: next))
        }
    }

    private mutating func repeated(
        _ part: Pattern, _ min: Int, _ max: Int?, then next: Int32
    ) throws(GrammarError) -> Int32 {
        if max == 0 || (min == 0 && !part.holds(isEmpty: false, rules: isPossible)) { return next }
        if min == 1 && max == 1 { return try compile(part, then: next) }
        if min == 0 && max == 1 { return try add(.split([try compile(part, then: next), next])) }
        if part.holds(isEmpty: true, rules: isNullable) {
            // As many times as wanted may be empty, so only the upper bound says something.
            return try repeated(try nonEmpty(part), 0, max, then: next)
        }
        if max == nil && min <= 1 {
            let again = try add(.split([]))
            let body = try compile(part, then: again)
            program.nodes[Int(again)] = .split([body, next])
            return min == 0 ? again : body
        }
        let body = try compile(part, then: Program.endNode)
        return try add(
            .loop(
                body: body, min: Int32(clamping: min), max: max.map { Int32(clamping: $0) } ?? Program.unlimited,
                next: next))
    }

    /// The same without the empty string.
    private mutating func nonEmpty(_ pattern: Pattern) throws(GrammarError) -> Pattern {
        switch pattern {
        case .nothing, .empty: return .nothing
        case .bytes: return pattern
        case .choice(let parts):
            var choices: [Pattern] = []
            for part in parts { choices.append(try nonEmpty(part)) }
            return .choice(of: choices)
        case .sequence(let parts):
            // The first part that is not empty, with all before it empty.
            var choices: [Pattern] = []
            for (place, part) in parts.enumerated() {
                choices.append(.sequence(of: [try nonEmpty(part)] + parts[(place + 1)...]))
                if !part.holds(isEmpty: true, rules: isNullable) { break }
            }
            return .choice(of: choices)
        case .repeated(let part, let min, let max):
            if max == 0 { return .nothing }
            let isPartNullable = part.holds(isEmpty: true, rules: isNullable)
            return .repeated(try nonEmpty(part), min: isPartNullable ? 1 : Swift.max(1, min), max: max)
        case .rule(let rule):
            guard isNullable[rule] else { return pattern }
            if let known = nonEmptyRules[rule] { return .rule(known) }
            let other = try rules.reserve(rules.names[rule])
            nonEmptyRules[rule] = other
            isNullable.append(false)
            isPossible.append(true)
            try reserveStarts()
            rules.patterns[other] = try nonEmpty(rules.patterns[rule])
            return .rule(other)
        }
    }
}
