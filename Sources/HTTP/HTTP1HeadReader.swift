import NIOCore

/// Reads a whole head of HTTP/1.1: request line and fields. Every line is known to end in CRLF, without bare CR or LF
/// or NUL.
enum HTTP1HeadReader {
    static func read(
        _ head: [UInt8], limits: HTTPHeadLimits
    ) throws(HTTP1Refusal) -> (HTTPRequestHead, HTTP1Framing) {
        let bytes = head.span
        guard let requestLine = line(of: bytes, from: 0) else { throw .malformed("there is no request line") }
        let start = try readRequestLine(head[requestLine], limits)
        var headers: [HTTPField] = []
        headers.reserveCapacity(8)
        var byteCount = requestLine.count
        var next = requestLine.upperBound + 2
        while let line = line(of: bytes, from: next), !line.isEmpty {
            let field = try field(head, line)
            byteCount += line.count + 32
            guard headers.count < limits.fieldCountMax, byteCount <= limits.byteCountMax else {
                throw .headTooLarge(limits)
            }
            headers.append(field)
            next = line.upperBound + 2
        }
        let framing = try framing(headers, minorVersion: start.minorVersion)
        let request = HTTPRequestHead(
            method: start.method, path: start.target.path, query: start.target.query, headers: headers, majorVersion: 1)
        return (request, framing)
    }

    private static func line(of head: Span<UInt8>, from start: Int) -> Range<Int>? {
        var end = start
        while end < head.count {
            if head[end] == UInt8(ascii: "\r") { return start..<end }
            end += 1
        }
        return nil
    }

    private static func readRequestLine(
        _ line: ArraySlice<UInt8>, _ limits: HTTPHeadLimits
    ) throws(HTTP1Refusal) -> (method: String, target: RequestTarget, minorVersion: Int) {
        let bytes = line.span
        var (first, second, count) = (0, 0, 0)
        for place in bytes.indices where bytes[place] == UInt8(ascii: " ") {
            count += 1
            if count == 1 { first = place } else { second = place }
        }
        guard count == 2 else { throw .malformed("the request line is not \"METHOD /path HTTP/1.1\"") }
        let start = line.startIndex
        let (method, path) = (line[start..<start + first], line[start + first + 1..<start + second])
        guard (1...16).contains(method.count), method.allSatisfy(isTokenByte) else {
            throw .malformed("the method is not a name")
        }
        let minorVersion = try minorVersion(line[(start + second + 1)...])
        guard let target = RequestTarget(pathOf: path, encodedSlashesBelow: limits.encodedSlashesBelow) else {
            throw .malformed("the path is not plain")
        }
        return (String(decoding: method, as: UTF8.self), target, minorVersion)
    }

    private static func minorVersion(_ version: ArraySlice<UInt8>) throws(HTTP1Refusal) -> Int {
        if version.elementsEqual("HTTP/1.1".utf8) { return 1 }
        if version.elementsEqual("HTTP/1.0".utf8) { return 0 }
        if version.starts(with: "HTTP/".utf8) { throw .versionNotSupported }
        throw .malformed("the request line is not \"METHOD /path HTTP/1.1\"")
    }

    /// `name: value` with a token for a name and no space before the colon; the name comes out in lower case.
    static func field(_ line: [UInt8]) throws(HTTP1Refusal) -> HTTPField { try field(line, line.indices) }

    /// The same of a part of a head.
    private static func field(_ head: [UInt8], _ line: Range<Int>) throws(HTTP1Refusal) -> HTTPField {
        let bytes = head.span
        var colon = line.lowerBound
        var isName = true
        while colon < line.upperBound, bytes[colon] != UInt8(ascii: ":") {
            isName = isName && isTokenByte(bytes[colon])
            colon += 1
        }
        guard line.lowerBound < colon, colon < line.upperBound else { throw .malformed("a header line has no name") }
        guard isName else { throw .malformed("a header name holds a space or worse") }
        var (start, end) = (colon + 1, line.upperBound)
        while start < end, isBlank(bytes[start]) { start += 1 }
        while start < end, isBlank(bytes[end - 1]) { end -= 1 }
        for place in start..<end {
            let byte = bytes[place]
            guard byte >= 0x20 && byte != 0x7f || byte == UInt8(ascii: "\t") else {
                throw .malformed("a header value holds a control character")
            }
        }
        let count = colon - line.lowerBound
        let lowered = String(unsafeUninitializedCapacity: count) { room in
            for place in 0..<count {
                let byte = bytes[line.lowerBound + place]
                room[place] = (0x41...0x5a).contains(byte) ? byte | 0x20 : byte
            }
            return count
        }
        return HTTPField(lowered, String(decoding: head[start..<end], as: UTF8.self))
    }

    private static func isBlank(_ byte: UInt8) -> Bool { byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") }

    private static func framing(
        _ headers: [HTTPField], minorVersion: Int
    ) throws(HTTP1Refusal) -> HTTP1Framing {
        var length: String?
        var coding: String?
        var (lengths, codings, hosts) = (0, 0, 0)
        var expectation: String?
        var closes = minorVersion == 0
        for field in headers {
            if field.isNamed("content-length") {
                (length, lengths) = (length ?? field.value, lengths + 1)
            } else if field.isNamed("transfer-encoding") {
                (coding, codings) = (coding ?? field.value, codings + 1)
            } else if field.isNamed("host") {
                hosts += 1
            } else if field.isNamed("expect") {
                expectation = field.value
            } else if field.isNamed("connection") {
                closes = closes || field.value.lowercased().split(separator: ",").contains { $0.trimmed == "close" }
            }
        }
        guard hosts == 1 || (hosts == 0 && minorVersion == 0) else { throw .malformed("there is not one host header") }
        if let coding {
            guard lengths == 0 else { throw .malformed("it has a content length and a transfer coding") }
            guard minorVersion == 1 else { throw .malformed("HTTP/1.0 has no transfer codings") }
            guard codings == 1, coding.lowercased() == "chunked" else {
                throw .unsupported("a transfer coding other than chunked")
            }
        }
        guard lengths <= 1 else { throw .malformed("it has several content lengths") }
        if let expectation, expectation.lowercased() != "100-continue" { throw .expectationFailed }
        var body = HTTP1Framing.Body.none
        if coding != nil {
            body = .chunked
        } else if let length {
            guard (1...18).contains(length.utf8.count), length.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
                let count = Int(length)
            else { throw .malformed("the content length is not a number") }
            body = count == 0 ? .none : .length(count)
        }
        return HTTP1Framing(
            body: body, keepsAlive: !closes, minorVersion: minorVersion,
            expectsContinue: expectation != nil && minorVersion == 1 && body != .none)
    }

    /// `tchar` of RFC 9110 5.6.2.
    static func isTokenByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"):
            true
        case UInt8(ascii: "!"), UInt8(ascii: "#"), UInt8(ascii: "$"), UInt8(ascii: "%"), UInt8(ascii: "&"),
            UInt8(ascii: "'"), UInt8(ascii: "*"), UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: "."),
            UInt8(ascii: "^"), UInt8(ascii: "_"), UInt8(ascii: "`"), UInt8(ascii: "|"), UInt8(ascii: "~"):
            true
        default: false
        }
    }
}

extension Substring {
    /// Without spaces and tabs at both ends.
    var trimmed: String {
        let start = drop { $0 == " " || $0 == "\t" }
        return String(start.reversed().drop { $0 == " " || $0 == "\t" }.reversed())
    }
}
