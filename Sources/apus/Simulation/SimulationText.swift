import Foundation
import Simulation

/// What runs of the simulator did, in words.
enum SimulationText {
    static func sentence(_ violation: SimulationReport.Violation, _ seed: UInt64) -> String {
        let seconds = String(format: "%.4f", violation.seconds)
        return "seed \(seed), event \(violation.event), \(seconds) s: \(violation.sentence)"
    }

    static func summary(_ report: SimulationReport, wallSeconds: Double) -> String {
        """
        seed \(report.seed): \(report.eventCount) events, workers: \(report.workerCount), \
        routers: \(report.routerCount), in \
        \(String(format: "%.1f", report.virtualSeconds)) virtual seconds (\(String(format: "%.3f", wallSeconds)) s)
        requests: \(report.submitted) accepted, \(report.completed) completed, \(report.cancelled) cancelled, \
        \(report.refused) refusals\(counts(report.failed, before: ", failed: "))
        tokens: \(report.tokenCount)\(counts(report.moves, before: "; moves: "))
        faults: \(report.faults.isEmpty ? "none" : counts(report.faults, before: ""))
        hash: \(report.hash)
        """
    }

    static func counts(_ counts: [String: Int], before: String) -> String {
        counts.isEmpty
            ? "" : before + counts.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)" }.joined(separator: ", ")
    }
}

/// The sum of many runs.
struct SimulationTotal: Sendable {
    var runCount = 0
    var eventCount = 0
    var virtualSeconds = 0.0
    var submitted = 0
    var completed = 0
    var tokenCount = 0
    var failed: [String: Int] = [:]
    var moves: [String: Int] = [:]
    var faults: [String: Int] = [:]
    var passedSecondsMax = 0.0
    var noticeSecondsMax = 0.0
    var idleSecondsMax = 0.0
    var failedSeeds: [UInt64] = []

    mutating func add(_ report: SimulationReport) {
        var one = SimulationTotal()
        one.runCount = 1
        one.eventCount = report.eventCount
        one.virtualSeconds = report.virtualSeconds
        one.submitted = report.submitted
        one.completed = report.completed
        one.tokenCount = report.tokenCount
        one.failed = report.failed
        one.moves = report.moves
        one.faults = report.faults
        one.passedSecondsMax = report.passedSecondsMax
        one.noticeSecondsMax = report.noticeSecondsMax
        one.idleSecondsMax = report.idleSecondsMax
        if report.violation != nil { one.failedSeeds = [report.seed] }
        add(one)
    }

    mutating func add(_ other: SimulationTotal) {
        runCount += other.runCount
        eventCount += other.eventCount
        virtualSeconds += other.virtualSeconds
        submitted += other.submitted
        completed += other.completed
        tokenCount += other.tokenCount
        failed.merge(other.failed, uniquingKeysWith: +)
        moves.merge(other.moves, uniquingKeysWith: +)
        faults.merge(other.faults, uniquingKeysWith: +)
        passedSecondsMax = max(passedSecondsMax, other.passedSecondsMax)
        noticeSecondsMax = max(noticeSecondsMax, other.noticeSecondsMax)
        idleSecondsMax = max(idleSecondsMax, other.idleSecondsMax)
        failedSeeds += other.failedSeeds
    }

    func summary(wallSeconds: Double) -> String {
        """
        \(runCount) seeds: \(eventCount) events, \(submitted) requests, \(tokenCount) tokens in \
        \(String(format: "%.0f", virtualSeconds)) virtual seconds (\(String(format: "%.1f", wallSeconds)) s)
        completed \(completed)\(SimulationText.counts(failed, before: ", failed: "))
        moves: \(SimulationText.counts(moves, before: ""))
        faults: \(SimulationText.counts(faults, before: ""))
        longest time that others passed one: \(String(format: "%.2f", passedSecondsMax)) s; \
        that an engine hung unnoticed: \(String(format: "%.2f", noticeSecondsMax)) s; \
        that a worker idled beside a request that fits: \(String(format: "%.2f", idleSecondsMax)) s
        """
    }
}
