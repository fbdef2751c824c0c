import Foundation
import Inference
import Scheduling
import TestSupport
import Testing

/// ``WorkerDemand`` behind an autoscaler as Kubernetes has it.
@Suite struct WorkerDemandTests {
    /// HorizontalPodAutoscaler v2 with an external metric and the target 1 for each replica: a look every 15 s, changes of
    /// a tenth or less left alone, at most a doubling or four more at once, fewer only as far as all looks of five minutes
    /// agree. Source: Kubernetes, Horizontal Pod Autoscaling, "Algorithm details".
    struct Autoscaler {
        private(set) var replicas: Int
        private(set) var changes: [Double] = []
        private var wanted: [(at: Double, replicas: Int)] = []

        init(replicas: Int) { self.replicas = replicas }

        mutating func look(_ metric: Int, at second: Double) {
            let ratio = Double(metric) / Double(max(1, replicas))
            var next = abs(ratio - 1) <= 0.1 ? replicas : metric
            wanted.removeAll { second - $0.at > 300 }
            wanted.append((second, next))
            if next < replicas { next = min(replicas, wanted.map(\.replicas).max() ?? next) }
            next = max(1, min(next, max(replicas * 2, replicas + 4)))
            if next != replicas { changes.append(second) }
            replicas = next
        }
    }

    /// Requests that arrive by chance and hold a slot each for a while; a worker starts in 20 s.
    struct Cluster {
        static let slots = 16
        static let holdSeconds = 8.0
        static let tokensEach = 200

        var demand = WorkerDemand()
        var autoscaler: Autoscaler
        var random: SeededRandom
        private var ready: Int
        private var starting: [Double] = []
        private var queue: [Double] = []
        private var running = 0
        private var tokenCount = 0
        private(set) var waits: [(arrived: Double, seconds: Double)] = []

        init(workers: Int, seed: UInt64) {
            autoscaler = Autoscaler(replicas: workers)
            ready = workers
            random = SeededRandom(seed: seed)
        }

        /// - Parameter rate: arrivals per second.
        mutating func second(_ now: Double, rate: Double) {
            let due = starting.count { $0 <= now }
            starting.removeAll { $0 <= now }
            ready += due
            for _ in 0..<running where random.happens(1 / Self.holdSeconds) {
                running -= 1
                tokenCount += Self.tokensEach
            }
            for _ in 0..<64 where random.happens(rate / 64) { queue.append(now) }
            while running < ready * Self.slots, !queue.isEmpty {
                let arrived = queue.removeFirst()
                waits.append((arrived, now - arrived))
                running += 1
            }
            var load = ModelLoad()
            load.runningCount = running
            load.waitingCount = queue.count
            load.waitingTokens = queue.count * Self.tokensEach
            load.oldestSeconds = queue.first.map { now - $0 } ?? 0
            load.workerCount = ready
            load.slotCount = ready * Self.slots
            demand.observe(load, tokenCount: tokenCount, now: .at(now))
            guard Int(now) % 15 == 0 else { return }
            autoscaler.look(demand.desired, at: now)
            while ready + starting.count < autoscaler.replicas { starting.append(now + 20) }
            if ready + starting.count > autoscaler.replicas {
                starting.removeAll()
                ready = min(ready, max(autoscaler.replicas, 1))
            }
        }
    }

