/// A parsed template. Expressions lie in one array and name each other by index, so that no depth of nesting makes a
/// chain of references (which would be freed recursively).
struct TemplateProgram: Sendable {
    var expressions: [Expression] = []
    var body: [Statement] = []
}

/// Index into `TemplateProgram.expressions`.
typealias ExpressionID = Int

enum Expression: Sendable {
    case text([UInt8])
    case integer(Int)
    case number(Double)
    case boolean(Bool)
    case none
    case name(String)
    case list([ExpressionID])
    case tuple([ExpressionID])
    case mapping([(key: ExpressionID, value: ExpressionID)])
    case attribute(ExpressionID, String)
    case item(ExpressionID, ExpressionID)
    case slice(ExpressionID, from: ExpressionID?, to: ExpressionID?, step: ExpressionID?)
    case call(ExpressionID, Arguments)
    case filter(ExpressionID, FilterCall)
    case test(ExpressionID, name: String, Arguments)
    case not(ExpressionID)
    case negative(ExpressionID)
    case positive(ExpressionID)
    case binary(BinaryOperator, ExpressionID, ExpressionID)
    case and(ExpressionID, ExpressionID)
    case or(ExpressionID, ExpressionID)
    /// `a < b <= c`: each link holds when all before it hold.
    case comparison(ExpressionID, [(test: Comparison, operand: ExpressionID)])
    /// Without `otherwise` it is undefined when `test` is false.
    case conditional(test: ExpressionID, then: ExpressionID, otherwise: ExpressionID?)
}

enum BinaryOperator: Sendable {
    case add, subtract, multiply, divide, floorDivide, remainder, power, concatenate
}

enum Comparison: Sendable {
    case equal, unequal, less, lessOrEqual, greater, greaterOrEqual, isIn, isNotIn
}

struct Arguments: Sendable {
    var positional: [ExpressionID] = []
    var named: [(name: String, value: ExpressionID)] = []
}

struct FilterCall: Sendable {
    var name: String
    var arguments: Arguments
}

struct Statement: Sendable {
    enum Kind: Sendable {
        case data([UInt8])
        case output(ExpressionID)
        case set(AssignmentTarget, ExpressionID)
        /// The text that the body prints, after the filters.
        case setBlock(AssignmentTarget, [FilterCall], [Statement])
        case conditional([(test: ExpressionID, body: [Statement])], otherwise: [Statement])
        case loop(Loop)
        case macro(MacroDefinition)
        /// Calls a macro whose `caller()` prints the definition's body.
        case call(ExpressionID, MacroDefinition)
        /// Statements in place; `{% generation %}` only marks them.
        case group([Statement])
        case breakLoop
        case continueLoop
    }

    var line: Int
    var kind: Kind
}

/// What `set` and `for` assign to.
indirect enum AssignmentTarget: Sendable {
    case name(String)
    case attribute(of: String, String)
    case tuple([AssignmentTarget])
}

struct Loop: Sendable {
    var target: AssignmentTarget
    var elements: ExpressionID
    var condition: ExpressionID?
    var body: [Statement]
    /// Runs when there was no element.
    var otherwise: [Statement]
}

struct MacroDefinition: Sendable {
    var name: String
    var parameters: [(name: String, standard: ExpressionID?)]
    var body: [Statement]
}
