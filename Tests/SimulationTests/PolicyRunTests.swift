import Testing

@testable import Simulation

@Suite struct PolicyRunTests {
    private static func run(_ policy: BalancingPolicy, rate: Double = 3) -> PolicyResult {
        var options = PolicyOptions(policy: policy, workerCount: 4, requestsPerSecond: rate, seconds: 15)
        options.warmUpSeconds = 15
        return PolicyRun.run(options)
    }

    @Test(arguments: BalancingPolicy.allCases)
    func `every policy answers every request of the same trace, and the same way again`(policy: BalancingPolicy) {
        let result = Self.run(policy)

        #expect(result.requestCount > 50)
        #expect(result.requestCount == Self.run(.roundRobin).requestCount)
        #expect(result.answeredCount == result.requestCount)
        #expect(result.firstTokenP50 > 0 && result.firstTokenP50 <= result.firstTokenP99)
        #expect((0...1).contains(result.goodPart) && (0...1).contains(result.hitRate))
        #expect(result == Self.run(policy))
    }

    @Test func `policies that know of prefixes find more of them cached`() {
        let blind = Self.run(.roundRobin).hitRate

        #expect(Self.run(.apus).hitRate > blind)
        #expect(Self.run(.cacheAware).hitRate > blind)
    }

    @Test func `who asks for more than there is delays nobody else where tenants have their share`() {
        func flooded(_ policy: BalancingPolicy) -> PolicyResult {
            var options = PolicyOptions(policy: policy, workerCount: 4, requestsPerSecond: 2, seconds: 30)
            (options.warmUpSeconds, options.floodPerSecond) = (15, 12)
            return PolicyRun.run(options)
        }
        let (shared, blind) = (flooded(.apus), flooded(.leastLoaded))

        #expect(shared.lightFirstTokenP99 < 0.5 * blind.lightFirstTokenP99)
        #expect(shared.lightGoodPart > 0.8 && blind.lightGoodPart < 0.7)
        #expect(shared.servedFairness > 0.98 && shared.servedFairness > blind.servedFairness)
        #expect(shared.answeredCount == shared.requestCount)
    }

    @Test(arguments: [(8, 1), (8, 3), (2, 1)])
    func `workers that become ten times slower get nothing new after two seconds of that, and half are left`(
        workers: Int, slow: Int
    ) {
        for seed in 1...3 as ClosedRange<UInt64> {
            var options = PolicyOptions(policy: .apus, workerCount: workers, requestsPerSecond: 3, seconds: 30)
            (options.warmUpSeconds, options.slowWorkers, options.seed) = (15, slow, seed)
            let result = PolicyRun.run(options)

            #expect(result.slowCount == slow && result.slowNoticedCount > 0)
            // Where many become slow at once, fewer are left to say what is usual.
            #expect(result.slowSecondsMax <= (slow == 1 ? 2 : 3.5))
            #expect(result.setAsideMax <= workers / 2)
            #expect(result.wrongAdmissions == 0)
            #expect(result.answeredCount == result.requestCount)
        }
    }

    @Test(
        arguments: [
            ([4, 1, 10], 9, [4, 1, 4]), ([4, 1, 10], 15, [4, 1, 10]), ([5, 5], 4, [2, 2]), ([], 3, []),
        ] as [([Double], Double, [Double])])
    func `fair shares give the least to nobody who could have more`(asked: [Double], total: Double, shares: [Double]) {
        #expect(maxMinShares(asked, of: total) == shares)
    }

    @Test func `more than the cluster can do makes everyone wait`() {
        #expect(Self.run(.apus, rate: 60).firstTokenP99 > 4 * Self.run(.apus).firstTokenP99)
    }
}
