import Foundation
import Simulation

/// `apus simulate --compare`: each policy on each cluster at each rate, largest clusters last.
struct PolicyComparison: Sendable {
    var sizes: [Int]
    var rates: [Double]
    var seconds: Double
    var warmUpSeconds: Double
    var floodPerSecond = 0.0
    var slowWorkers = 0
    var seed: UInt64

    private var cells: [PolicyOptions] {
        sizes.sorted().flatMap { size in
            rates.flatMap { rate in
                BalancingPolicy.allCases.map { policy in
                    var options = PolicyOptions(
                        policy: policy, workerCount: size, requestsPerSecond: rate, seconds: seconds)
                    options.seed = seed
                    options.warmUpSeconds = warmUpSeconds
                    options.floodPerSecond = floodPerSecond
                    options.slowWorkers = slowWorkers
                    return options
                }
            }
        }
    }

    /// Prints a line of JSON for each cell as it is done; cells run side by side.
    func run(isStopped: @escaping @Sendable () -> Bool) async throws {
        let cells = cells
        let counter = Counter()
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<max(1, ProcessInfo.processInfo.activeProcessorCount) {
                group.addTask {
                    while !isStopped() {
                        let index = counter.take()
                        guard index < cells.count else { break }
                        print(Self.line(cells[index], PolicyRun.run(cells[index])))
                    }
                }
            }
        }
    }

    private static func line(_ options: PolicyOptions, _ result: PolicyResult) -> String {
        func figure(_ value: Double) -> String { String(format: "%.5g", value) }
        return """
            {"policy":"\(options.policy.rawValue)","workers":\(options.workerCount),\
            "rate":\(figure(options.requestsPerSecond)),"flood":\(figure(options.floodPerSecond)),\
            "slow_workers":\(options.slowWorkers),"seconds":\(figure(options.seconds)),"seed":\(options.seed),\
            "requests":\(result.requestCount),"good":\(figure(result.goodPart)),\
            "ttft_p50":\(figure(result.firstTokenP50)),"ttft_p99":\(figure(result.firstTokenP99)),\
            "itl_p99":\(figure(result.interTokenP99)),"fairness":\(figure(result.fairness)),\
            "served_fairness":\(figure(result.servedFairness)),"light_good":\(figure(result.lightGoodPart)),\
            "light_ttft_p99":\(figure(result.lightFirstTokenP99)),"slow":\(result.slowCount),\
            "slow_noticed":\(result.slowNoticedCount),"slow_seconds_max":\(figure(result.slowSecondsMax)),\
            "set_aside_max":\(result.setAsideMax),"wrong_admissions":\(result.wrongAdmissions),\
            "hit_rate":\(figure(result.hitRate)),"preemptions":\(result.preemptionCount),"hash":"\(result.hash)"}
            """
    }
}
