import Foundation
import Simulation

/// `apus simulate --cost`: what a step report costs the scheduler with all that follows from it, in CPU time of one
/// thread, before a long queue.
struct SchedulerCost {
    var workers: Int
    var waiting: Int

    /// Steps of every worker before measuring, in which the queue's tenants and lengths become what they stay.
    private static let warmUpSteps = 150
    private static let measuredSteps = 100
    /// Of a worker in a second.
    private static let stepsPerSecond = 20.0

    func run() throws {
        var cluster = LoadedCluster(LoadedCluster.Shape(workers: workers, waiting: waiting))
        _ = try cluster.refill { try $0() }
        for _ in 0..<Self.warmUpSteps {
            cluster.step { $0() }
            _ = try cluster.refill { try $0() }
        }
        let (entries, admissions) = (cluster.entryCount, cluster.admissionCount)
        var (stepping, submitting, submitted) = (0.0, 0.0, 0)
        for _ in 0..<Self.measuredSteps {
            cluster.step { stepping += Self.cpuSeconds($0) }
            submitted += try cluster.refill { submitting += try Self.cpuSeconds($0) }
        }
        let reports = Double(Self.measuredSteps * workers)
        print(
            String(
                format: """
                    %d workers, %d requests waiting
                    a report of %.1f entries and %.2f admissions: %.1f µs; a submission: %.1f µs
                    %.0f steps a second of each worker: %.1f%% of a core
                    decisions: %@
                    """,
                workers, waiting, Double(cluster.entryCount - entries) / reports,
                Double(cluster.admissionCount - admissions) / reports, stepping / reports * 1e6,
                submitting / Double(max(1, submitted)) * 1e6, Self.stepsPerSecond,
                100 * stepping / reports * Self.stepsPerSecond * Double(workers), "\(cluster.hash)"))
    }

    /// Seconds of this thread's CPU, so that others on the machine do not count.
    private static func cpuSeconds(_ body: () throws -> Void) rethrows -> Double {
        var (start, end) = (timespec(), timespec())
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &start)
        try body()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &end)
        return Double(end.tv_sec - start.tv_sec) + Double(end.tv_nsec - start.tv_nsec) / 1e9
    }
}
