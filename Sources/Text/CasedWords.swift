/// GPT-4o's expression, which Phi 4 mini has too. With U for `[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]` and L for
/// `[\p{Ll}\p{Lm}\p{Lo}\p{M}]`: `[^\r\n\p{L}\p{N}]?U*L+(?i:'s|…)?|[^\r\n\p{L}\p{N}]?U+L*(?i:'s|…)?|\p{N}{1,3}|
/// ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+`
extension ScalarScan {
    func cased(word: (Range<Int>) -> Void) {
        var index = 0
        let cases = kinds.indices.map { Self.letterCase(scalar($0), kinds[$0]) }
        while index < count {
            let next = casedWord(at: index, cases)
            word(bytes(index..<next))
            index = next
        }
    }

    /// Which of U and L a scalar belongs to.
    private struct LetterCase: OptionSet {
        let rawValue: UInt8
        static let upper = LetterCase(rawValue: 1)
        static let lower = LetterCase(rawValue: 2)
    }

    private static func letterCase(_ scalar: UInt32, _ kind: Kind) -> LetterCase {
        switch scalar {
        case 0x41...0x5A: return .upper
        case 0x61...0x7A: return .lower
        case 0..<0x80: return []
        default: break
        }
        guard kind == .letter || kind == .other, let scalar = Unicode.Scalar(scalar) else { return [] }
        switch scalar.properties.generalCategory {
        case .uppercaseLetter, .titlecaseLetter: return .upper
        case .lowercaseLetter: return .lower
        case .modifierLetter, .otherLetter, .nonspacingMark, .spacingMark, .enclosingMark: return [.upper, .lower]
        default: return []
        }
    }

    private func casedWord(at index: Int, _ cases: [LetterCase]) -> Int {
        let kind = kinds[index]
        let starts = kind == .letter || kind == .number || kind == .newline ? [index] : [index + 1, index]
        for rule in [endOfLower, endOfUpper] {
            for start in starts {
                guard let end = rule(start, cases) else { continue }
                return end < count ? end + (contraction(at: end, end: count, ignoresCase: true) ?? 0) : end
            }
        }
        if kind == .number { return run(from: index, end: min(count, index + 3)) { $0 == .number } }
        let start = scalar(index) == 0x20 && index + 1 < count ? index + 1 : index
        if kinds[start].isOther {
            var stop = run(from: start, end: count, while: \.isOther)
            while stop < count, kinds[stop] == .newline || scalar(stop) == 0x2F { stop += 1 }
            return stop
        }
        let stop = run(from: index, end: count, while: \.isSpace)
        if let last = (index..<stop).last(where: { kinds[$0] == .newline }) { return last + 1 }
        return spaces(from: index, end: count)
    }

    /// `U*L+` from `start` on: where it ends, or nil.
    private func endOfLower(_ start: Int, _ cases: [LetterCase]) -> Int? {
        let capitals = run(of: .upper, from: start, cases)
        let end = run(of: .lower, from: capitals, cases)
        if end > capitals { return end }
        // What U took last and L would have taken too.
        return (start..<capitals).last { cases[$0].contains(.lower) }.map { $0 + 1 }
    }

    /// `U+L*`
    private func endOfUpper(_ start: Int, _ cases: [LetterCase]) -> Int? {
        let capitals = run(of: .upper, from: start, cases)
        return capitals > start ? run(of: .lower, from: capitals, cases) : nil
    }

    private func run(of wanted: LetterCase, from start: Int, _ cases: [LetterCase]) -> Int {
        var index = start
        while index < count, cases[index].contains(wanted) { index += 1 }
        return index
    }
}
