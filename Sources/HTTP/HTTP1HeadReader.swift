import NIOCore

/// Reads a whole head of HTTP/1.1: request line and fields. Every line is known to end in CRLF, without bare CR or LF
/// or NUL.
enum HTTP1HeadReader {
    static func read(
        _ head: ArraySlice<UInt8>, limits: HTTPHeadLimits
    ) throws(HTTP1Refusal) -> (HTTPRequestHead, HTTP1Framing) {
        var rest = head
        guard let requestLine = nextLine(&rest) else { throw .malformed("there is no request line") }
        let start = try readRequestLine(requestLine, limits)
        var headers: [HTTPField] = []
        headers.reserveCapacity(8)
        var byteCount = requestLine.count
        while let line = nextLine(&rest), !line.isEmpty {
            let field = try field(line)
            byteCount += line.count + 32
            guard headers.count < limits.fieldCountMax, byteCount <= limits.byteCountMax else {
                throw .headTooLarge(limits)
            }
            headers.append(field)
        }
        let framing = try framing(headers, minorVersion: start.minorVersion)
        let request = HTTPRequestHead(
            method: start.method, path: start.target.path, query: start.target.query, headers: headers, majorVersion: 1)
        return (request, framing)
    }

    private static func nextLine(_ rest: inout ArraySlice<UInt8>) -> ArraySlice<UInt8>? {
        guard let end = rest.firstIndex(of: UInt8(ascii: "\r")) else { return nil }
        let line = rest[rest.startIndex..<end]
        rest = rest[min(end + 2, rest.endIndex)..<rest.endIndex]
        return line
    }

    private static func readRequestLine(
        _ line: ArraySlice<UInt8>, _ limits: HTTPHeadLimits
    ) throws(HTTP1Refusal) -> (method: String, target: RequestTarget, minorVersion: Int) {
        let space = UInt8(ascii: " ")
        guard let first = line.firstIndex(of: space), let second = line[(first + 1)...].firstIndex(of: space),
            !line[(second + 1)...].contains(space)
        else { throw .malformed("the request line is not \"METHOD /path HTTP/1.1\"") }
        let (method, path, version) = (line[..<first], line[first + 1..<second], line[(second + 1)...])
        guard (1...16).contains(method.count), method.allSatisfy(isTokenByte) else {
            throw .malformed("the method is not a name")
        }
        let minorVersion: Int
        if version.elementsEqual("HTTP/1.1".utf8) {
            minorVersion = 1
        } else if version.elementsEqual("HTTP/1.0".utf8) {
            minorVersion = 0
        } else if version.starts(with: "HTTP/".utf8) {
            throw .versionNotSupported
        } else {
            throw .malformed("the request line is not \"METHOD /path HTTP/1.1\"")
        }
        guard let target = RequestTarget(path, encodedSlashesBelow: limits.encodedSlashesBelow) else {
            throw .malformed("the path is not plain")
        }
        return (String(decoding: method, as: UTF8.self), target, minorVersion)
    }

    /// `name: value` with a token for a name and no space before the colon; the name comes out in lower case.
    static func field(_ line: some Collection<UInt8>) throws(HTTP1Refusal) -> HTTPField {
        guard let colon = line.firstIndex(of: UInt8(ascii: ":")), colon != line.startIndex else {
            throw .malformed("a header line has no name")
        }
        let name = line[..<colon]
        guard name.allSatisfy(isTokenByte) else { throw .malformed("a header name holds a space or worse") }
        let value = line[line.index(after: colon)...].trimmingBlanks()
        guard value.allSatisfy({ $0 >= 0x20 && $0 != 0x7f || $0 == UInt8(ascii: "\t") }) else {
            throw .malformed("a header value holds a control character")
        }
        let lowered = String(unsafeUninitializedCapacity: name.count) { room in
            for (place, byte) in name.enumerated() { room[place] = (0x41...0x5a).contains(byte) ? byte | 0x20 : byte }
            return name.count
        }
        return HTTPField(lowered, String(decoding: value, as: UTF8.self))
    }

    private static func framing(
        _ headers: [HTTPField], minorVersion: Int
    ) throws(HTTP1Refusal) -> HTTP1Framing {
        var lengths: [String] = []
        var codings: [String] = []
        var hosts = 0
        var expectation: String?
        var closes = minorVersion == 0
        for field in headers {
            switch field.name {
            case "content-length": lengths.append(field.value)
            case "transfer-encoding": codings.append(field.value)
            case "host": hosts += 1
            case "expect": expectation = field.value
            case "connection":
                closes = closes || field.value.lowercased().split(separator: ",").contains { $0.trimmed == "close" }
            default: break
            }
        }
        guard hosts == 1 || (hosts == 0 && minorVersion == 0) else { throw .malformed("there is not one host header") }
        if !codings.isEmpty {
            guard lengths.isEmpty else { throw .malformed("it has a content length and a transfer coding") }
            guard minorVersion == 1 else { throw .malformed("HTTP/1.0 has no transfer codings") }
            guard codings.count == 1, codings[0].lowercased() == "chunked" else {
                throw .unsupported("a transfer coding other than chunked")
            }
        }
        guard lengths.count <= 1 else { throw .malformed("it has several content lengths") }
        if let expectation, expectation.lowercased() != "100-continue" { throw .expectationFailed }
        var body = HTTP1Framing.Body.none
        if !codings.isEmpty {
            body = .chunked
        } else if let text = lengths.first {
            guard (1...18).contains(text.utf8.count), text.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
                let length = Int(text)
            else { throw .malformed("the content length is not a number") }
            body = length == 0 ? .none : .length(length)
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

extension Collection where Element == UInt8 {
    /// Without spaces and tabs at both ends.
    fileprivate func trimmingBlanks() -> SubSequence {
        func isBlank(_ byte: UInt8) -> Bool { byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") }
        let start = self[...].drop(while: isBlank)
        var end = start.endIndex
        var trimmed = start.startIndex
        var index = start.startIndex
        while index != start.endIndex {
            let next = start.index(after: index)
            if !isBlank(start[index]) { trimmed = next }
            index = next
        }
        end = trimmed
        return start[start.startIndex..<end]
    }
}

extension Substring {
    /// Without spaces and tabs at both ends.
    var trimmed: String {
        let start = drop { $0 == " " || $0 == "\t" }
        return String(start.reversed().drop { $0 == " " || $0 == "\t" }.reversed())
    }
}
