import Inference

/// Reads one JSON text, within limits that make its cost a small multiple of its length.
///
/// Stricter than the grammar where a client would be misunderstood: a name may come once in an object, escapes must
/// be whole characters, numbers larger than any double are infinite. Source: RFC 8259; RFC 7493 (I-JSON) for the strictness.
package struct JSONParser {
    package struct Limits: Sendable {
        /// 64: no request nests deeper than tool schemas do, and the parser's stack stays below 32 KiB.
        package var depthMax = 64
        /// Per object. The largest honest one is `logit_bias`.
        package var memberCountMax = 10_000
        /// In all. A value takes 24 bytes, so that `[0,0,…` of 8 MiB cannot become 100 MB.
        package var valueCountMax = 1_000_000
        /// Characters of a number.
        package var numberLengthMax = 1_024

        package init() {}
    }

    private let bytes: [UInt8]
    private let limits: Limits
    private var at = 0
    private var depth = 0
    private var valueCount = 0

    package static func parse(_ bytes: [UInt8], limits: Limits = Limits()) throws(JSONError) -> JSONValue {
        var parser = JSONParser(bytes: bytes, limits: limits)
        return try parser.document()
    }

    private init(bytes: [UInt8], limits: Limits) {
        self.bytes = bytes
        self.limits = limits
    }

    private mutating func document() throws(JSONError) -> JSONValue {
        skipSpace()
        guard at < bytes.count else { throw error(.empty) }
        let value = try value()
        skipSpace()
        guard at == bytes.count else { throw error(.textAfterEnd) }
        return value
    }

    private mutating func value() throws(JSONError) -> JSONValue {
        valueCount += 1
        guard valueCount <= limits.valueCountMax else { throw error(.tooManyValues(limit: limits.valueCountMax)) }
        guard at < bytes.count else { throw error(.unexpectedEnd) }
        switch bytes[at] {
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "{"): return .object(try object())
        case UInt8(ascii: "["): return .array(try array())
        case UInt8(ascii: "t"): return try literal("true", .bool(true))
        case UInt8(ascii: "f"): return try literal("false", .bool(false))
        case UInt8(ascii: "n"): return try literal("null", .null)
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return try number()
        case let byte: throw error(.unexpectedByte(byte, wanted: "a value"))
        }
    }

    private mutating func object() throws(JSONError) -> JSONObject {
        try enter()
        var object = JSONObject()
        // Names are compared one by one while they are few, and hashed (keyed per process) when they are many: as bytes,
        // for vocabularies tell words apart that Unicode calls equivalent.
        var names: Set<[UInt8]> = []
        skipSpace()
        if peek() != UInt8(ascii: "}") {
            while true {
                let nameAt = at
                guard peek() == UInt8(ascii: "\"") else { throw unexpected("a name in quotes") }
                let name = try string()
                let isKnown: Bool
                if object.members.count < 16 {
                    isKnown = object.place(of: name) != nil
                } else {
                    if names.isEmpty { names = Set(object.members.map { Array($0.name.utf8) }) }
                    isKnown = !names.insert(Array(name.utf8)).inserted
                }
                guard !isKnown else { throw error(.duplicateName(name), at: nameAt) }
                guard object.members.count < limits.memberCountMax else {
                    throw error(.tooManyMembers(limit: limits.memberCountMax), at: nameAt)
                }
                skipSpace()
                guard peek() == UInt8(ascii: ":") else { throw unexpected("\":\"") }
                at += 1
                skipSpace()
                // Most objects have two members or more, and the outermost of a request some more than that.
                if object.members.isEmpty { object.members.reserveCapacity(depth == 1 ? 8 : 2) }
                object.members.append(.init(name: name, value: try value()))
                skipSpace()
                if peek() == UInt8(ascii: "}") { break }
                guard peek() == UInt8(ascii: ",") else { throw unexpected("\",\" or \"}\"") }
                at += 1
                skipSpace()
            }
        }
        at += 1
        depth -= 1
        return object
    }

    private mutating func array() throws(JSONError) -> [JSONValue] {
        try enter()
        var array: [JSONValue] = []
        skipSpace()
        if peek() != UInt8(ascii: "]") {
            while true {
                let value = try value()
                // Messages are few, and the second makes room for some more.
                if array.isEmpty { array.reserveCapacity(2) }
                array.append(value)
                skipSpace()
                if peek() == UInt8(ascii: "]") { break }
                guard peek() == UInt8(ascii: ",") else { throw unexpected("\",\" or \"]\"") }
                at += 1
                skipSpace()
            }
        }
        at += 1
        depth -= 1
        return array
    }

    private mutating func enter() throws(JSONError) {
        guard depth < limits.depthMax else { throw error(.tooDeep(limit: limits.depthMax)) }
        depth += 1
        at += 1
    }

    private mutating func literal(_ word: StaticString, _ value: JSONValue) throws(JSONError) -> JSONValue {
        for byte in word.description.utf8 {
            guard peek() == byte else { throw unexpected("\"\(word)\"") }
            at += 1
        }
        return value
    }

    /// At an opening quote; ends after the closing one.
    private mutating func string() throws(JSONError) -> String {
        let start = at + 1
        let isASCII: Bool
        (at, isASCII) = Self.plainEnd(bytes, from: start)
        if peek() == UInt8(ascii: "\"") {
            defer { at += 1 }
            // ASCII is valid as it is.
            if isASCII { return String(decoding: bytes[start..<at], as: UTF8.self) }
            return try text(bytes[start..<at], at: start)
        }
        return try escapedString(from: start)
    }

    /// Where the first byte is that ends a string, begins an escape, or may not stand in one.
    private static func plainEnd(_ bytes: [UInt8], from start: Int) -> (end: Int, isASCII: Bool) {
        let bytes = bytes.span
        var end = start
        var allBits: UInt64 = 0
        while let word = bytes.word(at: end), !word.hasByte(below: 0x20), !word.hasByte(UInt8(ascii: "\"")),
            !word.hasByte(UInt8(ascii: "\\"))
        {
            allBits |= word
            end += 8
        }
        while end < bytes.count {
            let byte = bytes[end]
            if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") || byte < 0x20 { break }
            allBits |= UInt64(byte)
            end += 1
        }
        return (end, allBits & 0x8080_8080_8080_8080 == 0)
    }

    /// The long way, for strings with escapes: at the first of them, or at what may not stand in a string.
    private mutating func escapedString(from start: Int) throws(JSONError) -> String {
        var unescaped = Array(bytes[start..<at])
        while at < bytes.count {
            switch bytes[at] {
            case UInt8(ascii: "\""):
                at += 1
                if let text = String(validating: unescaped, as: UTF8.self) { return text }
                // Escapes are ASCII and make whole characters: the fault is in the bytes around them.
                return try text(bytes[start..<at - 1], at: start)
            case UInt8(ascii: "\\"):
                let scalar = try escape()
                if scalar.isASCII {
                    unescaped.append(UInt8(truncatingIfNeeded: scalar.value))
                } else {
                    unescaped += UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter
                }
            case 0..<0x20:
                throw error(.controlCharacter(bytes[at]))
            default:
                unescaped.append(bytes[at])
                at += 1
            }
        }
        throw error(.unexpectedEnd)
    }

    private mutating func escape() throws(JSONError) -> Unicode.Scalar {
        let backslashAt = at
        guard at + 1 < bytes.count else { throw error(.unexpectedEnd, at: bytes.count) }
        at += 2
        switch bytes[at - 1] {
        case UInt8(ascii: "\""): return "\""
        case UInt8(ascii: "\\"): return "\\"
        case UInt8(ascii: "/"): return "/"
        case UInt8(ascii: "b"): return "\u{08}"
        case UInt8(ascii: "f"): return "\u{0C}"
        case UInt8(ascii: "n"): return "\n"
        case UInt8(ascii: "r"): return "\r"
        case UInt8(ascii: "t"): return "\t"
        case UInt8(ascii: "u"): break
        default: throw error(.invalidEscape, at: backslashAt)
        }
        let first = try hexadecimal(backslashAt)
        if let scalar = Unicode.Scalar(first) { return scalar }
        // A surrogate: only a high one, with its low one escaped right behind it, is a character.
        guard first < 0xDC00, at + 1 < bytes.count, bytes[at] == UInt8(ascii: "\\"), bytes[at + 1] == UInt8(ascii: "u")
        else { throw error(.loneSurrogate, at: backslashAt) }
        at += 2
        let second = try hexadecimal(at - 2)
        guard (0xDC00...0xDFFF).contains(second),
            let scalar = Unicode.Scalar(0x10000 + (UInt32(first & 0x3FF) << 10 | UInt32(second & 0x3FF)))
        else { throw error(.loneSurrogate, at: backslashAt) }
        return scalar
    }

    private mutating func hexadecimal(_ escapeAt: Int) throws(JSONError) -> UInt16 {
        var value: UInt16 = 0
        for _ in 0..<4 {
            guard at < bytes.count else { throw error(.unexpectedEnd) }
            let digit: UInt8
            switch bytes[at] {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): digit = bytes[at] - UInt8(ascii: "0")
            case UInt8(ascii: "a")...UInt8(ascii: "f"): digit = bytes[at] - UInt8(ascii: "a") + 10
            case UInt8(ascii: "A")...UInt8(ascii: "F"): digit = bytes[at] - UInt8(ascii: "A") + 10
            default: throw error(.invalidEscape, at: escapeAt)
            }
            value = value << 4 | UInt16(digit)
            at += 1
        }
        return value
    }

    private func text(_ slice: ArraySlice<UInt8>, at start: Int) throws(JSONError) -> String {
        if let text = String(validating: slice, as: UTF8.self) { return text }
        throw error(.invalidUTF8, at: start + Self.validPrefixCount(slice))
    }

    /// How many bytes stand before the first that cannot be UTF-8.
    private static func validPrefixCount(_ slice: ArraySlice<UInt8>) -> Int {
        var decoder = Unicode.UTF8.ForwardParser()
        var iterator = slice.makeIterator()
        var count = 0
        while case .valid(let scalar) = decoder.parseScalar(from: &iterator) { count += scalar.count }
        return count
    }

    private mutating func skipSpace() {
        while at < bytes.count {
            switch bytes[at] {
            case 0x20, 0x0A, 0x0D, 0x09: at += 1
            default: return
            }
        }
    }

    private func peek() -> UInt8? { at < bytes.count ? bytes[at] : nil }
}

