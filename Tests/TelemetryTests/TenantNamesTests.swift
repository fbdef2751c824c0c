import Testing

@testable import Telemetry

@Suite struct TenantNamesTests {
    @Test func `the first tenants have names, all others are one, and who has a name keeps it`() {
        let names = TenantNames()
        let first = (0..<TenantNames.countMax).map { "tenant \($0)" }

        #expect(first.map(names.label) == first)
        #expect((0..<10_000).allSatisfy { names.label(of: "late \($0)") == "other" })
        #expect(first.map(names.label) == first)
    }
}
