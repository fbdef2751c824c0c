import Foundation
import TestSupport
import Testing

@testable import JSON

@Suite struct JSONParserTests {
    static let accepted: [(String, JSONValue)] = [
        ("null", .null), ("true", .bool(true)), (" false\r\n\t", .bool(false)),
        ("0", .integer(0)), ("-0", .integer(0)), ("42", .integer(42)), ("-17", .integer(-17)),
        ("9223372036854775807", .integer(.max)), ("-9223372036854775808", .integer(.min)),
        ("9223372036854775808", .unsigned(1 << 63)), ("18446744073709551615", .unsigned(.max)),
        ("18446744073709551616", .double(18446744073709551616)), ("-9223372036854775809", .double(-0x1p63)),
        ("1.0", .double(1)), ("1e2", .double(100)), ("1E+2", .double(100)), ("-2.5e-1", .double(-0.25)),
        ("0.1", .double(0.1)), ("1e-400", .double(0)), ("1.7976931348623157e308", .double(.greatestFiniteMagnitude)),
        ("\"\"", .string("")), ("\"a b\"", .string("a b")), ("\"\\u0041\\n\\/\"", .string("A\n/")),
        ("\"\\ud83d\\ude00\"", .string("😀")), ("\"😀é\\t\"", .string("😀é\t")), ("\"\\u0000\"", .string("\0")),
        ("\"\\\"\\\\\\b\\f\\r\"", .string("\"\\\u{08}\u{0C}\r")), ("\"\u{7F}\"", .string("\u{7F}")),
        ("[]", .array([])), ("[ ]", .array([])),
        ("[1,[2],\"3\"]", .array([.integer(1), .array([.integer(2)]), .string("3")])),
        ("{}", .object(JSONObject())),
        (
            "{ \"a\" : 1 , \"b\" : {\"a\":null} }",
            .object(
                JSONObject(members: [
                    .init(name: "a", value: .integer(1)),
                    .init(name: "b", value: .object(JSONObject(members: [.init(name: "a", value: .null)]))),
                ]))
        ),
        ("1e309", .double(.infinity)), ("-1e999", .double(-.infinity)),
    ]

    @Test(arguments: accepted) func `what JSON allows is read as it stands`(text: String, value: JSONValue) throws {
        #expect(try JSONParser.parse(Array(text.utf8)) == value)
    }

    static let refused: [(String, Int)] = [
        ("", 0), ("  ", 2), ("nul", 3), ("nulL", 3), ("True", 0), ("NaN", 0), ("Infinity", 0), ("-Infinity", 0),
        ("01", 0), ("-", 0), ("+1", 0), (".5", 0), ("1.", 0), ("1.e1", 0), ("1e", 0), ("1e+", 0), ("0x10", 1),
        ("1 2", 2), ("[1,]", 3), ("[1 2]", 3), ("[", 1), ("[1", 2), ("]", 0),
        ("{", 1), ("{\"a\"}", 4), ("{\"a\":}", 5), ("{\"a\":1,}", 7), ("{a:1}", 1), ("{'a':1}", 1), ("{1:1}", 1),
        ("{\"a\":1 \"b\":2}", 7), ("{\"a\":1,\"a\":2}", 7), ("{\"a\":1,\"\\u0061\":2}", 7),
        ("\"a", 2), ("\"a\n\"", 2), ("\"\u{1}\"", 1), ("\"\\x\"", 1), ("\"\\", 2), ("\"\\u12\"", 1), ("\"\\u12", 5),
        ("\"\\u12G4\"", 1), ("\"\\ud800\"", 1), ("\"\\udc00\"", 1), ("\"\\ud800\\u0041\"", 1), ("\"\\ud800x\"", 1),
        ("'a'", 0), ("// c\n1", 0), ("1/*c*/", 1), ("\u{FEFF}1", 0), ("{}}", 2), ("\u{A0}1", 0),
    ]

