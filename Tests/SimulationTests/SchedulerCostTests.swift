import Scheduling
import Simulation
import Testing

/// What `apus simulate --cost` measures the scheduler on: here only that it is what it says.
@Suite struct SchedulerCostTests {
    @Test func `many busy workers and a long queue stay so, and all books add up`() throws {
        var cluster = LoadedCluster(LoadedCluster.Shape(workers: 20, waiting: 200))
        _ = try cluster.refill { try $0() }
        for _ in 0..<90 {
            cluster.step { $0() }
            _ = try cluster.refill { try $0() }
        }

        #expect(cluster.admissionCount > 20 * cluster.shape.slots)
        #expect(cluster.entryCount > 80 * 20 * cluster.shape.slots)
        #expect((180...220).contains(cluster.scheduler.waitingCount("m")))
        #expect(cluster.scheduler.invariantViolation() == nil)
    }
}
