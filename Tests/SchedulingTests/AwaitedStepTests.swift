import Inference
import Scheduling
import Testing

/// Steps that are not over yet: what they say of a worker's pace.
@Suite struct AwaitedStepTests {
    @Test func `a slow worker is found as soon where prompts wait in it`() throws {
        var cluster = PacedCluster([0.05, 0.05, 0.05])
        (cluster.rows[1], cluster.rows[3]) = (64, 64)
        try cluster.submit(300)
        cluster.run(until: 1)
        cluster.prefill[2] = 40
        cluster.run(until: 1.1)

        cluster.pace[2] = 0.5
        cluster.run(until: 3)

        let found = try #require(cluster.suspicions.first)
        #expect(found.worker == 2)
        #expect(found.at < 2.6)
    }

    @Test func `a long step that has the rows for it is no slowness after one that had not`() throws {
        var cluster = PacedCluster([0.05, 0.05, 0.9])
        cluster.rows[3] = 256
        try cluster.submit(300)
        cluster.run(until: 3)

        cluster.pace[1] = 0.5
        cluster.run(until: 3.2)
        // The step after the one that goes on.
        (cluster.pace[1], cluster.prefill[1]) = (0.9, 250)
        cluster.run(until: 3.7)
        (cluster.pace[1], cluster.rows[1], cluster.prefill[1]) = (0.05, 256, nil)
        cluster.run(until: 4.5)
        cluster.rows[1] = nil
        cluster.run(until: 8)

        #expect(cluster.suspicions.isEmpty)
    }

    @Test func `a slow worker that is tried again is waited for no longer, a new one is`() throws {
        var cluster = PacedCluster([0.05, 0.05, 4])
        try cluster.submit(12)
        cluster.run(until: 3.9)
        #expect(cluster.suspicions.isEmpty)
        cluster.pace[3] = 0.5
        try cluster.submit(6)
        cluster.run(until: 8)
        #expect(cluster.scheduler.workerState(WorkerID(3)) == .slow)
        cluster.run(until: 30)
        #expect(cluster.scheduler.workerState(WorkerID(3)) == .ready)

        cluster.pace[3] = 60
        try cluster.submit(12)
        cluster.run(until: 32)

        #expect(cluster.runningCount(3) == 1)
        #expect(cluster.scheduler.workerState(WorkerID(3)) == .slow)
        #expect(cluster.scheduler.invariantViolation() == nil)
    }
}
