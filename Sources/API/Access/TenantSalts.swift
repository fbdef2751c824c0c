import HTTP

/// Salts of tenants' cached prefixes: what one tenant has asked cannot be felt by another, by how long its own takes.
struct TenantSalts {
    private var known: [String: UInt64] = [:]
    /// Tenants come and go where a header names them; who is forgotten is computed again.
    private static let knownMax = 10_000

    /// - Parameter salt: the request's own.
    mutating func salt(_ salt: UInt64, of tenant: String) -> UInt64 {
        if let found = known[tenant] { return found ^ salt }
        if known.count >= Self.knownMax { known.removeAll(keepingCapacity: true) }
        let made = SHA256Digest.word(of: Array("apus tenant \(tenant)".utf8))
        known[tenant] = made
        return made ^ salt
    }
}
