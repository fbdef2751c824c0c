/// Cuts text into the words that BPE merges within. Each case is a hand-written scanner that accepts what the published
/// regular expression accepts; see the patterns beside the scanners.
enum PreTokenizer: Sendable, Equatable {
    case gpt2
    /// Every digit alone, then as GPT-2.
    case smollm
    /// Digits in groups of up to so many: Llama 3 has 3, Qwen2 1.
    case llama3(digits: Int, takesWholeWords: Bool = false)
    /// As Llama 3, with words that end where a capital begins anew: GPT-4o's.
    case cased
    /// What llama.cpp does for files that say "default": four expressions, each cutting what the one before left.
    case layered

    /// Names that model files use.
    private static let names: [(name: String, value: PreTokenizer)] = [
        ("default", .layered), ("gpt-2", .gpt2), ("gpt2", .gpt2), ("phi-2", .gpt2),
        ("llama-bpe", .llama3(digits: 3, takesWholeWords: true)), ("llama3", .llama3(digits: 3, takesWholeWords: true)),
        ("llama-v3", .llama3(digits: 3, takesWholeWords: true)), ("dbrx", .llama3(digits: 3)),
        ("smaug-bpe", .llama3(digits: 3)), ("qwen2", .llama3(digits: 1)), ("deepseek-r1-qwen", .llama3(digits: 1)),
        ("gpt-4o", .cased), ("smollm", .smollm),
    ]

    init(named name: String) throws(TokenizerError) {
        guard let known = Self.names.first(where: { $0.name == name }) else {
            throw .unsupportedPreTokenizer(name, supported: Self.names.map(\.name))
        }
        self = known.value
    }

    /// Llama 3 takes a word that is a token as it is, without merging.
    var takesWholeWords: Bool { self == .llama3(digits: 3, takesWholeWords: true) }

    /// Calls `word` with the range of each word of `text`, in order, none empty.
    func split(_ text: ArraySlice<UInt8>, word: (Range<Int>) -> Void) {
        let scan = ScalarScan(text)
        switch self {
        case .gpt2: scan.gpt2(0..<scan.count, word: word)
        case .smollm:
            var start = 0
            for index in 0..<scan.count where scan.kinds[index] == .number {
                scan.gpt2(start..<index, word: word)
                word(scan.bytes(index..<index + 1))
                start = index + 1
            }
            scan.gpt2(start..<scan.count, word: word)
        case .llama3(let digits, _): scan.llama3(digits: digits, word: word)
        case .cased: scan.cased(word: word)
        case .layered: scan.layered(word: word)
        }
    }
}

/// Text as scalars with their classes.
struct ScalarScan {
    enum Kind: UInt8 {
        case letter, number, space, newline
        /// Punctuation and the signs `$+<=>^~|`, which some expressions count with it.
        case mark
        case other
        var isSpace: Bool { self == .space || self == .newline }
        /// `[^\s\p{L}\p{N}]`
        var isOther: Bool { self == .mark || self == .other }
    }

    private let text: ArraySlice<UInt8>
    private(set) var kinds: [Kind] = []
    /// Of text that is not ASCII, else empty: ASCII's bytes are its scalars.
    private var scalars: [UInt32] = []
    /// Byte offset of each of these scalars, and of the end.
    private var offsets: [Int] = []

    var count: Int { kinds.count }

    init(_ text: ArraySlice<UInt8>) {
        self.text = text
        let (span, kindOfByte) = (text.span, Self.kindOfByte)
        var allBits: UInt8 = 0
        kinds.append(addingCapacity: span.count) { found in
            for at in span.indices {
                allBits |= span[at]
                found.append(kindOfByte[Int(span[at])])
            }
        }
        guard allBits >= 0x80 else { return }
        kinds.removeAll(keepingCapacity: true)
        scalars.reserveCapacity(text.count)
        offsets.reserveCapacity(text.count + 1)
        var offset = text.startIndex
        var decoder = UTF8()
        var bytes = text.makeIterator()
        decoding: while true {
            switch decoder.decode(&bytes) {
            case .scalarValue(let scalar):
                scalars.append(scalar.value)
                kinds.append(Self.kind(scalar))
                offsets.append(offset)
                offset += UTF8.width(scalar)
            case .emptyInput, .error: break decoding
            }
        }
        offsets.append(offset)
    }

    func scalar(_ index: Int) -> UInt32 {
        scalars.isEmpty ? UInt32(text[text.startIndex + index]) : scalars[index]
    }

    /// Where scalars lie in the text.
    func bytes(_ range: Range<Int>) -> Range<Int> {
        guard scalars.isEmpty else { return offsets[range.lowerBound]..<offsets[range.upperBound] }
        return text.startIndex + range.lowerBound..<text.startIndex + range.upperBound
    }

    /// Right for ASCII.
    private static let kindOfByte = (0...UInt8.max).map { kind(Unicode.Scalar($0)) }

    private static func kind(_ scalar: Unicode.Scalar) -> Kind {
        switch scalar.value {
        case 0x61...0x7A, 0x41...0x5A: return .letter
        case 0x30...0x39: return .number
        case 0x0A, 0x0D: return .newline
        case 0x20, 0x09, 0x0B, 0x0C: return .space
        case 0x21...0x5F, 0x7B...0x7E: return .mark
        case 0..<0x80: return .other
        default: break
        }
        if scalar.properties.isWhitespace { return .space }
        switch scalar.properties.generalCategory {
        case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter: return .letter
        case .decimalNumber, .letterNumber, .otherNumber: return .number
        case .connectorPunctuation, .dashPunctuation, .openPunctuation, .closePunctuation, .initialPunctuation,
            .finalPunctuation, .otherPunctuation:
            return .mark
        default: return .other
        }
    }

