/// A place in the text of an expression or a grammar.
struct TextCursor {
    private let scalars: [Unicode.Scalar]
    private(set) var place = 0

    init(_ text: String) { scalars = Array(text.unicodeScalars) }

    var isAtEnd: Bool { place >= scalars.count }
    var peek: Unicode.Scalar? { peek(0) }
    func peek(_ distance: Int) -> Unicode.Scalar? {
        place + distance < scalars.count ? scalars[place + distance] : nil
    }

    mutating func skip(_ count: Int = 1) { place = min(place + count, scalars.count) }

    mutating func next() -> Unicode.Scalar? {
        guard let scalar = peek else { return nil }
        place += 1
        return scalar
    }

    mutating func take(_ scalar: Unicode.Scalar) -> Bool {
        guard peek == scalar else { return false }
        place += 1
        return true
    }

    /// - Parameter back: characters before the place that are meant.
    func error(_ reason: String, back: Int = 0) -> GrammarError {
        let at = max(0, place - back)
        let line = scalars[..<at].reduce(1) { $1 == "\n" ? $0 + 1 : $0 }
        let column = at - (scalars[..<at].lastIndex(of: "\n").map { $0 + 1 } ?? 0) + 1
        return GrammarError("\(reason) (\(line > 1 ? "line \(line), " : "")character \(column))")
    }

    func check(depth: Int) throws(GrammarError) {
        guard depth <= GrammarLimits.depthMax else {
            throw error("groups are nested more than \(GrammarLimits.depthMax) deep")
        }
    }

    /// So many hexadecimal digits as a character.
    mutating func hexadecimal(_ count: Int) throws(GrammarError) -> Unicode.Scalar {
        var value: UInt32 = 0
        for _ in 0..<count {
            guard let digit = next().flatMap({ UInt32(String($0), radix: 16) }) else {
                throw error("\(count) hexadecimal digits were expected")
            }
            value = value << 4 | digit
        }
        guard let scalar = Unicode.Scalar(value) else { throw error("half of a surrogate pair is no character") }
        return scalar
    }
}

// Repetition counts, which expressions and grammars write alike.
extension TextCursor {
    /// Characters of `{m}`, `{m,}`, `{,n}` or `{m,n}` here; nil where something else stands.
    var countAhead: Int? {
        guard peek == "{" else { return nil }
        var distance = 1
        var (digits, commas) = (0, 0)
        while let scalar = peek(distance), scalar != "}" {
            switch scalar {
            case "0"..."9": digits += 1
            case ",": commas += 1
            default: return nil
            }
            distance += 1
        }
        return peek(distance) == "}" && digits > 0 && commas <= 1 ? distance + 1 : nil
    }

    /// A repetition that stands here; nil where something else does.
    mutating func takeBounds() throws(GrammarError) -> (min: Int, max: Int?)? {
        let bounds: (min: Int, max: Int?)
        switch peek {
        case "*": bounds = (0, nil)
        case "+": bounds = (1, nil)
        case "?": bounds = (0, 1)
        case "{": return countAhead == nil ? nil : try counts()
        default: return nil
        }
        skip()
        return bounds
    }

    /// At `{`, where ``countAhead`` is not nil.
    private mutating func counts() throws(GrammarError) -> (min: Int, max: Int?) {
        skip()
        let least = try count() ?? 0
        let most = take(",") ? try count() : least
        skip()
        if let most, most < least { throw error("a repetition wants at least \(least) and at most \(most)") }
        return (least, most)
    }

    private mutating func count() throws(GrammarError) -> Int? {
        var value: Int?
        while let scalar = peek, ("0"..."9").contains(scalar) {
            skip()
            value = min((value ?? 0) * 10 + Int(scalar.value - 0x30), GrammarLimits.repetitionMax + 1)
        }
        guard value ?? 0 <= GrammarLimits.repetitionMax else {
            throw error("a repetition counts to more than \(GrammarLimits.repetitionMax)")
        }
        return value
    }

    /// Counts of loops within each other, taken together.
    func product(_ inner: Int, _ bounds: (min: Int, max: Int?)) throws(GrammarError) -> Int {
        let product = inner * max(bounds.min, bounds.max ?? 1, 1)
        guard product <= GrammarLimits.repetitionProductMax else {
            throw error("repetitions within each other count to more than \(GrammarLimits.repetitionProductMax)")
        }
        return product
    }
}
