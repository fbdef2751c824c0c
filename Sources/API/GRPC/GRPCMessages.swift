import FoundationEssentials
import HTTP
import NIOCore
import SwiftProtobuf

/// Messages of gRPC between bytes and values.
enum GRPCMessages {
    static func decode<Wire: Message>(_ bytes: ByteBuffer) throws(GRPCStatus) -> Wire {
        var options = BinaryDecodingOptions()
        options.discardUnknownFields = true
        // The deepest message is a parameter of a tensor of a request; a map's entry is a level too.
        options.messageDepthLimit = 8
        do {
            return try Wire(serializedBytes: Array(bytes.readableBytesView), options: options)
        } catch {
            let name = Wire.protoMessageName.split(separator: ".").last ?? ""
            throw GRPCStatus(.invalidArgument, "The message is not a valid \(name).")
        }
    }

    /// Nothing of ours can fail to encode: no field is required and no message comes near 2 GB.
    static func encode(_ message: some Message) -> ByteBuffer {
        let bytes: [UInt8]? = try? message.serializedBytes()
        return ByteBuffer(bytes: bytes ?? [])
    }

    static func data(_ bytes: ByteBuffer) -> Data { Data(bytes.readableBytesView) }
}

extension GRPCStatus {
    /// A refusal or failure in gRPC's words.
    init(_ error: APIError) {
        let code: GRPCStatusCode =
            switch error.status {
            case 400, 408, 415: .invalidArgument
            case 401: .unauthenticated
            case 403: .permissionDenied
            case 404: .notFound
            case 413, 429: .resourceExhausted
            case 501: .unimplemented
            case 503: error.code == "timeout" ? .deadlineExceeded : .unavailable
            default: .internalError
            }
        self.init(code, error.message)
    }
}
