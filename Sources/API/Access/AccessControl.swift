import HTTP

/// Who may ask for what, by the keys that the operator gave out. Confined to one event loop; shared by all that answer on
/// it, so that limits count over all ports.
package final class AccessControl {
    /// By digest. Finding one by its digest tells nothing of another: who could choose digests could choose keys.
    private var keys: [[UInt8]: AccessKey] = [:]
    private var meters: [String: TenantMeter] = [:]

    package init(_ keys: [AccessKey]) { replace(keys) }

    /// The keys that count from now on. What a tenant has used lately stays used.
    package func replace(_ keys: [AccessKey]) {
        self.keys = Dictionary(keys.map { ($0.digest, $0) }, uniquingKeysWith: { first, _ in first })
        var limits: [String: TenantLimits] = [:]
        for key in keys { limits[key.tenant] = key.limits.narrowed(by: limits[key.tenant] ?? TenantLimits()) }
        for (tenant, limits) in limits where limits != TenantLimits() || meters[tenant] != nil {
            let meter = meters[tenant] ?? TenantMeter()
            meter.setLimits(limits)
            meters[tenant] = meter
        }
        meters = meters.filter { limits[$0.key] != nil }
    }

    /// - Parameter header: finds a request's header by its name.
    /// - Throws: 401 without a key, or with one that is none.
    func caller(_ header: (String) -> String?) throws(APIError) -> Caller {
        guard let shown = Self.key(header) else {
            throw Self.unauthorized("This server asks for a key: Authorization: Bearer KEY.", code: "missing_api_key")
        }
        let digest = SHA256Digest.of(Array(shown.utf8))
        // The comparison of the whole takes the same time wherever digests differ.
        guard let key = keys[digest], KeyedDigest.areEqual(key.digest, digest) else {
            throw Self.unauthorized("The key is not known here.", code: "invalid_api_key")
        }
        return Caller(tenant: key.tenant, roles: key.roles, meter: meters[key.tenant])
    }

    /// `Authorization: Bearer`, or the headers in which clients of other services send keys.
    private static func key(_ header: (String) -> String?) -> Substring? {
        if let authorization = header("authorization") {
            let parts = authorization.split(separator: " ", omittingEmptySubsequences: true)
            return parts.count == 2 && parts[0].lowercased() == "bearer" ? parts[1] : nil
        }
        return (header("x-api-key") ?? header("api-key")).map { $0[...] }
    }

    private static func unauthorized(_ message: String, code: String) -> APIError {
        APIError(status: 401, message: message, type: "authentication_error", code: code)
    }
}

/// Who asks.
struct Caller {
    var tenant: String
    var roles: Set<AccessRole>
    /// nil: without limits.
    var meter: TenantMeter?

    /// Where nobody needs a key.
    static func anyone(tenant: String) -> Caller { Caller(tenant: tenant, roles: everything, meter: nil) }

    /// Made once, not for each request.
    private static let everything = Set(AccessRole.allCases)

    /// - Throws: 403, naming what is missing.
    func require(_ role: AccessRole) throws(APIError) {
        guard roles.contains(role) else {
            throw APIError(
                status: 403, message: "The key lacks the role \(role.rawValue).", type: "permission_error",
                code: "insufficient_role")
        }
    }
}
