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

/// HMAC-SHA256 with one key, by OpenSSL's SHA-256. The states after the key's two blocks are kept, and each digest begins
/// from copies of them: one of 100 bytes takes a fifth of a microsecond. Not for several threads at a time.
/// Source: RFC 2104.
package final class KeyedDigest {
    private let inner: OpaquePointer
    private let outer: OpaquePointer
    private let running: OpaquePointer

    /// - Throws: `.libraryFailed` when OpenSSL has no SHA-256.
    package init(key: [UInt8]) throws(TLSError) {
        let short = key.count > 64 ? SHA256Digest.of(key) : key
        let block = short + repeatElement(0, count: 64 - short.count)
        let made = [
            apus_sha256_after(block.map { $0 ^ 0x36 }), apus_sha256_after(block.map { $0 ^ 0x5C }), EVP_MD_CTX_new(),
        ]
        guard let inner = made[0], let outer = made[1], let running = made[2] else {
            for case let context? in made { EVP_MD_CTX_free(context) }
            throw .libraryFailed(reason: TLSContext.lastError())
        }
        (self.inner, self.outer, self.running) = (inner, outer, running)
    }

    deinit {
        for context in [inner, outer, running] { EVP_MD_CTX_free(context) }
    }

    /// - Returns: 32 bytes; nil when the library fails, which it has no reason to.
    package func digest(of bytes: [UInt8]) -> [UInt8]? {
        var digest = [UInt8](repeating: 0, count: 32)
        return write(digestOf: bytes, to: &digest) ? digest : nil
    }

    /// The same without an array of its own.
    /// - Parameter digest: of 32 bytes, which are written over.
    package func write(digestOf bytes: [UInt8], to digest: inout [UInt8]) -> Bool {
        precondition(digest.count == 32)
        // SAFETY: the library reads the bytes it is given the count of, and writes the 32 that are there.
        return apus_sha256_from(inner, running, bytes, bytes.count, &digest) == 1
            && digest.withUnsafeMutableBufferPointer {
                apus_sha256_from(outer, running, $0.baseAddress, 32, $0.baseAddress) == 1
            }
    }

    /// Compares in a time that does not tell where they differ.
    package static func areEqual(_ a: some Collection<UInt8>, _ b: some Collection<UInt8>) -> Bool {
        a.count == b.count && zip(a, b).reduce(0) { $0 | ($1.0 ^ $1.1) } == 0
    }
}
