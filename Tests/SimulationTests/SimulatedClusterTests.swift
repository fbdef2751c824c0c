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
    /// With three routers, in how workers share themselves out: RouterShareTests test the engine for it.
    @Test(
        arguments: [
            (14, 1), (21, 1), (121, 1), (422, 1), (12_939, 1), (643, 3), (654, 3), (1480, 3),
        ] as [(UInt64, Int)])
    func `what was found stays found`(seed: UInt64, routers: Int) {
        var options = SimulationOptions(seed: seed)
        options.routerCount = routers
        let report = SimulatedCluster.run(options)

        #expect(report.violation == nil)
    }

    @Test(arguments: [nil, .routerRestart, .partition, .crash] as [FaultKind?])
    func `routers that share workers serve everyone, whatever becomes of one of them`(fault: FaultKind?) {
        var (completed, struck) = (0, 0)
        for seed in 1...20 as ClosedRange<UInt64> {
            var options = SimulationOptions(seed: seed)
            options.routerCount = 2 + Int(seed % 2)
            options.faults = fault.map { [$0] } ?? []
            let report = SimulatedCluster.run(options)
            #expect(report.violation == nil, "seed \(seed)")
            #expect(report.routerCount == options.routerCount)
            completed += report.completed
            struck += report.faults.values.reduce(0, +)
        }
        #expect(completed > 20 * 20)
        #expect((struck > 0) == (fault != nil))
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

    @Test func `an engine that hangs is noticed within a second`() {
        var latest = 0.0
        for seed in 1...40 as ClosedRange<UInt64> {
            var options = SimulationOptions(seed: seed)
            options.faults = [.hang, .busy, .slow]
            let report = SimulatedCluster.run(options)
            #expect(report.violation == nil, "seed \(seed)")
            latest = max(latest, report.noticeSecondsMax)
        }
        #expect(latest > 0.3 && latest <= 1)
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
