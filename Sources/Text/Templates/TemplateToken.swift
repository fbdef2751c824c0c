struct TemplateToken: Sendable {
    enum Kind: Equatable, Sendable {
        /// Text outside of tags.
        case data([UInt8])
        /// `{{`, `}}`, `{%`, `%}`
        case outputBegin, outputEnd, blockBegin, blockEnd
        case name(String)
        case text([UInt8])
        case integer(Int)
        case number(Double)
        case symbol(Symbol)
        case end
    }

    enum Symbol: String, Sendable, CaseIterable {
        case power = "**"
        case floorDivide = "//"
        case equal = "=="
        case unequal = "!="
        case lessOrEqual = "<="
        case greaterOrEqual = ">="
        case plus = "+"
        case minus = "-"
        case times = "*"
        case divide = "/"
        case remainder = "%"
        case tilde = "~"
        case less = "<"
        case greater = ">"
        case assign = "="
        case leftParenthesis = "("
        case rightParenthesis = ")"
        case leftBracket = "["
        case rightBracket = "]"
        case leftBrace = "{"
        case rightBrace = "}"
        case comma = ","
        case colon = ":"
        case dot = "."
        case pipe = "|"

        /// Longer spellings before their beginnings.
        static let spellings: [(symbol: Symbol, bytes: [UInt8])] = allCases.map { ($0, Array($0.rawValue.utf8)) }
    }

    var kind: Kind
    var line: Int

    /// For error messages.
    var description: String {
        switch kind {
        case .data: "text"
        case .outputBegin: "'{{'"
        case .outputEnd: "'}}'"
        case .blockBegin: "'{%'"
        case .blockEnd: "'%}'"
        case .name(let name): "'\(name.prefix(40))'"
        case .text: "a string"
        case .integer, .number: "a number"
        case .symbol(let symbol): "'\(symbol.rawValue)'"
        case .end: "the end"
        }
    }
}