    /// `'s|'t|'re|'ve|'m|'ll|'d` at `index`: its length in scalars, or nil.
    func contraction(at index: Int, end: Int, ignoresCase: Bool) -> Int? {
        guard kinds[index] == .mark, scalar(index) == 0x27, index + 1 < end else { return nil }
        func lower(_ at: Int) -> UInt32 {
            let scalar = self.scalar(at)
            guard ignoresCase else { return scalar }
            if scalar == 0x17F { return 0x73 }
            return (0x41...0x5A).contains(scalar) ? scalar + 0x20 : scalar
        }
        let first = lower(index + 1)
        if [0x73, 0x74, 0x6D, 0x64].contains(first) { return 2 }
        guard index + 2 < end else { return nil }
        switch (first, lower(index + 2)) {
        case (0x72, 0x65), (0x76, 0x65), (0x6C, 0x6C): return 3
        default: return nil
        }
    }

    /// A run of letters, of numbers, or of all that is neither of these nor space.
    private func run(of kind: Kind, from start: Int, end: Int) -> Int {
        kind.isOther ? run(from: start, end: end, while: \.isOther) : run(from: start, end: end) { $0 == kind }
    }

    @inline(__always) func run(from start: Int, end: Int, while holds: (Kind) -> Bool) -> Int {
        let kinds = kinds.span
        var index = start
        while index < end, holds(kinds[index]) { index += 1 }
        return index
    }

    /// `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`
    func gpt2(_ range: Range<Int>, word: (Range<Int>) -> Void) {
        gpt2Words(range) { word(bytes($0)) }
    }

    private func gpt2Words(_ range: Range<Int>, word: (Range<Int>) -> Void) {
        var index = range.lowerBound
        let end = range.upperBound
        while index < end {
            var next: Int
            if let length = contraction(at: index, end: end, ignoresCase: false) {
                next = index + length
            } else {
                let start = scalar(index) == 0x20 && index + 1 < end && !kinds[index + 1].isSpace ? index + 1 : index
                let kind = kinds[start]
                next = kind.isSpace ? spaces(from: index, end: end) : run(of: kind, from: start, end: end)
            }
            word(index..<next)
            index = next
        }
    }

    /// `[\p{P}\$\+<=>\^~\|]+`, then GPT-2's expression, then `\p{N}+`, then `[0-9][0-9][0-9]`.
    func layered(word: (Range<Int>) -> Void) {
        var start = 0
        while start < count {
            let isMark = kinds[start] == .mark
            let stop = run(from: start, end: count) { ($0 == .mark) == isMark }
            if isMark {
                word(bytes(start..<stop))
            } else {
                gpt2Words(start..<stop) { digitGroups($0, word: word) }
            }
            start = stop
        }
    }

    private func digitGroups(_ range: Range<Int>, word: (Range<Int>) -> Void) {
        func isDigit(_ index: Int) -> Bool { (0x30...0x39).contains(scalar(index)) }
        var start = range.lowerBound
        var index = start
        func cut(at end: Int) {
            if start < end { word(bytes(start..<end)) }
            start = end
        }
        while index < range.upperBound {
            if index > start, (kinds[index] == .number) != (kinds[index - 1] == .number) { cut(at: index) }
            if index + 2 < range.upperBound, (index...index + 2).allSatisfy(isDigit) {
                cut(at: index)
                cut(at: index + 3)
                index += 3
            } else {
                index += 1
            }
        }
        cut(at: range.upperBound)
    }

    /// `\s+(?!\S)|\s+`: a run of white space leaves its last to the word that follows.
    func spaces(from start: Int, end: Int) -> Int {
        let stop = run(from: start, end: end, while: \.isSpace)
        return stop < end && stop - start > 1 ? stop - 1 : stop
    }

    /// `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
    func llama3(digits: Int, word: (Range<Int>) -> Void) {
        var index = 0
        let end = count
        while index < end {
            let next = llama3Word(at: index, end: end, digits: digits)
            word(bytes(index..<next))
            index = next
        }
    }

    private func llama3Word(at index: Int, end: Int, digits: Int) -> Int {
        if let length = contraction(at: index, end: end, ignoresCase: true) { return index + length }
        let kind = kinds[index]
        if kind == .letter { return run(from: index, end: end) { $0 == .letter } }
        if kind != .newline, kind != .number, index + 1 < end, kinds[index + 1] == .letter {
            return run(from: index + 1, end: end) { $0 == .letter }
        }
        if kind == .number { return run(from: index, end: min(end, index + digits)) { $0 == .number } }
        let start = scalar(index) == 0x20 && index + 1 < end ? index + 1 : index
        if kinds[start].isOther {
            let stop = run(from: start, end: end, while: \.isOther)
            return run(from: stop, end: end) { $0 == .newline }
        }
        let stop = run(from: index, end: end, while: \.isSpace)
        if let last = (index..<stop).last(where: { kinds[$0] == .newline }) { return last + 1 }
        return spaces(from: index, end: end)
    }
}
