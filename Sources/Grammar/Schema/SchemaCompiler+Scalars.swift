import JSON

// Strings.
extension SchemaCompiler {
    struct Content: Hashable {
        var expression: String
        var meaning: RegexParser.Meaning
    }

    mutating func string(_ schema: JSONObject, _ path: String) throws(GrammarError) -> Pattern {
        let (least, most) = try schema.counts("minLength", "maxLength", path)
        let isBounded = least > 0 || most != nil
        let format = try schema.text("format", path)
        let expression = try schema.text("pattern", path)
        if let format {
            guard let standard = StringFormats.expressions[format] else {
                throw GrammarError(
                    "format \(format) is not supported; these are: \(StringFormats.names)", path: "\(path)/format")
            }
            guard expression == nil, !isBounded else {
                throw GrammarError("format beside pattern, minLength or maxLength is not supported", path: path)
            }
            return try content(matching: standard, .whole, path: "\(path)/format")
        }
        if let expression {
            guard !isBounded else {
                throw GrammarError(
                    "pattern beside minLength or maxLength is not supported: count in the pattern", path: path)
            }
            return try content(matching: expression, .somewhere, path: "\(path)/pattern")
        }
        guard isBounded else { return try freeString() }
        return .sequence([
            JSONText.quote, .repeated(JSONText.character, min: least, max: most), JSONText.quote,
        ])
    }

    private mutating func content(
        matching expression: String, _ meaning: RegexParser.Meaning, path: String
    ) throws(GrammarError) -> Pattern {
        let content = Content(expression: expression, meaning: meaning)
        if let known = contents[content] { return .sequence([JSONText.quote, .rule(known), JSONText.quote]) }
        do {
            let rule = try rules.add(path, try RegexParser.pattern(expression, meaning) { JSONText.encoded($0) })
            contents[content] = rule
            return .sequence([JSONText.quote, .rule(rule), JSONText.quote])
        } catch {
            throw GrammarError(error.reason, path: path)
        }
    }
}

// Numbers.
extension SchemaCompiler {
    func number(_ schema: JSONObject, _ path: String, isWhole: Bool) throws(GrammarError) -> Pattern {
        if let step = schema["multipleOf"], !(isWhole && (step == .integer(1) || step == .double(1))) {
            throw GrammarError("multipleOf is not supported", path: "\(path)/multipleOf")
        }
        let low = try tighter(schema, "minimum", "exclusiveMinimum", path) { $0 > $1 }
        let high = try tighter(schema, "maximum", "exclusiveMaximum", path) { $0 < $1 }
        guard isWhole || low != nil || high != nil else { return JSONText.number }
        try budget.spend(valueCount: SchemaBudget.rangeCost, path)
        if isWhole { return try integers(low, high, path) }
        return try decimals(low, high, path)
    }

    private struct Limit {
        var value: JSONValue
        var number: Double
        var isIncluded: Bool
        var path: String
    }

    /// The bound that counts of the two keywords.
    private func tighter(
        _ schema: JSONObject, _ including: String, _ excluding: String, _ path: String,
        _ isTighter: (Double, Double) -> Bool
    ) throws(GrammarError) -> Limit? {
        var limits: [Limit] = []
        for (keyword, isIncluded) in [(including, true), (excluding, false)] {
            guard let value = schema[keyword], value != .bool(false) else { continue }
            let number: Double
            switch value {
            case .integer(let integer): number = Double(integer)
            case .unsigned(let integer): number = Double(integer)
            case .double(let double): number = double
            case .null, .bool, .string, .array, .object:
                throw GrammarError("it must be a number, but is \(value.kind)", path: "\(path)/\(keyword)")
            }
            limits.append(Limit(value: value, number: number, isIncluded: isIncluded, path: "\(path)/\(keyword)"))
        }
        guard let first = limits.first, let second = limits.last, limits.count == 2 else { return limits.first }
        // Of equal bounds the one that leaves the bound out.
        return isTighter(first.number, second.number) ? first : second
    }

    // MARK: - Whole numbers

