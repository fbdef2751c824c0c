import NIOCore

/// Reads requests of HTTP/1.1 (RFC 9112) from bytes as they arrive.
///
/// Strict where parsers disagree, for there request smuggling lives: no folded lines, bare CR or LF, space before a
/// colon, doubled or joined lengths, transfer codings other than `chunked`, length together with coding. One parser
/// reads the raw bytes, so nothing was normalised before it looked. After an error the connection must end.
///
/// One empty line before a request is passed over, as some clients end a body with it (section 2.2).
struct HTTP1RequestParser {
    enum Event: Equatable {
        case needsMoreBytes
        case head(HTTPRequestHead, HTTP1Framing)
        case body(ByteBuffer)
        /// The message is whole; the next bytes are another request's.
        case end
    }

    private enum State {
        case head(scanned: Int, lastByte: UInt8)
        case fixed(remaining: Int)
        case chunkSize
        case chunkData(remaining: Int)
        case chunkEnd
        case trailers
        case end
    }

    private let limits: HTTPHeadLimits
    private var state = State.head(scanned: 0, lastByte: 0)
    private var trailerByteCount = 0
    private var hasPassedLine = false

    init(limits: HTTPHeadLimits) {
        self.limits = limits
    }

    /// Consumes what it can of `input` and answers one event; call it until it needs more bytes.
    mutating func next(_ input: inout ByteBuffer) throws(HTTP1Refusal) -> Event {
        while true {
            switch state {
            case .head(let scanned, let lastByte):
                return try readHead(&input, scanned: scanned, lastByte: lastByte)
            case .fixed(let remaining):
                guard let piece = take(&input, atMost: remaining) else { return .needsMoreBytes }
                state = piece.readableBytes == remaining ? .end : .fixed(remaining: remaining - piece.readableBytes)
                return .body(piece)
            case .chunkSize:
                guard let line = try readLine(&input) else { return .needsMoreBytes }
                let size = try Self.chunkSize(line)
                state = size == 0 ? .trailers : .chunkData(remaining: size)
            case .chunkData(let remaining):
                guard let piece = take(&input, atMost: remaining) else { return .needsMoreBytes }
                let left = remaining - piece.readableBytes
                state = left == 0 ? .chunkEnd : .chunkData(remaining: left)
                return .body(piece)
            case .chunkEnd:
                guard let line = try readLine(&input) else { return .needsMoreBytes }
                guard line.isEmpty else { throw .malformed("a chunk is longer than its size says") }
                state = .chunkSize
            case .trailers:
                guard let line = try readLine(&input) else { return .needsMoreBytes }
                trailerByteCount += line.count + 2
                guard trailerByteCount <= limits.byteCountMax else { throw .headTooLarge(limits) }
                guard !line.isEmpty else {
                    state = .end
                    continue
                }
                _ = try HTTP1HeadReader.field(line)
            case .end:
                state = .head(scanned: 0, lastByte: 0)
                trailerByteCount = 0
                hasPassedLine = false
                return .end
            }
        }
    }

    private func take(_ input: inout ByteBuffer, atMost count: Int) -> ByteBuffer? {
        input.readableBytes == 0 ? nil : input.readSlice(length: min(count, input.readableBytes))
    }

    /// Looks at each byte once however slowly they arrive, and parses when the head is whole.
    private mutating func readHead(
        _ input: inout ByteBuffer, scanned: Int, lastByte: UInt8
    ) throws(HTTP1Refusal) -> Event {
        var position = scanned
        var previous = lastByte
        if scanned == 0, !hasPassedLine, input.getInteger(at: input.readerIndex, as: UInt8.self) == UInt8(ascii: "\r") {
            guard let line = input.getInteger(at: input.readerIndex, as: UInt16.self) else { return .needsMoreBytes }
            guard line == 0x0d0a else { throw .malformed("CR stands inside a line") }
            input.moveReaderIndex(forwardBy: 2)
            hasPassedLine = true
        }
        let headEnd = try Self.findHeadEnd(input.readableBytesSpan, &position, &previous)
        guard position <= limits.byteCountMax else { throw .headTooLarge(limits) }
        guard let headEnd, let head = input.readBytes(length: headEnd) else {
            state = .head(scanned: position, lastByte: previous)
            return .needsMoreBytes
        }
        let (request, framing) = try HTTP1HeadReader.read(head, limits: limits)
        switch framing.body {
        case .none: state = .end
        case .length(let length): state = .fixed(remaining: length)
        case .chunked: state = .chunkSize
        }
        return .head(request, framing)
    }

