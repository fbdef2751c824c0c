import JSON

/// Decimal numbers between bounds, digit by digit.
enum NumberRange {
    /// A bound without its sign: digits before and after the point, the latter without zeros at the end.
    struct Bound {
        var whole: UInt64
        var fraction: [UInt8] = []
        var isIncluded = true
    }

    static let wholeMax: UInt64 = 999_999_999_999_999
    private static let fractionDigitMax = 16
    /// Two numbers of so many digits that differ are different as `Double`s too.
    private static let exactDigitMax = 15

    // MARK: - Whole numbers

    /// Whole numbers from `low` to `high`.
    static func integers(_ low: Int64, _ high: Int64) -> Pattern {
        var choices: [Pattern] = []
        if low < 0 {
            choices.append(
                .sequence([.text("-"), magnitudes(high < 0 ? high.magnitude : 1, low.magnitude)]))
        }
        if high >= 0 { choices.append(magnitudes(low < 0 ? 0 : low.magnitude, high.magnitude)) }
        return .choice(of: choices)
    }

    private static func magnitudes(_ low: UInt64, _ high: UInt64) -> Pattern {
        guard low <= high else { return .nothing }
        var choices: [Pattern] = []
        let (lows, highs) = (digits(low), digits(high))
        for count in lows.count...highs.count {
            choices.append(
                digits(
                    from: count == lows.count ? lows[...] : ArraySlice([1] + repeatElement(0, count: count - 1)),
                    to: count == highs.count ? highs[...] : ArraySlice(repeatElement(9, count: count))))
        }
        return .choice(of: choices)
    }

    private static func digits(_ number: UInt64) -> [UInt8] { String(number).utf8.map { $0 - UInt8(ascii: "0") } }

    private static func digit(_ low: UInt8, _ high: UInt8) -> Pattern {
        low <= high ? .bytes(ByteSet(low + UInt8(ascii: "0")...high + UInt8(ascii: "0"))) : .nothing
    }

    /// Numbers of as many digits as both bounds have; nil is a bound that earlier digits have settled.
    private static func digits(from low: ArraySlice<UInt8>?, to high: ArraySlice<UInt8>?) -> Pattern {
        guard let count = low?.count ?? high?.count, count > 0 else { return .empty }
        let (l, h) = (low?.first ?? 0, high?.first ?? 9)
        let free = Pattern.repeated(.digit, min: count - 1, max: count - 1)
        if l == h, low != nil, high != nil {
            return .sequence([digit(l, h), digits(from: low?.dropFirst(), to: high?.dropFirst())])
        }
        var choices: [Pattern] = []
        if let low { choices.append(.sequence([digit(l, l), digits(from: low.dropFirst(), to: nil)])) }
        if let high { choices.append(.sequence([digit(h, h), digits(from: nil, to: high.dropFirst())])) }
        let (first, last) = (low == nil ? l : l + 1, high == nil ? h : h == 0 ? 0 : h - 1)
        if first <= last, high == nil || h > 0 { choices.append(.sequence([digit(first, last), free])) }
        return .choice(of: choices)
    }

    // MARK: - Numbers with fractions

    /// Numbers without exponents whose magnitude lies between the bounds.
    static func decimals(_ low: Bound, _ high: Bound) -> Pattern {
        guard low.whole <= high.whole else { return .nothing }
        func with(_ whole: Pattern, _ low: Bound?, _ high: Bound?, exactlyBelow limit: Bound? = nil) -> Pattern {
            let digitMax = [low, high, limit].compactMap { $0 }.map(fractionDigitMax).min() ?? fractionDigitMax
            return .sequence([whole, fraction(low, high, digitMax)])
        }
        if low.whole == high.whole { return with(.text(String(low.whole)), low, high) }
        // Where the next whole number is left out, nothing may be rounded to it.
        func limit(below whole: UInt64) -> Bound? { whole == high.whole && high.fraction.isEmpty ? high : nil }
        var choices = [
            with(.text(String(low.whole)), low, nil, exactlyBelow: limit(below: low.whole + 1)),
            with(.text(String(high.whole)), nil, high),
        ]
        if high.whole - low.whole > 2 {
            choices.append(with(magnitudes(low.whole + 1, high.whole - 2), nil, nil))
        }
        if high.whole - low.whole > 1 {
            let last = high.whole - 1
            choices.append(with(.text(String(last)), nil, nil, exactlyBelow: limit(below: high.whole)))
        }
        return .choice(of: choices)
    }

    /// Digits behind the point of numbers that must not be taken for a bound that is left out.
    private static func fractionDigitMax(_ bound: Bound) -> Int {
        guard !bound.isIncluded else { return fractionDigitMax }
        return max(1, exactDigitMax - (bound.whole == 0 ? 0 : digits(bound.whole).count))
    }

    private struct Tight {
        var digits: ArraySlice<UInt8>
        var isIncluded: Bool
    }

    private static func fraction(_ low: Bound?, _ high: Bound?, _ digitMax: Int) -> Pattern {
        let low = low.map { Tight(digits: $0.fraction[...], isIncluded: $0.isIncluded) }
        let high = high.map { Tight(digits: $0.fraction[...], isIncluded: $0.isIncluded) }
        let digits = Pattern.sequence([.text("."), fraction(low, high, left: digitMax)])
        return mayEnd(low, high) ? .optional(digits) : digits
    }

    /// Whether what is written so far, with zeros for the rest, lies between the bounds.
    private static func mayEnd(_ low: Tight?, _ high: Tight?) -> Bool {
        let isHighEnough = low.map { $0.digits.isEmpty && $0.isIncluded } ?? true
        let isLowEnough = high.map { !$0.digits.isEmpty || $0.isIncluded } ?? true
        return isHighEnough && isLowEnough
    }

    /// One to `left` more digits.
    private static func fraction(_ low: Tight?, _ high: Tight?, left: Int) -> Pattern {
        guard left > 0 else { return .nothing }
        if low == nil && high == nil { return .repeated(.digit, min: 1, max: left) }
        if let low, high == nil, low.digits.isEmpty, low.isIncluded { return .repeated(.digit, min: 1, max: left) }
        let (l, h) = (low.map { $0.digits.first ?? 0 } ?? 0, high.map { $0.digits.first ?? 0 } ?? 9)
        guard l <= h else { return .nothing }
        func then(_ low: Tight?, _ high: Tight?) -> Pattern {
            let rest = fraction(low, high, left: left - 1)
            return mayEnd(low, high) ? .optional(rest) : rest
        }
        func next(_ tight: Tight?) -> Tight? {
            tight.map { Tight(digits: $0.digits.dropFirst(), isIncluded: $0.isIncluded) }
        }
        if l == h, low != nil, high != nil { return .sequence([digit(l, l), then(next(low), next(high))]) }
        var choices: [Pattern] = []
        if low != nil { choices.append(.sequence([digit(l, l), then(next(low), nil)])) }
        if high != nil { choices.append(.sequence([digit(h, h), then(nil, next(high))])) }
        let first = low == nil ? l : l + 1
        if high == nil || h > 0 {
            let last = high == nil ? h : h - 1
            if first <= last { choices.append(.sequence([digit(first, last), then(nil, nil)])) }
        }
        return .choice(of: choices)
    }
}