extension JSONParser {
    private mutating func number() throws(JSONError) -> JSONValue {
        let start = at
        let isNegative = bytes[at] == UInt8(ascii: "-")
        if isNegative { at += 1 }
        let digitsAt = at
        var magnitude: UInt64 = 0
        var isExact = true
        while let digit = digit() {
            let (tens, overflowed) = magnitude.multipliedReportingOverflow(by: 10)
            let (sum, carried) = tens.addingReportingOverflow(UInt64(digit))
            if overflowed || carried { isExact = false }
            magnitude = sum
            at += 1
        }
        guard at > digitsAt else { throw error(.invalidNumber, at: start) }
        guard at == digitsAt + 1 || bytes[digitsAt] != UInt8(ascii: "0") else {
            throw error(.invalidNumber, at: start)
        }
        if peek() == UInt8(ascii: ".") {
            at += 1
            try digits(start)
            isExact = false
        }
        if peek() == UInt8(ascii: "e") || peek() == UInt8(ascii: "E") {
            at += 1
            if peek() == UInt8(ascii: "+") || peek() == UInt8(ascii: "-") { at += 1 }
            try digits(start)
            isExact = false
        }
        if isExact {
            if !isNegative { return Int64(exactly: magnitude).map { .integer($0) } ?? .unsigned(magnitude) }
            if magnitude <= UInt64(Int64.max) + 1 { return .integer(Int64(truncatingIfNeeded: 0 &- magnitude)) }
        }
        guard at - start <= limits.numberLengthMax else {
            throw error(.numberTooLong(limit: limits.numberLengthMax), at: start)
        }
        // What is larger than any double becomes infinite: the field's own range says what is wrong with it.
        guard let double = Double(String(decoding: bytes[start..<at], as: UTF8.self)) else {
            throw error(.invalidNumber, at: start)
        }
        return .double(double)
    }

    private func digit() -> UInt8? {
        guard at < bytes.count, bytes[at] >= UInt8(ascii: "0"), bytes[at] <= UInt8(ascii: "9") else { return nil }
        return bytes[at] - UInt8(ascii: "0")
    }

    private mutating func digits(_ start: Int) throws(JSONError) {
        guard digit() != nil else { throw error(.invalidNumber, at: start) }
        while digit() != nil { at += 1 }
    }

    private func unexpected(_ wanted: String) -> JSONError {
        peek().map { error(.unexpectedByte($0, wanted: wanted)) } ?? error(.unexpectedEnd)
    }

    private func error(_ reason: JSONError.Reason) -> JSONError { error(reason, at: at) }

    private func error(_ reason: JSONError.Reason, at offset: Int) -> JSONError {
        let before = bytes.prefix(offset)
        let line = before.reduce(into: 1) { if $1 == 0x0A { $0 += 1 } }
        let lineStart = before.lastIndex(of: 0x0A).map { $0 + 1 } ?? 0
        return JSONError(reason: reason, offset: offset, line: line, column: offset - lineStart + 1)
    }
}
