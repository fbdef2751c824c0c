import HTTP

/// Salts of cached prefixes by tenant: what one tenant has asked cannot be felt by another, by how long its own takes. All
/// routers make the same ones.
struct TenantSalts {
    private struct Pair: Hashable {
        var tenant: String
        var salt: UInt64
    }

    private var known: [Pair: UInt64] = [:]
    /// Tenants come and go where a header names them, and requests choose salts; what is forgotten is computed again.
    private static let knownMax = 10_000

    /// - Parameter salt: the request's own.
    mutating func salt(_ salt: UInt64, of tenant: String) -> UInt64 {
        let pair = Pair(tenant: tenant, salt: salt)
        if let found = known[pair] { return found }
        if known.count >= Self.knownMax { known.removeAll(keepingCapacity: true) }
        let own = (0..<8).map { UInt8(truncatingIfNeeded: salt >> (8 * $0)) }
        let made = SHA256Digest.word(of: Array("apus tenant \(tenant)".utf8) + [0] + own)
        known[pair] = made
        return made
    }
}
