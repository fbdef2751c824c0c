import Synchronization

/// What tenants are called in labels. Who they are is said from outside, so the first so many keep their names and all
/// others are "other": the number of series is bounded.
package final class TenantNames: Sendable {
    /// With a dozen series each, a tenth of what scrapers are told to take.
    package static let countMax = 100

    private let known = Mutex<Set<String>>([])

    package func label(of tenant: String) -> String {
        known.withLock { known in
            guard !known.contains(tenant) else { return tenant }
            guard known.count < Self.countMax else { return "other" }
            known.insert(tenant)
            return tenant
        }
    }
}
