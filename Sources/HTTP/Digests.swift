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

extension SHA256Digest {
    /// The first 64 bits.
    package static func word(of bytes: [UInt8]) -> UInt64 { of(bytes).prefix(8).reduce(0) { $0 << 8 | UInt64($1) } }
}

/// SHA-256 of what comes in pieces. Not for several threads at a time.
package final class RunningSHA256 {
    private let context: OpaquePointer

    /// - Throws: `.libraryFailed` when OpenSSL has no SHA-256.
    package init() throws(TLSError) {
        guard let context = EVP_MD_CTX_new() else { throw .libraryFailed(reason: TLSContext.lastError()) }
        self.context = context
        guard EVP_DigestInit_ex(context, EVP_sha256(), nil) == 1 else {
            throw .libraryFailed(reason: TLSContext.lastError())
        }
    }

    deinit { EVP_MD_CTX_free(context) }

    package func update(_ bytes: some Collection<UInt8>) {
        // SAFETY: the library reads the bytes that are there, and keeps none.
        let isDone: Void? = bytes.withContiguousStorageIfAvailable {
            _ = EVP_DigestUpdate(context, $0.baseAddress, $0.count)
        }
        guard isDone == nil else { return }
        let copy = Array(bytes)
        _ = EVP_DigestUpdate(context, copy, copy.count)
    }

    /// Of all so far. Nothing may be added afterwards.
    /// - Returns: 32 bytes.
    package func finish() -> [UInt8] {
        var digest = [UInt8](repeating: 0, count: Int(SHA256_DIGEST_LENGTH))
        // SAFETY: the library writes the 32 bytes that are there.
        _ = EVP_DigestFinal_ex(context, &digest, nil)
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
