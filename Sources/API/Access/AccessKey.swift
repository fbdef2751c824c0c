/// What a caller may do.
package enum AccessRole: String, CaseIterable, Sendable {
    /// Ask models.
    case inference
    /// Read metrics on the public port.
    case metrics
    /// Change what is served.
    case admin
}

/// One key that callers may show: who they are then, what they may do, and how much of it.
package struct AccessKey: Equatable, Sendable {
    /// SHA-256 of the key: 32 bytes. The key itself is nowhere.
    package var digest: [UInt8]
    /// Keys of one tenant share its limits, its turns in the queue and its cached prefixes.
    package var tenant: String
    package var roles: Set<AccessRole>
    package var limits: TenantLimits

    package init(
        digest: [UInt8], tenant: String, roles: Set<AccessRole>, limits: TenantLimits = TenantLimits()
    ) {
        self.digest = digest
        self.tenant = tenant
        self.roles = roles
        self.limits = limits
    }
}
