import NIOCore

/// Writes heads and chunks of HTTP/1.1 straight into a buffer: what one tick writes leaves as one write.
enum HTTP1Encoder {
    enum Framing: Equatable {
        /// The caller said `content-length`, or there is no body.
        case plain
        case chunked
        /// HTTP/1.0 without a length: the connection's end is the body's end.
        case untilClose
    }

    static func responseHead(
        status: Int, headers: [HTTPField], framing: Framing, closes: Bool, date: String, into out: inout ByteBuffer
    ) {
        // Most heads fit; without it the buffer would grow field by field.
        out.reserveCapacity(minimumWritableBytes: 512)
        if status == 200 {
            out.writeStaticString("HTTP/1.1 200 OK\r\n")
        } else {
            out.writeString("HTTP/1.1 \(status) \(reason(status))\r\n")
        }
        var hasDate = false
        for field in headers where !isHopByHop(field) {
            if field.isNamed("date") { hasDate = true }
            write(field, into: &out)
        }
        if !hasDate, status >= 200 {
            out.writeStaticString("date: ")
            out.writeString(date)
            out.writeStaticString("\r\n")
        }
        if framing == .chunked { out.writeStaticString("transfer-encoding: chunked\r\n") }
        if closes { out.writeStaticString("connection: close\r\n") }
        out.writeStaticString("\r\n")
    }

    static func chunk(_ bytes: ByteBuffer, into out: inout ByteBuffer) {
        out.reserveCapacity(minimumWritableBytes: bytes.readableBytes + 16)
        writeSize(bytes.readableBytes, into: &out)
        out.writeImmutableBuffer(bytes)
        out.writeStaticString("\r\n")
    }

    static func lastChunk(into out: inout ByteBuffer) {
        out.writeStaticString("0\r\n\r\n")
    }

    /// Fields that belong to the connection; only this encoder sets them.
    private static func isHopByHop(_ field: HTTPField) -> Bool {
        field.isNamed("connection") || field.isNamed("transfer-encoding") || field.isNamed("keep-alive")
            || field.isNamed("upgrade")
    }

    /// A line break in a value would begin another field: control characters become spaces.
    private static func write(_ field: HTTPField, into out: inout ByteBuffer) {
        let (name, value) = (field.name.utf8.span, field.value.utf8.span)
        out.writeWithOutputRawSpan(minimumWritableBytes: name.count + value.count + 4) { line in
            appendPlain(name.bytes, to: &line)
            line.append(UInt8(ascii: ":"))
            line.append(UInt8(ascii: " "))
            appendPlain(value.bytes, to: &line)
            line.append(UInt8(ascii: "\r"))
            line.append(UInt8(ascii: "\n"))
        }
    }

    /// With spaces in place of control characters.
    private static func appendPlain(_ text: RawSpan, to line: inout OutputRawSpan) {
        var place = 0
        // Eight at a time, as long as all of them are plain ASCII.
        while place + 8 <= text.byteCount {
            let word = text.unsafeLoadUnaligned(fromByteOffset: place, as: UInt64.self)
            let controls = (word &- 0x2020_2020_2020_2020) | (word &+ 0x0101_0101_0101_0101) | word
            guard controls & 0x8080_8080_8080_8080 == 0 else { break }
            line.append(word, as: UInt64.self)
            place += 8
        }
        while place < text.byteCount {
            let byte = text.unsafeLoad(fromByteOffset: place, as: UInt8.self)
            line.append(byte < 0x20 || byte == 0x7f ? 0x20 : byte)
            place += 1
        }
    }

    /// In hexadecimal, with the line's end.
    private static func writeSize(_ size: Int, into out: inout ByteBuffer) {
        let digitCount = max(1, (Int.bitWidth - size.leadingZeroBitCount + 3) / 4)
        out.writeWithOutputRawSpan(minimumWritableBytes: digitCount + 2) { text in
            for place in (0..<digitCount).reversed() {
                let digit = UInt8(truncatingIfNeeded: size >> (4 * place) & 0xf)
                text.append(digit < 10 ? 0x30 + digit : 0x37 + digit)
            }
            text.append(UInt8(ascii: "\r"))
            text.append(UInt8(ascii: "\n"))
        }
    }

    static func reason(_ status: Int) -> String {
        switch status {
        case 100: "Continue"
        case 200: "OK"
        case 201: "Created"
        case 202: "Accepted"
        case 204: "No Content"
        case 304: "Not Modified"
        case 400: "Bad Request"
        case 401: "Unauthorized"
        case 403: "Forbidden"
        case 404: "Not Found"
        case 405: "Method Not Allowed"
        case 408: "Request Timeout"
        case 413: "Content Too Large"
        case 415: "Unsupported Media Type"
        case 417: "Expectation Failed"
        case 422: "Unprocessable Content"
        case 429: "Too Many Requests"
        case 431: "Request Header Fields Too Large"
        case 499: "Client Closed Request"
        case 500: "Internal Server Error"
        case 501: "Not Implemented"
        case 502: "Bad Gateway"
        case 503: "Service Unavailable"
        case 504: "Gateway Timeout"
        case 505: "HTTP Version Not Supported"
        default: "Status"
        }
    }
}
