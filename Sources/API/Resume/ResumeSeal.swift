import HTTP
import NIOCore

/// Why a stream cannot be gone on with.
enum ResumeError: Error, Equatable {
    /// Streams have no ids here.
    case isOff
    case notAStream
    /// Not written with this cluster's key for this very request of this tenant, or not whole.
    case foreign
    case expired(ageSeconds: Int64, limitSeconds: Int64)
    /// No worker computes as those did that made the first part.
    case numericsGone(String)
    /// What was made anew is not what was sent before.
    case diverged
}

/// Writes resume points that nobody else can write, and reads them.
///
/// An id is the point's bytes and the first 16 of their HMAC, in which request and tenant take part; so an id is of use
/// only with the request it was given for, to whom it was given. Nothing in it is secret from the client, who knows its
/// own request and answer.
final class ResumeSeal {
    private static let macByteCount = 16
    /// 16 choices take about 600 characters.
    private static let textByteCountMax = 2048

    private let key: KeyedDigest
    /// Where a point and its HMAC are put together, again and again.
    private var scratch = (sealed: [UInt8](), mac: [UInt8](repeating: 0, count: 32))

    init(_ key: KeyedDigest) { self.key = key }

    /// What of a request an id is bound to: where it was sent, and its body to the byte.
    static func binding(route: StaticString, body: [UInt8]) -> [UInt8] {
        SHA256Digest.of(Array(route.description.utf8) + [0] + body)
    }

    /// The same, and who sent it; `tenant` is empty where nobody tells them apart.
    static func binding(_ request: [UInt8], tenant: String) -> [UInt8] {
        tenant.isEmpty ? request : SHA256Digest.of(Array(tenant.utf8) + [0] + request)
    }

    /// Writes the line of an event that has the id.
    func write(_ point: ResumePoint, binding: [UInt8], into buffer: inout ByteBuffer) {
        Self.write(point, binding, key, &scratch, into: &buffer)
    }

    private static func write(
        _ point: ResumePoint, _ binding: [UInt8], _ key: KeyedDigest, _ scratch: inout (sealed: [UInt8], mac: [UInt8]),
        into buffer: inout ByteBuffer
    ) {
        scratch.sealed.removeAll(keepingCapacity: true)
        point.write(into: &scratch.sealed)
        let pointByteCount = scratch.sealed.count
        scratch.sealed += binding
        guard key.write(digestOf: scratch.sealed, to: &scratch.mac) else { return }
        scratch.sealed.removeSubrange(pointByteCount...)
        scratch.sealed += scratch.mac[..<macByteCount]
        let sealed = scratch.sealed
        buffer.writeWithOutputRawSpan(minimumWritableBytes: 5 + Base64URL.letterCountMax(sealed.count)) { line in
            for byte in "id: ".utf8 { line.append(byte) }
            Base64URL.write(sealed, into: &line)
            line.append(UInt8(ascii: "\n"))
        }
    }

    /// - Parameters:
    ///   - now: seconds since 1970.
    ///   - limitSeconds: how old an id may be.
    func open(
        _ text: String, binding: [UInt8], now: Int64, limitSeconds: Int64
    ) throws(ResumeError) -> ResumePoint {
        guard text.utf8.count <= Self.textByteCountMax, let bytes = Base64URL.decode(text.utf8),
            bytes.count > Self.macByteCount
        else { throw .foreign }
        let content = Array(bytes.dropLast(Self.macByteCount))
        guard let mac = key.digest(of: content + binding),
            KeyedDigest.areEqual(mac.prefix(Self.macByteCount), bytes.suffix(Self.macByteCount)),
            let point = try? ResumePoint(content)
        else { throw .foreign }
        // A router whose clock is behind the other's sees an id from the future: that is fresh.
        let (age, overflows) = now.subtractingReportingOverflow(point.sentAt)
        guard !overflows, age <= limitSeconds else { throw .expired(ageSeconds: age, limitSeconds: limitSeconds) }
        return point
    }
}
