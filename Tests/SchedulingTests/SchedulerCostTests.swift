import Foundation
import Scheduling
import Testing

/// What scheduling costs: no time is asserted, the figures are printed.
/// `APUS_BENCH=1 swift test -c release -Xswiftc -enable-testing --filter SchedulerCost` measures at full size.
@Suite struct SchedulerCostTests {
    static let isFull = ProcessInfo.processInfo.environment["APUS_BENCH"] != nil

    /// Seconds of this thread's CPU, so that others on the machine do not count.
    static func cpuSeconds(_ body: () throws -> Void) rethrows -> Double {
        var (start, end) = (timespec(), timespec())
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &start)
        try body()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &end)
        return Double(end.tv_sec - start.tv_sec) + Double(end.tv_nsec - start.tv_nsec) / 1e9
    }

    /// Goal: 1,000 workers of 20 steps a second with 100,000 requests waiting take less than 0.3 of a core, which
    /// is 15 µs a report of 32 entries.
    @Test func `reports of busy workers before a long queue`() throws {
        let shape =
            Self.isFull
            ? LoadedCluster.Shape(workers: 1000, waiting: 100_000) : LoadedCluster.Shape(workers: 20, waiting: 200)
        var cluster = LoadedCluster(shape)
        var submitting = 0.0
        var submitted = try cluster.refill { submitting += try Self.cpuSeconds($0) }
        print(
            String(format: "scheduler: %.1f µs a submission into the empty queue", submitting / Double(submitted) * 1e6)
        )
        (submitting, submitted) = (0, 0)
        for _ in 0..<(Self.isFull ? 150 : 60) {
            cluster.step { $0() }
            _ = try cluster.refill { try $0() }
        }
        let (entries, admissions) = (cluster.entryCount, cluster.admissionCount)

        var stepping = 0.0
        let steps = Self.isFull ? 50 : 30
        for _ in 0..<steps {
            cluster.step { stepping += Self.cpuSeconds($0) }
            submitted += try cluster.refill { submitting += try Self.cpuSeconds($0) }
        }

        let reports = Double(steps * shape.workers)
        print(
            String(
                format: "scheduler: %.1f µs a report of %.1f entries and %.2f admissions, %.1f µs a submission",
                stepping / reports * 1e6, Double(cluster.entryCount - entries) / reports,
                Double(cluster.admissionCount - admissions) / reports, submitting / Double(max(1, submitted)) * 1e6))
        #expect(cluster.admissionCount > shape.workers * shape.slots)
        #expect(cluster.scheduler.invariantViolation() == nil)
    }
}