    /// - Parameters:
    ///   - position: bytes looked at before, and then.
    ///   - previous: the byte before `position`.
    /// - Returns: where the empty line ends, unless it is still to come.
    private static func findHeadEnd(
        _ bytes: RawSpan, _ position: inout Int, _ previous: inout UInt8
    ) throws(HTTP1Refusal) -> Int? {
        var (at, last) = (position, previous)
        defer { (position, previous) = (at, last) }
        while at < bytes.byteCount {
            // Eight at a time, as long as none of them is a control character.
            if at + 8 <= bytes.byteCount, last != UInt8(ascii: "\r"),
                !Self.hasControl(bytes.unsafeLoadUnaligned(fromByteOffset: at, as: UInt64.self))
            {
                // Any other than CR would do.
                last = UInt8(ascii: " ")
                at += 8
                continue
            }
            let byte = bytes.unsafeLoad(fromByteOffset: at, as: UInt8.self)
            at += 1
            if byte == UInt8(ascii: "\n") {
                guard last == UInt8(ascii: "\r") else { throw .malformed("a line ends without CR") }
                if at >= 4, bytes.unsafeLoad(fromByteOffset: at - 3, as: UInt8.self) == UInt8(ascii: "\n") {
                    return at
                }
            } else if last == UInt8(ascii: "\r") {
                throw .malformed("CR stands inside a line")
            } else if byte == 0 {
                throw .malformed("NUL stands in the head")
            }
            last = byte
        }
        return nil
    }

    /// Whether one of eight bytes is below 0x20. Source: "Bit Twiddling Hacks", S. E. Anderson.
    private static func hasControl(_ word: UInt64) -> Bool {
        (word &- 0x2020_2020_2020_2020) & ~word & 0x8080_8080_8080_8080 != 0
    }

    /// A line without its CRLF; of a chunk's size or a trailer, so it is short.
    private func readLine(_ input: inout ByteBuffer) throws(HTTP1Refusal) -> [UInt8]? {
        let view = input.readableBytesView
        guard let end = view.prefix(limits.byteCountMax).firstIndex(of: UInt8(ascii: "\n")) else {
            if view.count >= limits.byteCountMax { throw .headTooLarge(limits) }
            return nil
        }
        let line = Array(view[view.startIndex..<end])
        guard line.last == UInt8(ascii: "\r"), !line.dropLast().contains(UInt8(ascii: "\r")), !line.contains(0) else {
            throw .malformed("a line ends without CR")
        }
        input.moveReaderIndex(forwardBy: line.count + 1)
        return Array(line.dropLast())
    }

    /// Hexadecimal digits, at most 16 of them, and an extension after ";" that nobody reads.
    static func chunkSize(_ line: [UInt8]) throws(HTTP1Refusal) -> Int {
        let digits = line.prefix { $0 != UInt8(ascii: ";") }
        guard (1...16).contains(digits.count), line.count <= 256 else { throw .malformed("a chunk size is malformed") }
        var size = 0
        for digit in digits {
            guard let value = Hex.value(digit), size <= Int.max >> 4 else {
                throw .malformed("a chunk size is malformed")
            }
            size = size << 4 | Int(value)
        }
        return size
    }
}

/// How a message says where it ends, and whether the connection goes on.
struct HTTP1Framing: Equatable {
    enum Body: Equatable {
        case none
        case length(Int)
        case chunked
    }
    var body: Body
    var keepsAlive: Bool
    var minorVersion: Int
    var expectsContinue: Bool
}

/// Why a request ends at the door.
enum HTTP1Refusal: Error, Equatable {
    case malformed(String)
    case headTooLarge(HTTPHeadLimits)
    case unsupported(String)
    case versionNotSupported
    case expectationFailed
    case timedOut

    /// What it is to somebody who waits for the body.
    var bodyError: HTTPBodyError {
        self == .timedOut ? .incomplete : .refused(status: status, sentence: sentence)
    }

    var status: Int {
        switch self {
        case .malformed: 400
        case .headTooLarge: 431
        case .unsupported: 501
        case .versionNotSupported: 505
        case .expectationFailed: 417
        case .timedOut: 408
        }
    }

    var sentence: String {
        switch self {
        case .malformed(let what): "The request is malformed: \(what)."
        case .headTooLarge(let limits):
            "The request's head is too large: \(limits.byteCountMax) bytes and \(limits.fieldCountMax) fields are the most."
        case .unsupported(let what): "The request asks for what is not supported: \(what)."
        case .versionNotSupported: "Only HTTP/1.1 and HTTP/2 are spoken here."
        case .expectationFailed: "The only expectation understood is 100-continue."
        case .timedOut: "The request came too slowly."
        }
    }
}
