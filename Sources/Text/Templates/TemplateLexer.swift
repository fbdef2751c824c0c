/// Cuts a template into tokens. Space around tags goes as Hugging Face's settings have it: a line's indentation before
/// a block tag and the newline after it are dropped (`lstrip_blocks`, `trim_blocks`), and so is one newline at the end.
struct TemplateLexer {
    private let source: [UInt8]
    private var at = 0
    private var line = 1
    private var tokens: [TemplateToken] = []
    /// What comes next begins a line.
    private var isLineStart = true

    static func tokens(of source: String) throws(ChatTemplateError) -> [TemplateToken] {
        guard source.utf8.count <= TemplateLimits.sourceByteCount else {
            throw .limitExceeded("the template is longer than \(TemplateLimits.sourceByteCount) bytes")
        }
        var lexer = TemplateLexer(source)
        try lexer.run()
        return lexer.tokens
    }

    private init(_ text: String) {
        var source: [UInt8] = []
        source.reserveCapacity(text.utf8.count)
        for byte in text.utf8 {
            if byte == UInt8(ascii: "\n"), source.last == UInt8(ascii: "\r") { source.removeLast() }
            source.append(byte)
        }
        for index in source.indices where source[index] == UInt8(ascii: "\r") { source[index] = UInt8(ascii: "\n") }
        if source.last == UInt8(ascii: "\n") { source.removeLast() }
        self.source = source
    }

    private func byte(_ index: Int) -> UInt8? { index < source.count ? source[index] : nil }

    private func has(_ text: StaticString, at index: Int) -> Bool {
        let count = text.utf8CodeUnitCount
        guard index >= 0, index <= source.count - count else { return false }
        return source[index..<index + count].elementsEqual("\(text)".utf8)
    }

    private mutating func push(_ kind: TemplateToken.Kind) { tokens.append(TemplateToken(kind: kind, line: line)) }

    private func fail(_ what: String) -> ChatTemplateError {
        .unsupported("line \(line) of the chat template: \(what)")
    }

    /// Goes forward and counts lines.
    private mutating func advance(to end: Int) {
        guard end > at else { return }
        line += source[at..<end].count { $0 == UInt8(ascii: "\n") }
        isLineStart = source[end - 1] == UInt8(ascii: "\n")
        at = end
    }

    private mutating func run() throws(ChatTemplateError) {
        while let tag = nextTag() {
            pushData(until: tag)
            let kind = source[tag + 1]
            let hasSign = byte(tag + 2) == UInt8(ascii: "-") || byte(tag + 2) == UInt8(ascii: "+")
            advance(to: tag + (hasSign ? 3 : 2))
            switch kind {
            case UInt8(ascii: "#"): try skipComment()
            case UInt8(ascii: "%"):
                if let end = endOfTag(named: "raw", from: at) { try raw(from: end) } else { try block() }
            default:
                push(.outputBegin)
                try code(end: "}}")
                push(.outputEnd)
                closeTag(end: "}}")
            }
        }
        if at < source.count { push(.data(Array(source[at...]))) }
        push(.end)
    }

    private func nextTag() -> Int? {
        source.indices[at...].first { index in
            guard source[index] == UInt8(ascii: "{"), let next = byte(index + 1) else { return false }
            return next == UInt8(ascii: "{") || next == UInt8(ascii: "%") || next == UInt8(ascii: "#")
        }
    }

    /// The text before a tag, without the space that the tag takes away.
    private mutating func pushData(until tag: Int) {
        var end = tag
        let sign = byte(tag + 2)
        if sign == UInt8(ascii: "-") {
            while end > at, source[end - 1].isASCIISpace { end -= 1 }
        } else if sign != UInt8(ascii: "+"), source[tag + 1] != UInt8(ascii: "{") {
            let newline = source[at..<tag].lastIndex(of: UInt8(ascii: "\n"))
            let start = newline.map { $0 + 1 } ?? at
            if newline != nil || isLineStart, source[start..<tag].allSatisfy(\.isASCIISpace) { end = start }
        }
        if end > at { push(.data(Array(source[at..<end]))) }
        advance(to: tag)
    }

    /// Steps over the end of a tag and the space that it takes away.
    private mutating func closeTag(end: StaticString) {
        let sign = byte(at)
        var next = at + end.utf8CodeUnitCount
        if sign == UInt8(ascii: "-") {
            next += 1
            while let byte = byte(next), byte.isASCIISpace { next += 1 }
        } else if sign == UInt8(ascii: "+") {
            next += 1
        } else if !has("}}", at: at), byte(next) == UInt8(ascii: "\n") {
            next += 1
        }
        advance(to: min(next, source.count))
    }

    private mutating func skipComment() throws(ChatTemplateError) {
        guard let end = source.indices[at...].first(where: { has("#}", at: $0) }) else {
            throw fail("a comment does not end")
        }
        let hasSign = end > at && (source[end - 1] == UInt8(ascii: "-") || source[end - 1] == UInt8(ascii: "+"))
        advance(to: hasSign ? end - 1 : end)
        closeTag(end: "#}")
    }

    private mutating func block() throws(ChatTemplateError) {
        push(.blockBegin)
        try code(end: "%}")
        push(.blockEnd)
        closeTag(end: "%}")
    }

