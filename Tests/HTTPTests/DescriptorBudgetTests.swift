import Foundation
import Testing

@testable import HTTP

/// Files and sockets that a process may have open.
@Suite struct DescriptorBudgetTests {
    @Test(arguments: [0, 64, 512, 1024, 1_048_576])
    func `ports leave descriptors to each other and to links`(count: Int) {
        let budget = DescriptorBudget(count: count)
        let taken = 2 * budget.largePortMax + budget.smallPortMax
        #expect(budget.largePortMax > 0 && budget.smallPortMax > 0)
        #expect(max(8, count) - taken >= max(8, count) / 8)
        #expect(HTTPListenerOptions().limited(to: budget.largePortMax).connectionCountMax <= 10_000)
    }

    @Test func `a process may have as many descriptors as its hard limit says`() {
        _ = DescriptorBudget.ofProcess
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        #expect(limit.rlim_cur == limit.rlim_max)
    }
}
