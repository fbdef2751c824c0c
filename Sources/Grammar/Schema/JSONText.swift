import JSON

/// How JSON is written here: compact or with a little white space, strings in UTF-8 with the escapes that RFC 8259 names.
enum JSONText {
    /// Nothing, a space, or a new line with its indentation: bounded, for models that like white space too much.
    static let space = Pattern.optional(
        .choice([
            .text(" "), .sequence([.text("\n"), .repeated(.bytes(ByteSet(UInt8(ascii: " "))), min: 0, max: 32)]),
        ]))
    static let comma = Pattern.sequence([.text(","), space])
    static let colon = Pattern.sequence([.text(":"), space])
    static let quote = Pattern.text("\"")

    /// Characters that stand in a string as they are.
    static let plain = ScalarSet([0x20...0x10FFFF]).subtracting(ScalarSet("\"\\"))

    /// So many of them.
    static let plainText = Pattern.any(plain.pattern)

    /// One character of a string: as it is, or escaped. Halves of surrogate pairs are not written.
    static let character = Pattern.choice([
        plain.pattern,
        .sequence([
            .text("\\"),
            .choice([
                ScalarSet("\"\\/bfnrt").pattern,
                .sequence([
                    .text("u"),
                    .choice([
                        .sequence([hexadecimal(excluding: "dD"), hexadecimal(), hexadecimal(), hexadecimal()]),
                        .sequence([
                            ScalarSet("dD").pattern, ScalarSet("01234567").pattern, hexadecimal(), hexadecimal(),
                        ]),
                    ]),
                ]),
            ]),
        ]),
    ])

    static let string = Pattern.sequence([quote, .any(character), quote])

    /// `-0` is left out; so are more digits than a double tells apart, and exponents beyond its range.
    static let number: Pattern = {
        let whole = Pattern.choice([
            .text("0"), .sequence([.digitFrom1, .repeated(.digit, min: 0, max: 14)]),
        ])
        let fraction = Pattern.optional(.sequence([.text("."), .repeated(.digit, min: 1, max: 16)]))
        let exponent = Pattern.optional(
            .sequence([
                ScalarSet("eE").pattern, .optional(ScalarSet("+-").pattern), .repeated(.digit, min: 1, max: 2),
            ]))
        return .sequence([.optional(.text("-")), whole, fraction, exponent])
    }()

    static let boolean = Pattern.choice([.text("true"), .text("false")])
    static let null = Pattern.text("null")

    private static func hexadecimal(excluding: String = "") -> Pattern {
        ScalarSet("0123456789abcdefABCDEF").subtracting(ScalarSet(excluding)).pattern
    }

    /// A character of the set, inside a string: escaped where it must be, else as it is.
    static func encoded(_ set: ScalarSet) -> Pattern {
        var choices = [set.intersection(plain).pattern]
        for range in set.subtracting(plain).ranges {
            for value in range {
                if let scalar = Unicode.Scalar(value) { choices.append(.text(escaped(scalar))) }
            }
        }
        return .choice(of: choices)
    }

    private static func escaped(_ scalar: Unicode.Scalar) -> String {
        switch scalar {
        case "\"": return "\\\""
        case "\\": return "\\\\"
        case "\n": return "\\n"
        case "\r": return "\\r"
        case "\t": return "\\t"
        case "\u{08}": return "\\b"
        case "\u{0C}": return "\\f"
        case "\u{00}"..<"\u{20}":
            let digits = String(scalar.value, radix: 16)
            return "\\u" + String(repeating: "0", count: 4 - digits.utf8.count) + digits
        default: return String(scalar)
        }
    }

    static func quoted(_ text: String) -> String { "\"" + text.unicodeScalars.map(escaped).joined() + "\"" }

    /// A value, without white space.
    static func text(_ value: JSONValue) -> String {
        switch value {
        case .null: "null"
        case .bool(let bool): bool ? "true" : "false"
        case .integer(let number): String(number)
        case .unsigned(let number): String(number)
        case .double(let number): number.jsonText
        case .string(let text): quoted(text)
        case .array(let elements): "[" + elements.map(text).joined(separator: ",") + "]"
        case .object(let object):
            "{" + object.members.map { quoted($0.name) + ":" + text($0.value) }.joined(separator: ",") + "}"
        }
    }

    /// Beginnings of names: which come by their first characters, with what follows in each, and all others.
    static func branches(
        _ names: [ArraySlice<Unicode.Scalar>]
    ) -> (known: [(Unicode.Scalar, [ArraySlice<Unicode.Scalar>])], other: ScalarSet) {
        var rests: [Unicode.Scalar: [ArraySlice<Unicode.Scalar>]] = [:]
        for name in names { if let first = name.first { rests[first, default: []].append(name.dropFirst()) } }
        let known = rests.sorted { $0.key < $1.key }.filter { plain.contains($0.key.value) }
        return (
            known.map { ($0.key, $0.value) }, plain.subtracting(ScalarSet(known.map { $0.key.value...$0.key.value }))
        )
    }
}
