import COpenSSL
import NIOCore

/// The two directions of ciphertext between OpenSSL and a channel, as an OpenSSL BIO.
final class TLSBuffers {
    var received = ByteBuffer()
    var toSend = ByteBuffer()

    /// A BIO that reads `received` and appends to `toSend`. It does not keep this object alive: whoever frees the SSL
    /// (and with it the BIO) keeps it until then.
    func makeBIO() -> OpaquePointer? {
        guard let method = Self.method, let bio = BIO_new(method) else { return nil }
        BIO_set_data(bio, Unmanaged.passUnretained(self).toOpaque())
        BIO_set_init(bio, 1)
        return bio
    }

    // SENDABLE: made once, never changed after.
    private nonisolated(unsafe) static let method: OpaquePointer? = {
        guard let method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "channel") else { return nil }
        BIO_meth_set_write(method) { bio, bytes, count in
            guard let buffers = TLSBuffers.of(bio), let bytes, count > 0 else { return 0 }
            // SAFETY: OpenSSL hands `count` readable bytes for the time of the call; they are copied.
            buffers.toSend.writeBytes(UnsafeRawBufferPointer(start: bytes, count: Int(count)))
            return count
        }
        BIO_meth_set_read(method) { bio, bytes, count in
            apus_bio_clear_retry(bio)
            guard let buffers = TLSBuffers.of(bio), let bytes, count > 0 else { return 0 }
            let length = min(Int(count), buffers.received.readableBytes)
            guard length > 0 else {
                apus_bio_set_retry_read(bio)
                return -1
            }
            // SAFETY: OpenSSL hands room for `count` bytes, `length` is at most that and at most what is readable.
            buffers.received.readWithUnsafeReadableBytes { readable in
                if let base = readable.baseAddress { memcpy(bytes, base, length) }
                return length
            }
            return Int32(length)
        }
        BIO_meth_set_ctrl(method) { _, command, _, _ in command == BIO_CTRL_FLUSH ? 1 : 0 }
        return method
    }()

    private static func of(_ bio: OpaquePointer?) -> TLSBuffers? {
        // SAFETY: `makeBIO` put an object there that outlives the BIO.
        BIO_get_data(bio).map { Unmanaged<TLSBuffers>.fromOpaque($0).takeUnretainedValue() }
    }
}
