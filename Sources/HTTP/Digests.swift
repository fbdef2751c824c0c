import COpenSSL

/// SHA-256 by OpenSSL.
package enum SHA256Digest {
    /// - Returns: 32 bytes.
    package static func of(_ bytes: [UInt8]) -> [UInt8] {
        var digest = [UInt8](repeating: 0, count: Int(SHA256_DIGEST_LENGTH))
        // SAFETY: the library reads `bytes.count` bytes and writes the 32 that are there.
        _ = SHA256(bytes, bytes.count, &digest)
        return digest
    }
}

/// HMAC-SHA256 by OpenSSL with one key, set up once: a digest of 100 bytes takes less than a microsecond. Not for several
/// threads at a time.
package final class KeyedDigest {
    private let context: OpaquePointer

    /// - Throws: `.libraryFailed` when OpenSSL has no SHA-256.
    package init(key: [UInt8]) throws(TLSError) {
        guard let context = apus_hmac_sha256_new(key, key.count) else {
            throw .libraryFailed(reason: TLSContext.lastError())
        }
        self.context = context
    }

    deinit { EVP_MAC_CTX_free(context) }

    /// - Returns: 32 bytes; nil when the library fails, which it has no reason to.
    package func digest(of bytes: [UInt8]) -> [UInt8]? {
        var digest = [UInt8](repeating: 0, count: 32)
        // SAFETY: the library reads `bytes.count` bytes and writes the 32 that are there.
        return apus_hmac_sha256(context, bytes, bytes.count, &digest) == 1 ? digest : nil
    }

    /// Compares in a time that does not tell where they differ.
    package static func areEqual(_ a: some Collection<UInt8>, _ b: some Collection<UInt8>) -> Bool {
        a.count == b.count && zip(a, b).reduce(0) { $0 | ($1.0 ^ $1.1) } == 0
    }
}
