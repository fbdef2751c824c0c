/// Makes a ``Program`` of rules, from the end backwards, so that equal endings share their nodes.
struct ProgramBuilder {
    private struct ByteNode: Hashable {
        var set: ByteSet
        var next: Int32
    }

    private let rules: RuleSet
    private var program = Program()
    private let isNullable: [Bool]
    /// Which rules can be anything at all: others are left out.
    private let isPossible: [Bool]
    private var byteNodes: [ByteNode: Int32] = [:]
    /// Where each rule begins.
    private var starts: [Int32] = []
    /// Where rules begin without their empty strings, and which of these are still to be built.
    private var nonEmptyStarts: [Int: Int32] = [:]
    private var nonEmptyWaiting: [Int] = []
    private var stepCount = 0

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
        // Each rule's first node is a split that is filled in later, so that rules may call what is not built yet.
        for _ in rules.patterns { starts.append(try add(.split([]))) }
        for (rule, pattern) in rules.patterns.enumerated() where isPossible[rule] {
            program.nodes[Int(starts[rule])] = .split([try compile(pattern, then: Program.endNode)])
        }
        while let rule = nonEmptyWaiting.popLast(), let start = nonEmptyStarts[rule] {
            program.nodes[Int(start)] = .split([try compileNonEmpty(rules.patterns[rule], then: Program.endNode)])
        }
        program.start = starts[0]
        program.classify()
        return program
    }

    private mutating func add(_ node: Program.Node) throws(GrammarError) -> Int32 {
        guard program.nodes.count < GrammarLimits.nodeMax else {
            throw GrammarError("it needs more than \(GrammarLimits.nodeMax) states")
        }
        program.nodes.append(node)
        return Int32(truncatingIfNeeded: program.nodes.count - 1)
    }

    /// Parts may be built more often than they make nodes, since equal ones share theirs.
    private mutating func step() throws(GrammarError) {
        stepCount += 1
        guard stepCount <= GrammarLimits.stepMax else {
            throw GrammarError("it takes more than \(GrammarLimits.stepMax) steps to make states of it")
        }
    }

    /// - Returns: the node where the pattern begins; after it comes `next`.
    private mutating func compile(_ pattern: Pattern, then next: Int32) throws(GrammarError) -> Int32 {
        try step()
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
        // As many times as wanted may be empty, so only the upper bound says something.
        if part.holds(isEmpty: true, rules: isNullable) { return try loop(part, nonEmpty: true, 0, max, then: next) }
        return try loop(part, nonEmpty: false, min, max, then: next)
    }

    /// - Parameter nonEmpty: the empty string, which `part` can be, is left out.
    private mutating func loop(
        _ part: Pattern, nonEmpty: Bool, _ min: Int, _ max: Int?, then next: Int32
    ) throws(GrammarError) -> Int32 {
        if max == nil && min <= 1 {
            let again = try add(.split([]))
            let body = try nonEmpty ? compileNonEmpty(part, then: again) : compile(part, then: again)
            program.nodes[Int(again)] = .split([body, next])
            return min == 0 ? again : body
        }
        let last = max == 1 ? next : Program.endNode
        let body = try nonEmpty ? compileNonEmpty(part, then: last) : compile(part, then: last)
        if max == 1 { return body }
        return try add(
            .loop(
                body: body, min: Int32(clamping: min), max: max.map { Int32(clamping: $0) } ?? Program.unlimited,
                next: next))
    }

    /// The same without the empty string.
    private mutating func compileNonEmpty(_ pattern: Pattern, then next: Int32) throws(GrammarError) -> Int32 {
        try step()
        switch pattern {
        case .nothing, .empty: return try add(.split([]))
        case .bytes: return try compile(pattern, then: next)
        case .choice(let parts):
            var entries: [Int32] = []
            for part in parts where part.holds(isEmpty: false, rules: isPossible) {
                entries.append(try compileNonEmpty(part, then: next))
            }
            return try add(.split(entries))
        case .sequence(let parts):
            // The first part that is not empty, with all before it empty.
            let first = parts.firstIndex { !$0.holds(isEmpty: true, rules: isNullable) } ?? parts.count - 1
            var entries: [Int32] = []
            var rest = next
            for (place, part) in parts.enumerated().reversed() {
                if place <= first { entries.append(try compileNonEmpty(part, then: rest)) }
                if place > 0 { rest = try compile(part, then: rest) }
            }
            return try add(.split(entries))
        case .repeated(let part, let min, let max):
            guard max != 0, part.holds(isEmpty: false, rules: isPossible) else { return try add(.split([])) }
            let isPartNullable = part.holds(isEmpty: true, rules: isNullable)
            return try loop(
                part, nonEmpty: isPartNullable, isPartNullable ? 1 : Swift.max(1, min), max, then: next)
        case .rule(let rule):
            guard isNullable[rule] else { return try compile(pattern, then: next) }
            if nonEmptyStarts[rule] == nil {
                nonEmptyStarts[rule] = try add(.split([]))
                nonEmptyWaiting.append(rule)
            }
            return try add(.call(start: nonEmptyStarts[rule] ?? 0, next: next))
        }
    }
}
