import Testing

@testable import API

/// Salts of cached prefixes: a tenant's own, whatever salt a request brings.
@Suite struct TenantSaltTests {
    @Test func `tenants and salts of requests are told apart`() {
        var salts = TenantSalts()
        var seen: Set<UInt64> = [0]
        for tenant in ["a", "b", "ab"] {
            for salt: UInt64 in [0, 1, 2, .max] { seen.insert(salts.salt(salt, of: tenant)) }
        }
        #expect(seen.count == 13)
    }

    @Test func `what a request's salt changes depends on the tenant`() {
        var salts = TenantSalts()
        let changes = ["a", "b"].map { salts.salt(0, of: $0) ^ salts.salt(7, of: $0) }
        #expect(changes[0] != changes[1] && !changes.contains(7))
    }
}