    /// `raw %}` from `start` on: where the `%}` (with its sign) begins; nil when another tag is there.
    private func endOfTag(named name: StaticString, from start: Int) -> Int? {
        var index = start
        while let byte = byte(index), byte.isASCIISpace { index += 1 }
        guard has(name, at: index) else { return nil }
        index += name.utf8CodeUnitCount
        while let byte = byte(index), byte.isASCIISpace { index += 1 }
        return isTagEnd("%}", at: index) ? index : nil
    }

    private func isTagEnd(_ end: StaticString, at index: Int) -> Bool {
        if has(end, at: index) { return true }
        let sign = byte(index)
        // Only block tags can end with '+'.
        guard sign == UInt8(ascii: "-") || sign == UInt8(ascii: "+") && has("%}", at: index + 1) else { return false }
        return has(end, at: index + 1)
    }

    private mutating func raw(from tagEnd: Int) throws(ChatTemplateError) {
        // After `raw` no newline is dropped, unlike after other blocks.
        let hasSign = source[tagEnd] == UInt8(ascii: "-")
        if hasSign {
            advance(to: tagEnd)
            closeTag(end: "%}")
        } else {
            advance(to: tagEnd + (source[tagEnd] == UInt8(ascii: "+") ? 3 : 2))
        }
        var index = at
        while index < source.count {
            if has("{%", at: index) {
                let sign = byte(index + 2)
                let hasSign = sign == UInt8(ascii: "-") || sign == UInt8(ascii: "+")
                if let end = endOfTag(named: "endraw", from: index + (hasSign ? 3 : 2)) {
                    pushData(until: index)
                    advance(to: end)
                    closeTag(end: "%}")
                    return
                }
            }
            index += 1
        }
        throw fail("a raw block does not end")
    }

    // MARK: Inside tags

    /// Tokens up to the tag's end, which stays.
    private mutating func code(end: StaticString) throws(ChatTemplateError) {
        // Inside of braces `}}` ends two mappings, not the tag.
        var open = 0
        while true {
            while let byte = byte(at), byte.isASCIISpace { advance(to: at + 1) }
            guard let first = byte(at) else { throw fail("a tag does not end") }
            if open == 0, isTagEnd(end, at: at) { return }
            switch first {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "_"):
                name()
            case UInt8(ascii: "0")...UInt8(ascii: "9"): try number()
            case UInt8(ascii: "'"), UInt8(ascii: "\""): try text(quote: first)
            default:
                guard let symbol = symbol() else { throw fail("unexpected character in a tag") }
                switch symbol {
                case .leftParenthesis, .leftBracket, .leftBrace: open += 1
                case .rightParenthesis, .rightBracket, .rightBrace:
                    guard open > 0 else { throw fail("'\(symbol.rawValue)' without its beginning") }
                    open -= 1
                default: break
                }
            }
        }
    }

    private static func isNameByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "_"),
            UInt8(ascii: "0")...UInt8(ascii: "9"):
            true
        default: false
        }
    }

    private mutating func name() {
        var end = at
        while let byte = byte(end), Self.isNameByte(byte) { end += 1 }
        push(.name(String(decoding: source[at..<end], as: UTF8.self)))
        advance(to: end)
    }

    private mutating func symbol() -> TemplateToken.Symbol? {
        guard
            let found = TemplateToken.Symbol.spellings.first(where: {
                at + $0.bytes.count <= source.count && source[at..<at + $0.bytes.count].elementsEqual($0.bytes)
            })
        else { return nil }
        push(.symbol(found.symbol))
        advance(to: at + found.bytes.count)
        return found.symbol
    }

    private mutating func number() throws(ChatTemplateError) {
        func digits(from start: Int) -> Int {
            var end = start
            while let byte = byte(end), byte == UInt8(ascii: "_") || (0x30...0x39).contains(byte) { end += 1 }
            return end
        }
        func isDigit(_ index: Int) -> Bool { byte(index).map { (0x30...0x39).contains($0) } ?? false }
        var end = digits(from: at)
        var isWhole = true
        // After a dot, as in `list.0.1`, a second dot is no fraction.
        if tokens.last?.kind != .symbol(.dot) {
            if byte(end) == UInt8(ascii: "."), isDigit(end + 1) {
                isWhole = false
                end = digits(from: end + 1)
            }
            if let mark = byte(end), mark | 0x20 == UInt8(ascii: "e") {
                let sign = byte(end + 1)
                let start = end + (sign == UInt8(ascii: "+") || sign == UInt8(ascii: "-") ? 2 : 1)
                if isDigit(start) {
                    isWhole = false
                    end = digits(from: start)
                }
            }
        }
        let spelling = String(decoding: source[at..<end].filter { $0 != UInt8(ascii: "_") }, as: UTF8.self)
        if isWhole {
            guard let value = Int(spelling) else { throw fail("the number \(spelling.prefix(40)) is too large") }
            push(.integer(value))
        } else {
            guard let value = Double(spelling), value.isFinite else {
                throw fail("the number \(spelling.prefix(40)) is too large")
            }
            push(.number(value))
        }
        advance(to: end)
    }

    private mutating func text(quote: UInt8) throws(ChatTemplateError) {
        var index = at + 1
        while let byte = byte(index), byte != quote { index += byte == UInt8(ascii: "\\") ? 2 : 1 }
        guard index < source.count else { throw fail("a string does not end") }
        guard let decoded = StringEscapes.decode(source[at + 1..<index]) else {
            throw fail("a string with an escape that is no character")
        }
        push(.text(decoded))
        advance(to: index + 1)
    }
}
