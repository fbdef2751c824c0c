import ArgumentParser
import Foundation
import Simulation
import Synchronization

/// `apus simulate`: the scheduler on virtual time, with workers, networks and clients that fail as a seed says.
struct Simulate: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Run the scheduler in a simulated cluster, with faults drawn from a seed; fails when a check does.",
        discussion: """
            A seed is one run: equal seeds give equal events, to the last one, and the hash that is printed says so. After \
            every event it is checked that each request ends once, with its tokens in order, each once; that books add up; \
            and after the faults, that everything ends.
            """)

    @Option(help: ArgumentHelp("Run one seed and print what happened.", valueName: "n")) var seed: UInt64?
    @Option(help: ArgumentHelp("Run so many seeds and print those that fail.", valueName: "n")) var seeds: Int?
    @Option(help: ArgumentHelp("The first of --seeds.", valueName: "n")) var first: UInt64 = 1
    @Option(help: ArgumentHelp("Workers; without it, from 1 to 6.", valueName: "n")) var workers: Int?
    @Option(help: ArgumentHelp("Routers that share them; without it, from 1 to 3.", valueName: "n")) var routers: Int?
    @Option(help: ArgumentHelp("Requests; without it, from 20 to 80.", valueName: "n")) var requests: Int?
    @Option(
        help: ArgumentHelp(
            "Only these faults: \(FaultKind.allCases.map(\.rawValue).joined(separator: ", ")); or none.",
            valueName: "kind,…")) var faults: String?
    @Option(help: ArgumentHelp("Count all books every so many events.", valueName: "n")) var checkInterval = 16
    @Option(
        help: ArgumentHelp(
            "How long after the faults everything must have ended; without it, as long as the open work takes.",
            valueName: "seconds")) var calmSeconds: Double?
    @Option(help: ArgumentHelp("Print so many events before a failure.", valueName: "n")) var trace = 0

    @Flag(help: "Measure what the scheduler costs instead, with --workers (1000) and --requests (100000) that wait.")
    var cost = false
    @Flag(help: "Compare policies of balancing on made-up traces instead; prints a line of JSON for each run.")
    var compare = false
    @Option(help: ArgumentHelp("With --compare: sizes of clusters.", valueName: "n,…")) var sizes = "4,16"
    @Option(help: ArgumentHelp("With --compare: requests a second for each worker.", valueName: "r,…")) var rates = "3"
    @Option(help: ArgumentHelp("With --compare: length of the trace.", valueName: "n")) var seconds = 60.0
    @Option(help: ArgumentHelp("With --compare: length of the trace before that, not measured.", valueName: "n"))
    var warmUpSeconds = 60.0
    @Option(
        help: ArgumentHelp(
            "With --compare: what the heaviest tenant asks for beside the trace, for each worker.", valueName: "r"))
    var flood = 0.0
    @Option(help: ArgumentHelp("With --compare: workers that become ten times slower.", valueName: "n"))
    var slowWorkers = 0

    func validate() throws {
        guard seed == nil || seeds == nil else { throw ValidationError("--seed and --seeds exclude each other.") }
        guard try compareSizes().allSatisfy({ (1...4096).contains($0) }) else {
            throw ValidationError("--sizes must be from 1 to 4096.")
        }
        guard try compareRates().allSatisfy({ $0 > 0 && $0 <= 1000 }), seconds > 0, seconds <= 86_400 else {
            throw ValidationError("--rates must be over 0 and at most 1000, --seconds over 0 and at most 86400.")
        }
        guard (0...86_400).contains(warmUpSeconds) else {
            throw ValidationError("--warm-up-seconds must be from 0 to 86400.")
        }
        guard (0...1000).contains(flood), (0...4096).contains(slowWorkers) else {
            throw ValidationError("--flood must be from 0 to 1000, --slow-workers from 0 to 4096.")
        }
        for (name, value, range) in [
            ("seeds", seeds ?? 1, 1...1_000_000_000), ("workers", workers ?? 1, 1...1000),
            ("routers", routers ?? 1, 1...16), ("requests", requests ?? 1, 1...1_000_000),
            ("check-interval", checkInterval, 1...1_000_000),
            ("trace", trace, 0...100_000),
        ] where !range.contains(value) {
            throw ValidationError("--\(name) must be from \(range.lowerBound) to \(range.upperBound).")
        }
        guard (calmSeconds ?? 1) > 0, (calmSeconds ?? 1) <= 86_400 else {
            throw ValidationError("--calm-seconds must be over 0 and at most 86400.")
        }
        _ = try faultKinds()
    }

    private func faultKinds() throws -> Set<FaultKind>? {
        guard let faults else { return nil }
        if faults == "none" { return [] }
        return Set(
            try faults.split(separator: ",").map { name in
                guard let kind = FaultKind(rawValue: String(name)) else {
                    let names = FaultKind.allCases.map(\.rawValue).joined(separator: ", ")
                    throw ValidationError("--faults: \"\(name)\" is none of \(names).")
                }
                return kind
            })
    }

    private func compareSizes() throws -> [Int] {
        try sizes.split(separator: ",").map {
            guard let size = Int($0) else { throw ValidationError("--sizes: \"\($0)\" is no whole number.") }
            return size
        }
    }

    private func compareRates() throws -> [Double] {
        try rates.split(separator: ",").map {
            guard let rate = Double($0) else { throw ValidationError("--rates: \"\($0)\" is no number.") }
            return rate
        }
    }

    private func options(_ seed: UInt64) throws -> SimulationOptions {
        var options = SimulationOptions(seed: seed)
        options.workerCount = workers
        options.routerCount = routers
        options.requestCount = requests
        options.faults = try faultKinds()
        options.checkInterval = checkInterval
        options.calmSeconds = calmSeconds
        options.traceLength = trace
        return options
    }

    func run() throws {
        let command = self
        try Program.run {
            { signals in
                if command.cost {
                    let cost = SchedulerCost(workers: command.workers ?? 1000, waiting: command.requests ?? 100_000)
                    return try cost.run()
                }
                if command.compare {
                    try await PolicyComparison(
                        sizes: command.compareSizes(), rates: command.compareRates(), seconds: command.seconds,
                        warmUpSeconds: command.warmUpSeconds, floodPerSecond: command.flood,
                        slowWorkers: command.slowWorkers, seed: command.seed ?? command.first
                    ).run { signals.wereRaised }
                    return
                }
                guard let count = command.seeds else {
                    try command.runOne(command.seed ?? command.first)
                    return
                }
                try await command.runMany(count) { signals.wereRaised }
            }
        }
    }

    private func runOne(_ seed: UInt64) throws {
        let start = ContinuousClock.now
        let report = SimulatedCluster.run(try options(seed))
        let seconds = (ContinuousClock.now - start) / .seconds(1)
        for line in report.trace { print(line) }
        print(SimulationText.summary(report, wallSeconds: seconds))
        if let violation = report.violation { throw Sentence(description: SimulationText.sentence(violation, seed)) }
    }

    private func runMany(_ count: Int, isStopped: @escaping @Sendable () -> Bool) async throws {
        let start = ContinuousClock.now
        let command = self
        let seeds = Counter()
        var total = SimulationTotal()
        try await withThrowingTaskGroup(of: SimulationTotal.self) { group in
            for _ in 0..<max(1, ProcessInfo.processInfo.activeProcessorCount) {
                group.addTask {
                    var part = SimulationTotal()
                    while !isStopped() {
                        let index = seeds.take()
                        guard index < count else { break }
                        let seed = command.first &+ UInt64(index)
                        let report = SimulatedCluster.run(try command.options(seed))
                        part.add(report)
                        if let violation = report.violation { print(SimulationText.sentence(violation, seed)) }
                    }
                    return part
                }
            }
            for try await part in group { total.add(part) }
        }
        print(total.summary(wallSeconds: (ContinuousClock.now - start) / .seconds(1)))
        if !total.failedSeeds.isEmpty {
            throw Sentence(
                description: "\(total.failedSeeds.count) of \(total.runCount) seeds failed: "
                    + total.failedSeeds.sorted().prefix(50).map { "\($0)" }.joined(separator: " "))
        }
    }
}

/// Hands out work to whoever is free.
final class Counter: Sendable {
    private let next = Atomic<Int>(0)

    func take() -> Int { next.wrappingAdd(1, ordering: .relaxed).oldValue }
}
