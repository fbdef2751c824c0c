import Foundation
import JSON
import NIOCore
import TestSupport
import Testing

@testable import API

@Suite struct JSONWriterTests {
    static let strings: [(String, String)] = [
        ("", "\"\""), ("plain text", "\"plain text\""), ("é😀中", "\"é😀中\""), ("a\"b\\c", "\"a\\\"b\\\\c\""),
        ("\n\r\t\u{08}\u{0C}", "\"\\n\\r\\t\\b\\f\""), ("\0\u{1F}", "\"\\u0000\\u001f\""), ("\u{7F}", "\"\u{7F}\""),
        ("\u{85}\u{2028}\u{2029}", "\"\\u0085\\u2028\\u2029\""), ("\u{A0}“", "\"\u{A0}“\""), ("/", "\"/\""),
        ("data: x\n\n", "\"data: x\\n\\n\""),
    ]

    @Test(arguments: strings) func `a string is escaped where it must be`(text: String, json: String) {
        var buffer = ByteBuffer()
        buffer.writeJSON(text)
        #expect(String(buffer: buffer) == json)
    }

    @Test(
        arguments: [
            (0, "0.0"), (-0.5, "-0.5"), (-1e-5, "-1e-05"), (-123.456, "-123.456"), (-.infinity, "-9999.0"),
            (.nan, "-9999.0"), (.infinity, "-9999.0"),
        ] as [(Float, String)]) func `a log-probability is always a JSON number`(number: Float, json: String)
    {
        var buffer = ByteBuffer()
        buffer.writeJSON(number)
        #expect(String(buffer: buffer) == json)
    }

    @Test(arguments: [0, 7, 9, 10, 99, 100, 1_234_567_890, -1, -10, .max, .min] as [Int64])
    func `a whole number is written in digits`(number: Int64) {
        var buffer = ByteBuffer()
        buffer.writeJSON(number)
        #expect(String(buffer: buffer) == String(number))
    }

    @Test func `a name is written in hexadecimal`() {
        let words: (high: UInt64, low: UInt64) = (0x0123_4567_89AB_CDEF, 0xF000_0000_9A00_0001)
        var buffer = ByteBuffer()
        buffer.writeName(words)
        #expect(String(buffer: buffer) == "0123456789abcdeff00000009a000001")
        #expect(APICore.text(words) == String(buffer: buffer))
    }

    @Test(arguments: [21, 22, 23] as [UInt64]) func `what is written reads back the same`(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        for _ in 0..<300 {
            var text = ""
            for _ in 0..<random.below(20) {
                text.unicodeScalars.append(Unicode.Scalar(UInt32(random.below(0x3000))) ?? "x")
            }
            var buffer = ByteBuffer()
            buffer.writeJSON(text)
            #expect(try JSONParser.parse(Array(buffer.readableBytesView)) == .string(text))
            let theirs = try JSONSerialization.jsonObject(
                with: Data(buffer.readableBytesView), options: .fragmentsAllowed)
            #expect((theirs as? String).map { Array($0.utf8) } == Array(text.utf8))
        }
    }
}