    @Test(arguments: [1, 2, 3, 4, 5, 6] as [UInt64])
    func `a steady load leaves the number of workers alone`(seed: UInt64) {
        for rate in [1.0, 3, 5.3, 12] {
            var cluster = Cluster(workers: 1, seed: seed)
            for second in 0..<7200 { cluster.second(Double(second), rate: rate) }

            let settled = cluster.autoscaler.changes.filter { $0 >= 900 }
            for (earlier, later) in zip(settled, settled.dropFirst()) {
                #expect(later - earlier >= 300, "seed \(seed), \(rate) a second: changes at \(settled)")
            }
            #expect(settled.count <= 8, "seed \(seed), \(rate) a second: changes at \(settled)")
            let late = cluster.waits.filter { $0.arrived >= 900 }
            let good = late.count { $0.seconds <= 2 }
            #expect(
                Double(good) >= 0.99 * Double(late.count), "seed \(seed), \(rate) a second: \(good) of \(late.count)")
            // Not more than the sequences and the share that is kept free make it need.
            let needed = rate * Cluster.holdSeconds / (Double(Cluster.slots) * WorkerDemand.fillTarget)
            #expect(cluster.autoscaler.replicas <= Int(needed.rounded(.up)) + 2)
        }
    }

    @Test(arguments: [11, 12, 13] as [UInt64])
    func `bursts get workers within a minute and give them back`(seed: UInt64) {
        var cluster = Cluster(workers: 1, seed: seed)
        var peaks: [Int] = []
        var lows: [Int] = []
        for second in 0..<14_400 {
            let isBurst = (second / 1800) % 2 == 1
            cluster.second(Double(second), rate: isBurst ? 12 : 1)
            if second % 1800 == 1799 {
                if isBurst {
                    peaks.append(cluster.autoscaler.replicas)
                } else {
                    lows.append(cluster.autoscaler.replicas)
                }
            }
        }

        // 96 sequences at 12.8 a worker; 8.
        #expect(peaks.allSatisfy { (8...11).contains($0) } && lows.allSatisfy { $0 <= 2 }, "\(peaks) \(lows)")
        for burst in stride(from: 1800.0, to: 14_400, by: 3600) {
            let late = cluster.waits.filter { (burst + 120..<burst + 1800).contains($0.arrived) }
            let good = late.count { $0.seconds <= 2 }
            #expect(
                Double(good) >= 0.99 * Double(late.count), "seed \(seed), burst at \(burst): \(good) of \(late.count)")
        }
        let perBurst = Double(cluster.autoscaler.changes.count) / 4
        #expect(perBurst <= 8, "\(cluster.autoscaler.changes)")
    }

    @Test func `an idle model wants nobody after a while, and its first request somebody at once`() {
        var demand = WorkerDemand()
        var load = ModelLoad()
        demand.observe(load, tokenCount: 0, now: .at(0))
        #expect(demand.desired == 0)
        load.waitingCount = 1
        load.waitingTokens = 100
        load.oldestSeconds = 0.1
        demand.observe(load, tokenCount: 0, now: .at(1))
        #expect(demand.desired == 1)
        #expect(demand.queueSeconds == 0.1)
        for second in 2...900 { demand.observe(ModelLoad(), tokenCount: 100, now: .at(Double(second))) }
        #expect(demand.desired == 0)
    }

    @Test func `what waits is told in seconds, at the rate of late`() {
        var demand = WorkerDemand()
        var load = ModelLoad()
        (load.waitingCount, load.waitingTokens, load.workerCount, load.slotCount) = (30, 6000, 2, 32)
        for second in 0...20 { demand.observe(load, tokenCount: second * 1000, now: .at(Double(second))) }

        #expect(abs(demand.queueSeconds - 6) < 0.01)
        // Three times what is right, for two workers.
        #expect(demand.desired == 6)
    }

    @Test func `figures beyond all bounds do not trap`() {
        var demand = WorkerDemand()
        var load = ModelLoad()
        (load.waitingCount, load.runningCount) = (.max / 4, .max / 4)
        (load.waitingTokens, load.oldestSeconds, load.workerCount, load.slotCount) = (.max, .infinity, 1, 1)
        demand.observe(load, tokenCount: 0, now: .at(0))
        demand.observe(load, tokenCount: .max, now: .at(1e-9))
        #expect(demand.desired == 1_000_000)
    }

    @Test func `a load that sinks all the time takes workers with it`() {
        var demand = WorkerDemand()
        var desired: [Int] = []
        for second in 0...5400 {
            var load = ModelLoad()
            load.runningCount = 1280 * (6000 - second) / 6000
            (load.workerCount, load.slotCount) = (max(1, demand.desired), max(1, demand.desired) * 16)
            demand.observe(load, tokenCount: second * 1000, now: .at(Double(second)))
            desired.append(demand.desired)
        }

        #expect(desired[0] == 100)
        // 12.8 sequences a worker, and a tenth more than were needed a quarter of an hour ago.
        #expect((10...28).contains(demand.desired), "\(demand.desired)")
        #expect(zip(desired, desired.dropFirst()).allSatisfy(>=))
    }
}
