import JSON
import Logging
import Synchronization
import TestSupport
import Testing

@testable import Telemetry

/// Log lines that hold what anybody may have written.
@Suite struct JSONLogTests {
    /// Keeps lines.
    final class Lines: Sendable {
        private let lines = Mutex<[String]>([])
        func add(_ line: String) { lines.withLock { $0.append(line) } }
        var all: [String] { lines.withLock { $0 } }

        var logger: Logger {
            Logger(label: "router") { label in
                JSONLogHandler(label: label, unixSeconds: { 1_700_000_000.1234 }, write: { self.add($0) })
            }
        }
    }

    @Test func `a line has time, level, label, message and fields, numbers as numbers`() {
        let lines = Lines()
        lines.logger.info(
            "request ended",
            metadata: [
                "model": "m", "total_ms": .stringConvertible(12), "rate": .stringConvertible(0.5), "many": ["a", "b"],
            ])

        #expect(
            lines.all == [
                #"{"ts":1700000000.123,"level":"info","label":"router","message":"request ended","#
                    + #""many":"["a", "b"]","model":"m","rate":0.5,"total_ms":12}"#.replacing(
                        #""["a", "b"]""#, with: #""[\"a\", \"b\"]""#) + "\n"
            ])
    }

    static let hostile = [
        "\n{\"level\":\"error\",\"message\":\"forged\"}", "\r\nforged", "\u{1b}[2J\u{1b}]0;title\u{7}", "\u{9b}31m",
        "\"},{\"",
        "\\", "\\u0022", "\u{0}", "\u{7f}", "\u{2028}\u{2029}", "\u{202e}txt.exe", "😀é", "",
    ]

    static func check(_ value: String) throws {
        let lines = Lines()
        lines.logger.warning("\(value)", metadata: ["value": "\(value)", "list": .array([.string(value)])])
        let line = try #require(lines.all.first)

        #expect(lines.all.count == 1)
        #expect(line.utf8.dropLast().allSatisfy { (0x20...0x7e).contains($0) } && line.utf8.last == 0x0a)
        guard case .object(let object) = try JSONParser.parse(Array(line.utf8)) else {
            Issue.record("no object: \(line)")
            return
        }
        #expect(object["message"] == .string(value) && object["value"] == .string(value))
    }

    @Test(arguments: hostile) func `nobody's text leaves its place`(value: String) throws {
        try Self.check(value)
    }

    @Test(arguments: [21, 22] as [UInt64]) func `random text comes back as it was`(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        for _ in 0..<2_000 {
            var value = ""
            for _ in 0..<random.below(12) {
                let number = random.below(3) == 0 ? random.below(0x11_0000) : random.below(0x100)
                value.unicodeScalars.append(Unicode.Scalar(UInt32(number)) ?? "?")
            }
            try Self.check(value)
        }
    }
}