    private func integers(_ low: Limit?, _ high: Limit?, _ path: String) throws(GrammarError) -> Pattern {
        let usual = Int64(NumberRange.wholeMax)
        let least = try low.map { (limit) throws(GrammarError) in try whole(limit, up: true) }
        let most = try high.map { (limit) throws(GrammarError) in try whole(limit, up: false) }
        let from = least ?? min(-usual, most.map { $0 < -usual ? -Int64.max : -usual } ?? -usual)
        let to = most ?? (from > usual ? Int64.max : usual)
        guard from <= to else { throw GrammarError("no whole number lies between its bounds", path: path) }
        return NumberRange.integers(from, to)
    }

    /// The whole number at a bound, or next to it on the allowed side.
    private func whole(_ limit: Limit, up: Bool) throws(GrammarError) -> Int64 {
        if case .integer(let exact) = limit.value {
            guard !limit.isIncluded else { return exact }
            let (moved, overflow) = exact.addingReportingOverflow(up ? 1 : -1)
            guard !overflow else { throw GrammarError("no whole number lies beyond it", path: limit.path) }
            return moved
        }
        let rounded = limit.number.rounded(up ? .up : .down)
        guard abs(rounded) <= 9e15, let exact = Int64(exactly: rounded) else {
            throw GrammarError("\(limit.number) is too large for a bound of whole numbers", path: limit.path)
        }
        return !limit.isIncluded && rounded == limit.number ? exact + (up ? 1 : -1) : exact
    }

    // MARK: - Numbers with fractions

    private func decimals(_ low: Limit?, _ high: Limit?, _ path: String) throws(GrammarError) -> Pattern {
        let unlimited = NumberRange.Bound(whole: NumberRange.wholeMax)
        let least = try low.map { (limit) throws(GrammarError) in try bound(limit) }
        let most = try high.map { (limit) throws(GrammarError) in try bound(limit) }
        if let low, let high,
            low.number > high.number || (low.number == high.number && !(low.isIncluded && high.isIncluded))
        {
            throw GrammarError("no number lies between its bounds", path: path)
        }
        var choices: [Pattern] = []
        // Below zero magnitudes run the other way; zero itself is written without a sign.
        if low.map({ $0.number < 0 }) ?? true {
            let isAllBelow = high.map { $0.number < 0 } ?? false
            let nearest = isAllBelow ? most : nil
            choices.append(
                .sequence([
                    .text("-"),
                    NumberRange.decimals(
                        nearest ?? NumberRange.Bound(whole: 0, isIncluded: false), least ?? unlimited),
                ]))
        }
        if high.map({ $0.number >= 0 }) ?? true {
            let nearest = low.map { $0.number >= 0 } ?? false ? least : nil
            choices.append(NumberRange.decimals(nearest ?? NumberRange.Bound(whole: 0), most ?? unlimited))
        }
        return .choice(of: choices)
    }

    /// The digits of a bound, which must be few enough that no rounding comes into play.
    private func bound(_ limit: Limit) throws(GrammarError) -> NumberRange.Bound {
        let text = Self.withoutExponent(limit.number.magnitude.description)
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 2, let whole = UInt64(parts[0]), whole < NumberRange.wholeMax,
            parts[1].utf8.count <= 15,
            parts[1].utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) })
        else {
            throw GrammarError("\(limit.number) is not supported as a bound: too many digits", path: limit.path)
        }
        var fraction = parts[1].utf8.map { $0 - UInt8(ascii: "0") }
        while fraction.last == 0 { fraction.removeLast() }
        return NumberRange.Bound(whole: whole, fraction: fraction, isIncluded: limit.isIncluded)
    }

    /// A small number as it is written with zeros behind the point; others as they are.
    private static func withoutExponent(_ text: String) -> String {
        guard let mark = text.firstRange(of: "e-"), let exponent = Int(text[mark.upperBound...]), exponent <= 15 else {
            return text
        }
        let digits = text[..<mark.lowerBound].filter { $0 != "." }
        return "0." + String(repeating: "0", count: exponent - 1) + digits
    }
}
