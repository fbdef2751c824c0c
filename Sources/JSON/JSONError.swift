/// Where a JSON text ends to be one, and why.
package struct JSONError: Error, Equatable, Sendable {
    package enum Reason: Equatable, Sendable {
        case empty
        case unexpectedEnd
        case unexpectedByte(UInt8, wanted: String)
        case textAfterEnd
        case invalidUTF8
        case controlCharacter(UInt8)
        case invalidEscape
        case loneSurrogate
        case invalidNumber
        case numberTooLong(limit: Int)
        case duplicateName(String)
        case tooDeep(limit: Int)
        case tooManyMembers(limit: Int)
        case tooManyValues(limit: Int)
    }

    package var reason: Reason
    /// Bytes before the offending one.
    package var offset: Int
    /// From 1; columns count bytes.
    package var line: Int
    package var column: Int

    package var message: String { "The body is not valid JSON: \(cause)." }

    /// What is wrong, and where.
    package var cause: String {
        let what =
            switch reason {
            case .empty: "it is empty"
            case .unexpectedEnd: "the text ends in the middle of a value"
            case .unexpectedByte(let byte, let wanted): "\(wanted) was expected, but \(Self.name(byte)) came"
            case .textAfterEnd: "something follows after the end of the value"
            case .invalidUTF8: "the text is not valid UTF-8"
            case .controlCharacter(let byte): "\(Self.name(byte)) stands unescaped in a string"
            case .invalidEscape: "a string has an escape that JSON does not know"
            case .loneSurrogate: "a string escapes half of a surrogate pair"
            case .invalidNumber: "a number is not written as JSON writes numbers"
            case .numberTooLong(let limit): "a number has more than \(limit) characters"
            case .duplicateName(let name): "an object has the name \"\(name.prefix(64))\" twice"
            case .tooDeep(let limit): "lists and objects are nested more than \(limit) deep"
            case .tooManyMembers(let limit): "an object has more than \(limit) members"
            case .tooManyValues(let limit): "the text has more than \(limit) values"
            }
        return "\(what) (line \(line), column \(column), byte \(offset))"
    }

    private static func name(_ byte: UInt8) -> String {
        let hexadecimal = String(byte, radix: 16, uppercase: true)
        return byte > 0x20 && byte < 0x7F
            ? "\"\(Character(UnicodeScalar(byte)))\"" : "byte 0x" + (byte < 16 ? "0" : "") + hexadecimal
    }
}
