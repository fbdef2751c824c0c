import NIOCore

/// Messages of gRPC in a stream of bytes: a flag byte, four bytes of length, the message.
/// Source: grpc doc/PROTOCOL-HTTP2.md, Length-Prefixed-Message.
struct GRPCDeframer {
    private let byteCountMax: Int
    private var input = ByteBuffer()

    init(byteCountMax: Int) {
        self.byteCountMax = byteCountMax
    }

    /// Of a message that has not come whole.
    var byteCount: Int { input.readableBytes }
    var isInsideMessage: Bool { byteCount > 0 }

    mutating func append(_ bytes: ByteBuffer) {
        if input.readableBytes == 0 {
            input = bytes
        } else {
            input.discardReadBytes()
            input.writeImmutableBuffer(bytes)
        }
    }

    /// The next whole message, `nil` when more bytes are needed. A length over the limit fails before its bytes come.
    mutating func next() throws(GRPCStatus) -> ByteBuffer? {
        guard let flag = input.getInteger(at: input.readerIndex, as: UInt8.self) else { return nil }
        guard flag == 0 else {
            throw flag == 1
                ? GRPCStatus(.unimplemented, "compressed messages are not supported")
                : GRPCStatus(.internalError, "a message begins with the flag \(flag)")
        }
        guard let length = input.getInteger(at: input.readerIndex + 1, as: UInt32.self) else { return nil }
        guard Int(length) <= byteCountMax else {
            throw GRPCStatus(
                .resourceExhausted, "a message of \(length) bytes is larger than the limit of \(byteCountMax)")
        }
        guard input.readableBytes >= 5 + Int(length) else { return nil }
        input.moveReaderIndex(forwardBy: 5)
        return input.readSlice(length: Int(length))
    }
}

enum GRPCFraming {
    static func frame(_ message: ByteBuffer) -> ByteBuffer {
        var framed = prefix(byteCount: message.readableBytes)
        framed.writeImmutableBuffer(message)
        return framed
    }

    static func frame(_ message: [UInt8]) -> ByteBuffer {
        var framed = prefix(byteCount: message.count)
        framed.writeBytes(message)
        return framed
    }

    /// Of a message that is not compressed, with room for it.
    private static func prefix(byteCount: Int) -> ByteBuffer {
        var framed = ByteBuffer()
        framed.reserveCapacity(5 + byteCount)
        framed.writeInteger(UInt8(0))
        framed.writeInteger(UInt32(clamping: byteCount))
        return framed
    }

    /// `application/grpc`, alone or with a message format after "+" or parameters after ";".
    static func isGRPC(_ contentType: String?) -> Bool {
        guard let contentType else { return false }
        let prefix = "application/grpc"
        guard contentType.hasPrefix(prefix) else { return false }
        return contentType.utf8.count == prefix.utf8.count
            || ["+proto", ";"].contains { contentType.dropFirst(prefix.count).hasPrefix($0) }
    }

    /// `grpc-timeout`: at most eight digits and a unit. `nil` for anything else.
    static func timeout(_ text: String) -> TimeAmount? {
        guard let unit = text.last, (2...9).contains(text.utf8.count),
            text.dropLast().utf8.allSatisfy({ (0x30...0x39).contains($0) }), let count = Int64(text.dropLast())
        else { return nil }
        switch unit {
        case "H": return .hours(count)
        case "M": return .minutes(count)
        case "S": return .seconds(count)
        case "m": return .milliseconds(count)
        case "u": return .microseconds(count)
        case "n": return .nanoseconds(count)
        default: return nil
        }
    }
}
