import Scheduling
import Simulation
import Testing

@Suite struct SimulatedClusterTests {
    @Test(arguments: [7, 77, 777] as [UInt64])
    func `a seed gives the same run again, and another seed another`(seed: UInt64) {
        let first = SimulatedCluster.run(SimulationOptions(seed: seed))
        let second = SimulatedCluster.run(SimulationOptions(seed: seed))

        #expect(first == second)
        #expect(first.hash != SimulatedCluster.run(SimulationOptions(seed: seed + 1)).hash)
    }

    /// Two halves, so that two cores share them.
    @Test(arguments: [1, 251] as [UInt64])
    func `whatever a seed holds, every check passes`(first: UInt64) {
        var completed = 0
        for seed in first..<first + 250 {
            let report = SimulatedCluster.run(SimulationOptions(seed: seed))
            if let violation = report.violation {
                Issue.record("seed \(seed), event \(violation.event): \(violation.sentence)")
            }
            completed += report.completed
        }
        #expect(completed > 250 * 20)
    }

    /// Seeds that once found something wrong, in the scheduler, which SchedulingTests test for it too, or in the simulator.
    @Test(arguments: [14, 21, 121, 422, 12_939] as [UInt64])
    func `what was found stays found`(seed: UInt64) {
        let report = SimulatedCluster.run(SimulationOptions(seed: seed))

        #expect(report.violation == nil)
    }

    @Test(arguments: FaultKind.allCases)
    func `every kind of fault strikes, alone, and is survived`(kind: FaultKind) {
        var struck = 0
        for seed in 1...8 as ClosedRange<UInt64> {
            var options = SimulationOptions(seed: seed)
            options.faults = [kind]
            let report = SimulatedCluster.run(options)
            #expect(report.violation == nil, "seed \(seed)")
            struck += report.faults[kind.rawValue] ?? 0
        }
        #expect(struck > 0 || kind == .poison)
    }

    @Test func `without faults nothing fails but what its own deadline ends`() {
        for seed in 1...20 as ClosedRange<UInt64> {
            var options = SimulationOptions(seed: seed)
            options.faults = []
            let report = SimulatedCluster.run(options)
            #expect(report.violation == nil, "seed \(seed)")
            #expect(report.faults.isEmpty)
            #expect(report.moves["worker_lost"] == nil && report.moves["worker_stalled"] == nil)
        }
    }

    @Test func `a run in which something is still open fails, and says what came before`() throws {
        var options = SimulationOptions(seed: 1)
        options.calmSeconds = 0.001
        options.traceLength = 5
        let report = SimulatedCluster.run(options)

        #expect(try #require(report.violation).sentence.contains("open long after"))
        #expect(report.trace.count == 5)
    }
}