    @Test(arguments: refused) func `what JSON forbids is refused at its place`(text: String, offset: Int) {
        let error = #expect(throws: JSONError.self) { try JSONParser.parse(Array(text.utf8)) }
        #expect(error?.offset == offset, "\(text.debugDescription): \(error?.message ?? "")")
    }

    @Test(
        arguments: [
            ([0x22, 0x61, 0xFF, 0x22], 2), ([0x22, 0xC3, 0x22], 1), ([0x22, 0xE2, 0x82, 0x22], 1),
            ([0x22, 0xED, 0xA0, 0x80, 0x22], 1), ([0x22, 0xC0, 0x80, 0x22], 1), ([0x22, 0xC3, 0xA9, 0x80, 0x22], 3),
            ([0x22, 0xF4, 0x90, 0x80, 0x80, 0x22], 1), ([0x22, 0x5C, 0x6E, 0x80, 0x22], 3),
        ] as [([UInt8], Int)]) func `bytes that are not UTF-8 are refused at their place`(bytes: [UInt8], offset: Int)
    {
        let error = #expect(throws: JSONError.self) { try JSONParser.parse(bytes) }
        #expect(error?.reason == .invalidUTF8)
        #expect(error?.offset == offset)
    }

    @Test func `line and column lead to the offending byte`() {
        let error = #expect(throws: JSONError.self) {
            try JSONParser.parse(Array("{\n  \"a\": 1,\n  \"b\": ?\n}".utf8))
        }
        #expect(error?.line == 3)
        #expect(error?.column == 8)
        #expect(
            error?.message
                == "The body is not valid JSON: a value was expected, but \"?\" came (line 3, column 8, byte 19).")
    }

    @Test func `limits hold exactly`() throws {
        func nested(_ depth: Int) -> [UInt8] {
            Array((String(repeating: "[", count: depth) + String(repeating: "]", count: depth)).utf8)
        }
        _ = try JSONParser.parse(nested(64))
        #expect(throws: JSONError.self) { try JSONParser.parse(nested(65)) }
        #expect(throws: JSONError.self) { try JSONParser.parse(Array(String(repeating: "[", count: 1_000_000).utf8)) }

        func members(_ count: Int) -> [UInt8] {
            Array(("{" + (0..<count).map { "\"\($0)\":0" }.joined(separator: ",") + "}").utf8)
        }
        _ = try JSONParser.parse(members(10_000))
        let error = #expect(throws: JSONError.self) { try JSONParser.parse(members(10_001)) }
        #expect(error?.reason == .tooManyMembers(limit: 10_000))

        var limits = JSONParser.Limits()
        limits.valueCountMax = 4
        _ = try JSONParser.parse(Array("[1,2,3]".utf8), limits: limits)
        #expect(throws: JSONError.self) { try JSONParser.parse(Array("[1,2,3,4]".utf8), limits: limits) }

        let long = "0." + String(repeating: "1", count: 1_022)
        _ = try JSONParser.parse(Array(long.utf8))
        #expect(throws: JSONError.self) { try JSONParser.parse(Array((long + "1").utf8)) }
    }

    @Test func `a name that comes twice is found among many`() {
        let names = (0..<5_000).map { "\"k\($0)\":0" } + ["\"k17\":1"]
        let error = #expect(throws: JSONError.self) {
            try JSONParser.parse(Array(("{" + names.joined(separator: ",") + "}").utf8))
        }
        #expect(error?.reason == .duplicateName("k17"))
    }

    @Test(arguments: [1, 2, 3, 4, 5, 6, 7, 8] as [UInt64])
    func `random documents read as Foundation reads them`(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        for _ in 0..<200 {
            let text = RandomJSON.value(&random, depth: 0)
            let theirs = try JSONSerialization.jsonObject(with: Data(text.utf8), options: .fragmentsAllowed)
            let ours = try JSONParser.parse(Array(text.utf8))
            #expect(RandomJSON.isSame(ours, theirs), "\(text)")
        }
    }

    @Test(arguments: [11, 12, 13, 14] as [UInt64])
    func `a damaged document never traps, and is accepted only if Foundation accepts it`(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        for _ in 0..<500 {
            var bytes = Array(RandomJSON.value(&random, depth: 0).utf8)
            for _ in 0...random.below(3) {
                let at = random.below(bytes.count)
                switch random.below(3) {
                case 0: bytes[at] = UInt8(truncatingIfNeeded: random.next())
                case 1: bytes.remove(at: at)
                default: bytes.insert(Array("{}[]\",:\\0.eE-u".utf8)[random.below(14)], at: at)
                }
                if bytes.isEmpty { bytes = [0x20] }
            }
            // Foundation refuses numbers that no double holds; to us they are infinite.
            guard let value = try? JSONParser.parse(bytes), RandomJSON.isFinite(value) else { continue }
            #expect(
                (try? JSONSerialization.jsonObject(with: Data(bytes), options: .fragmentsAllowed)) != nil,
                "\(String(decoding: bytes, as: UTF8.self))")
        }
    }
}

