/// Status codes of gRPC. Source: grpc/grpc doc/statuscodes.md.
package enum GRPCStatusCode: Int, Sendable {
    case ok = 0
    case cancelled, unknown, invalidArgument, deadlineExceeded, notFound, alreadyExists, permissionDenied
    case resourceExhausted, failedPrecondition, aborted, outOfRange, unimplemented, internalError, unavailable
    case dataLoss, unauthenticated
}

package struct GRPCStatus: Error, Equatable, Sendable {
    package var code: GRPCStatusCode
    package var message: String
    package init(_ code: GRPCStatusCode, _ message: String = "") {
        self.code = code
        self.message = message
    }
}

extension GRPCStatus {
    /// `grpc-status` and `grpc-message` as fields. The message is percent-encoded as the wire format asks.
    package var fields: [HTTPField] {
        var fields = [HTTPField("grpc-status", String(code.rawValue))]
        if !message.isEmpty { fields.append(HTTPField("grpc-message", Self.percentEncode(message))) }
        return fields
    }

    /// From trailers or a trailers-only head; `nil` when there is no status in them.
    package init?(fields: [HTTPField]) {
        guard let text = fields.first(where: { $0.name == "grpc-status" })?.value else { return nil }
        let code = Int(text).flatMap(GRPCStatusCode.init(rawValue:)) ?? .unknown
        let message = fields.first { $0.name == "grpc-message" }?.value ?? ""
        self.init(code, Self.percentDecode(message))
    }

    static func percentEncode(_ text: String) -> String {
        var out: [UInt8] = []
        for byte in text.utf8 {
            if (0x20...0x7e).contains(byte), byte != UInt8(ascii: "%") {
                out.append(byte)
            } else {
                out += [UInt8(ascii: "%"), Hex.digits[Int(byte >> 4)], Hex.digits[Int(byte & 0xf)]]
            }
        }
        return String(decoding: out, as: UTF8.self)
    }

    /// What is not a percent code stays as it is.
    static func percentDecode(_ text: String) -> String {
        let bytes = Array(text.utf8)
        var out: [UInt8] = []
        var index = 0
        while index < bytes.count {
            if bytes[index] == UInt8(ascii: "%"), index + 2 < bytes.count, let high = Hex.value(bytes[index + 1]),
                let low = Hex.value(bytes[index + 2])
            {
                out.append(high << 4 | low)
                index += 3
            } else {
                out.append(bytes[index])
                index += 1
            }
        }
        return String(decoding: out, as: UTF8.self)
    }

    /// The status that stands for an HTTP status without `grpc-status`. Source: grpc doc/http-grpc-status-mapping.md.
    package init(httpStatus: Int) {
        let code: GRPCStatusCode =
            switch httpStatus {
            case 400: .internalError
            case 401: .unauthenticated
            case 403: .permissionDenied
            case 404: .unimplemented
            case 429, 502, 503, 504: .unavailable
            default: .unknown
            }
        self.init(code, "the server answered with HTTP status \(httpStatus)")
    }
}
