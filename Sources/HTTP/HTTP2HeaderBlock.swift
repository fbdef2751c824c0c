import CNGHTTP2

/// Header fields laid out for nghttp2, which copies them during the submitting call.
struct HTTP2HeaderBlock {
    private var bytes: [UInt8] = []
    /// Per field: where the name begins, its length, and the length of the value behind it.
    private var fields: [(start: Int, nameLength: Int, valueLength: Int)] = []

    mutating func append(_ name: String, _ value: String) {
        let start = bytes.count
        bytes.append(contentsOf: name.utf8)
        let nameLength = bytes.count - start
        bytes.append(contentsOf: value.utf8)
        // A control character would end the stream at a strict peer: it becomes a space.
        for index in (start + nameLength)..<bytes.count where bytes[index] < 0x20 || bytes[index] == 0x7f {
            bytes[index] = 0x20
        }
        fields.append((start, nameLength, bytes.count - start - nameLength))
    }

    /// Fields of HTTP/1.1 connections have no place in HTTP/2 (RFC 9113 8.2.2).
    mutating func append(_ headers: [HTTPField]) {
        for field in headers {
            switch field.name {
            case "connection", "transfer-encoding", "keep-alive", "upgrade", "proxy-connection", "host": continue
            default: append(field.name, field.value)
            }
        }
    }

    mutating func withPairs<Result>(_ body: (UnsafePointer<nghttp2_nv>?, Int) -> Result) -> Result {
        let fields = self.fields
        return bytes.withUnsafeMutableBufferPointer { storage in
            // SAFETY: every range lies in `storage`, which stays put for the call; nghttp2 copies before it returns. With
            // no bytes there are no fields.
            let pairs = storage.baseAddress.map { base in
                fields.map { field in
                    nghttp2_nv(
                        name: base + field.start, value: base + field.start + field.nameLength,
                        namelen: field.nameLength, valuelen: field.valueLength,
                        flags: UInt8(NGHTTP2_NV_FLAG_NONE.rawValue))
                }
            }
            return (pairs ?? []).withUnsafeBufferPointer { body($0.baseAddress, $0.count) }
        }
    }
}