enum RandomJSON {
    static func isFinite(_ value: JSONValue) -> Bool {
        switch value {
        case .double(let number): number.isFinite
        case .array(let elements): elements.allSatisfy(isFinite)
        case .object(let object): object.members.allSatisfy { isFinite($0.value) }
        case .null, .bool, .integer, .unsigned, .string: true
        }
    }

    static func value(_ random: inout SeededRandom, depth: Int) -> String {
        let space = ["", "", " ", "\n", "\t "][random.below(5)]
        switch random.below(depth > 4 ? 6 : 9) {
        case 0: return space + ["null", "true", "false"][random.below(3)]
        case 1: return space + String(Int64(truncatingIfNeeded: random.next()) >> Int64(random.below(63)))
        case 2: return space + String(random.next() >> UInt64(random.below(63)))
        case 3: return space + String(Double(Int(random.next() >> 40)) / 1024 * (random.below(2) == 0 ? 1 : -1e-5))
        case 4, 5: return space + string(&random)
        case 6:
            return space + "["
                + (0..<random.below(5)).map { _ in value(&random, depth: depth + 1) }.joined(separator: ",") + space
                + "]"
        default:
            let members = (0..<random.below(5)).map { "\(space)\"k\($0)\":\(value(&random, depth: depth + 1))" }
            return space + "{" + members.joined(separator: ",") + "}"
        }
    }

    private static func string(_ random: inout SeededRandom) -> String {
        let pieces = [
            "a", "Zebra", " ", "é", "😀", "\\n", "\\\"", "\\\\", "\\u00e9", "\\ud83d\\ude00", "\\/", "中", "\u{2028}",
            "\\u0001",
        ]
        return "\"" + (0..<random.below(8)).map { _ in pieces[random.below(pieces.count)] }.joined() + "\""
    }

    static func isSame(_ ours: JSONValue, _ theirs: Any) -> Bool {
        switch ours {
        case .null: theirs is NSNull
        case .bool(let value): (theirs as? Bool) == value
        case .integer(let value): (theirs as? NSNumber)?.int64Value == value
        case .unsigned(let value): (theirs as? NSNumber)?.uint64Value == value
        // Foundation goes through Decimal and loses the last bits of some numbers.
        case .double(let value): (theirs as? NSNumber).map { abs($0.doubleValue - value) <= 4 * value.ulp } ?? false
        case .string(let value): (theirs as? String).map { Array($0.utf8) == Array(value.utf8) } ?? false
        case .array(let value):
            (theirs as? [Any]).map { $0.count == value.count && zip(value, $0).allSatisfy { isSame($0, $1) } } ?? false
        case .object(let value):
            (theirs as? [String: Any]).map { theirs in
                theirs.count == value.members.count
                    && value.members.allSatisfy { member in
                        theirs[member.name].map { isSame(member.value, $0) } ?? false
                    }
            } ?? false
        }
    }
}
