/// Frames of HTTP/2 as bytes, right and wrong ones.
enum HTTP2Frames {
    static let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)

    static func frame(_ type: UInt8, flags: UInt8 = 0, stream: UInt32 = 0, _ payload: [UInt8] = []) -> [UInt8] {
        let length = payload.count
        return [UInt8(length >> 16 & 0xff), UInt8(length >> 8 & 0xff), UInt8(length & 0xff), type, flags]
            + bytes(stream) + payload
    }

    static func bytes(_ number: UInt32) -> [UInt8] {
        [UInt8(number >> 24), UInt8(number >> 16 & 0xff), UInt8(number >> 8 & 0xff), UInt8(number & 0xff)]
    }

    static func settings(_ entries: [(UInt16, UInt32)] = []) -> [UInt8] {
        frame(4, entries.flatMap { [UInt8($0.0 >> 8), UInt8($0.0 & 0xff)] + bytes($0.1) })
    }

    static let opening = preface + settings()

    static func field(_ name: String, _ value: String) -> [UInt8] {
        func text(_ text: String) -> [UInt8] {
            let count = text.utf8.count
            // An integer with a prefix of 7 bits (RFC 7541 5.1).
            guard count >= 127 else { return [UInt8(count)] + Array(text.utf8) }
            var rest = count - 127
            var out: [UInt8] = [127]
            while rest >= 128 {
                out.append(UInt8(rest & 0x7f | 0x80))
                rest >>= 7
            }
            return out + [UInt8(rest)] + Array(text.utf8)
        }
        return [0x00] + text(name) + text(value)
    }

    static func fields(_ method: String = "GET", _ path: String = "/", _ more: [(String, String)] = []) -> [UInt8] {
        ([(":method", method), (":scheme", "http"), (":authority", "h"), (":path", path)] + more)
            .flatMap { field($0.0, $0.1) }
    }

    /// A request whole in its head, unless `ends` is false.
    static func request(
        _ stream: UInt32, _ method: String = "GET", _ path: String = "/", _ more: [(String, String)] = [],
        ends: Bool = true
    ) -> [UInt8] {
        frame(1, flags: ends ? 5 : 4, stream: stream, fields(method, path, more))
    }

    static let goAway = frame(7, bytes(0) + bytes(0))
    static func reset(_ stream: UInt32) -> [UInt8] { frame(3, stream: stream, bytes(8)) }
    static func windowUpdate(_ stream: UInt32, _ by: UInt32) -> [UInt8] { frame(8, stream: stream, bytes(by)) }

    struct Frame {
        var type: UInt8
        var flags: UInt8
        var stream: UInt32
        var payload: [UInt8]
    }

    /// The whole frames in some bytes.
    static func parse(_ bytes: [UInt8]) -> [Frame] {
        var frames: [Frame] = []
        var rest = bytes[...]
        while rest.count >= 9 {
            let head = Array(rest.prefix(9))
            let length = Int(head[0]) << 16 | Int(head[1]) << 8 | Int(head[2])
            guard rest.count >= 9 + length else { break }
            let stream = head[5...8].reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
            frames.append(
                Frame(type: head[3], flags: head[4], stream: stream, payload: Array(rest.dropFirst(9).prefix(length))))
            rest = rest.dropFirst(9 + length)
        }
        return frames
    }

    /// The error codes of the GOAWAY frames in some bytes.
    static func goAways(_ bytes: [UInt8]) -> [UInt32] {
        parse(bytes).filter { $0.type == 7 && $0.payload.count >= 8 }
            .map { $0.payload[4...7].reduce(UInt32(0)) { $0 << 8 | UInt32($1) } }
    }
}
