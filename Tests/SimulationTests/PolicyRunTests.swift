import Simulation
import Testing

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

    @Test func `more than the cluster can do makes everyone wait`() {
        #expect(Self.run(.apus, rate: 60).firstTokenP99 > 4 * Self.run(.apus).firstTokenP99)
    }
}
