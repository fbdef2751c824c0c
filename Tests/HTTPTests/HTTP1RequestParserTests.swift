import NIOCore
import Testing

@testable import HTTP

@Suite struct HTTP1RequestParserTests {
    /// Everything the parser says about some bytes, handed over in pieces of `step`.
    private func parse(_ text: String, step: Int) -> (events: [HTTP1RequestParser.Event], refusal: HTTP1Refusal?) {
        var parser = HTTP1RequestParser(limits: HTTPHeadLimits())
        var events: [HTTP1RequestParser.Event] = []
        var input = ByteBuffer()
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            input.writeBytes(rest.prefix(step))
            rest = rest.dropFirst(step)
            do throws(HTTP1Refusal) {
                while true {
                    let event = try parser.next(&input)
                    if event == .needsMoreBytes { break }
                    if case .body(let more) = event, case .body(var last)? = events.last {
                        last.writeImmutableBuffer(more)
                        events[events.count - 1] = .body(last)
                    } else {
                        events.append(event)
                    }
                }
            } catch {
                return (events, error)
            }
        }
        return (events, nil)
    }

    @Test(arguments: [1, 3, 8, 1000])
    func `a byte that has no place in a head is refused wherever it stands`(step: Int) {
        for place in 0..<24 {
            for (byte, sentence) in [
                ("\0", "NUL stands in the head"), ("\n", "a line ends without CR"), ("\r", "CR stands inside a line"),
                ("\u{1}", "a header value holds a control character"),
                ("\u{7F}", "a header value holds a control character"),
            ] {
                let value = String(repeating: "a", count: place) + byte + String(repeating: "b", count: 23 - place)
                let (events, refusal) = parse("GET / HTTP/1.1\r\nhost: h\r\nx: \(value)c\r\n\r\n", step: step)
                #expect(events.isEmpty && refusal == .malformed(sentence), "\(place)")
            }
        }
    }

    @Test(arguments: [1, 2, 7, 1000])
    func `requests come out the same however their bytes arrive`(step: Int) throws {
        let text =
            "POST /a?b=c HTTP/1.1\r\nHost: h\r\nX-Long:  a b \t\r\nContent-Length: 5\r\n\r\nhello"
            + "POST /b HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n3;x=y\r\nabc\r\nA\r\n0123456789\r\n0\r\nT: v\r\n\r\n"
            + "\r\nGET http://h/c HTTP/1.0\r\n\r\n"

        let (events, refusal) = parse(text, step: step)

        #expect(refusal == nil)
        try #require(events.count == 8)
        guard case .head(let first, let firstFraming) = events[0],
            case .head(let second, let secondFraming) = events[3],
            case .head(let third, let thirdFraming) = events[6]
        else {
            Issue.record("heads are missing: \(events)")
            return
        }
        #expect(first.method == "POST" && first.path == "/a" && first.query == "b=c")
        #expect(first.header("x-long") == "a b")
        #expect(firstFraming.body == .length(5) && firstFraming.keepsAlive)
        #expect(events[1] == .body(ByteBuffer(string: "hello")))
        #expect(events[2] == .end)
        #expect(second.path == "/b" && secondFraming.body == .chunked)
        #expect(events[4] == .body(ByteBuffer(string: "abc0123456789")))
        #expect(events[5] == .end)
        #expect(third.path == "/c" && !thirdFraming.keepsAlive && thirdFraming.body == .none)
        #expect(events[7] == .end)
    }

    struct Refused: Sendable, CustomTestStringConvertible {
        var text: String
        var status: Int
        var testDescription: String { text.debugDescription }
        init(_ status: Int, _ text: String) { (self.status, self.text) = (status, text) }
    }

    static let head = "POST / HTTP/1.1\r\nHost: h\r\n"
    static let chunked = head + "Transfer-Encoding: chunked\r\n\r\n"

    static let refused: [Refused] = [
        Refused(400, head + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"),
        Refused(400, head + "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n"),
        Refused(501, head + "Transfer-Encoding: gzip, chunked\r\n\r\n"),
        Refused(501, head + "Transfer-Encoding: identity\r\n\r\n"),
        Refused(501, head + "Transfer-Encoding: xchunked\r\n\r\n"),
        Refused(501, head + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"),
        Refused(501, head + "Transfer-Encoding: \"chunked\"\r\n\r\n"),
        Refused(501, head + "Transfer-Encoding:\r\n\r\n"),
        Refused(400, head + "Content-Length: 5\r\nContent-Length: 5\r\n\r\n"),
        Refused(400, head + "Content-Length: 5, 5\r\n\r\n"), Refused(400, head + "Content-Length: +5\r\n\r\n"),
        Refused(400, head + "Content-Length: -5\r\n\r\n"), Refused(400, head + "Content-Length: 0x5\r\n\r\n"),
        Refused(400, head + "Content-Length: 5 5\r\n\r\n"), Refused(400, head + "Content-Length:\r\n\r\n"),
        Refused(400, head + "Content-Length: 99999999999999999999\r\n\r\n"),
        Refused(400, head + "Content-Length : 5\r\n\r\n"), Refused(400, head + " Content-Length: 5\r\n\r\n"),
        Refused(400, head + "X: a\r\n folded\r\n\r\n"), Refused(400, head + "X: a\r\n\tfolded\r\n\r\n"),
        Refused(400, head + "X: a\nY: b\r\n\r\n"), Refused(400, head + "X: a\rY: b\r\n\r\n"),
        Refused(400, head + "X: a\u{0}b\r\n\r\n"), Refused(400, head + "X: a\u{1}b\r\n\r\n"),
        Refused(400, head + ": a\r\n\r\n"), Refused(400, head + "X\r\n\r\n"), Refused(400, head + "X(: a\r\n\r\n"),
        Refused(400, "POST / HTTP/1.1\nHost: h\n\n"), Refused(400, "\r\n\r\n" + head + "\r\n"),
        Refused(400, "\rPOST / HTTP/1.1\r\nHost: h\r\n\r\n"), Refused(400, "\nPOST / HTTP/1.1\r\nHost: h\r\n\r\n"),
        Refused(400, "POST / HTTP/1.1\r\n\r\n"), Refused(400, head + "Host: i\r\n\r\n"),
        Refused(400, "POST  / HTTP/1.1\r\nHost: h\r\n\r\n"), Refused(400, "POST / HTTP/1.1 \r\nHost: h\r\n\r\n"),
        Refused(400, "POST /\r\nHost: h\r\n\r\n"), Refused(400, "POST / http/1.1\r\nHost: h\r\n\r\n"),
        Refused(505, "POST / HTTP/2.0\r\nHost: h\r\n\r\n"), Refused(505, "POST / HTTP/1.2\r\nHost: h\r\n\r\n"),
        Refused(400, "P(ST / HTTP/1.1\r\nHost: h\r\n\r\n"), Refused(400, "POST /../ HTTP/1.1\r\nHost: h\r\n\r\n"),
        Refused(400, "POST /%2f HTTP/1.1\r\nHost: h\r\n\r\n"),
        Refused(400, "GET http:/h/ HTTP/1.1\r\nHost: h\r\n\r\n"),
        Refused(400, "GET http://h/../ HTTP/1.1\r\nHost: h\r\n\r\n"),
        Refused(400, "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"),
        Refused(417, head + "Expect: tea\r\n\r\n"),
        Refused(400, chunked + "-1\r\n"), Refused(400, chunked + "+1\r\na\r\n"), Refused(400, chunked + "1_0\r\n"),
        Refused(400, chunked + "0x1\r\na\r\n"), Refused(400, chunked + " 1\r\na\r\n"),
        Refused(400, chunked + "1 \r\na\r\n"),
        Refused(400, chunked + "\r\n"), Refused(400, chunked + "00000000000000001\r\na\r\n"),
        Refused(400, chunked + "ffffffffffffffff\r\n"), Refused(400, chunked + "1\na\r\n"),
        Refused(400, chunked + "1\r\nab\r\n"), Refused(400, chunked + "1\r\na\n"),
        Refused(400, chunked + "0\r\nbad trailer\r\n\r\n"),
        Refused(431, head + "X: " + String(repeating: "a", count: 20_000) + "\r\n\r\n"),
        Refused(431, head + String(repeating: "X: a\r\n", count: 101) + "\r\n"),
        Refused(431, head + String(repeating: "a", count: 20_000)),
    ]

    @Test(arguments: refused)
    func `what another parser might read otherwise is refused`(case: Refused) {
        for step in [1, 1 << 20] {
            #expect(parse(`case`.text, step: step).refusal?.status == `case`.status)
        }
    }

    /// The body looks like a request. Whatever byte is changed elsewhere, it stays a body or the connection ends; only
    /// the length's own line decides about it.
    @Test func `no changed byte brings out a hidden request`() {
        let hidden = "GET /hidden HTTP/1.1\r\nHost: h\r\n\r\n"
        let length = "Content-Length: \(hidden.utf8.count)\r\n"
        let start = "POST /a HTTP/1.1\r\nHost: h\r\n"
        let good = Array((start + length + "\r\n" + hidden).utf8)
        let changed = Array(0..<start.utf8.count) + Array((start + length).utf8.count..<(start + length).utf8.count + 2)
        for index in changed {
            for byte in UInt8.min...UInt8.max {
                var bytes = good
                bytes[index] = byte
                var parser = HTTP1RequestParser(limits: HTTPHeadLimits())
                var input = ByteBuffer(bytes: bytes)
                while let event = try? parser.next(&input), event != .needsMoreBytes {
                    if case .head(let head, _) = event {
                        #expect(head.path != "/hidden", "byte \(index) as \(byte)")
                    }
                }
            }
        }
    }
}
