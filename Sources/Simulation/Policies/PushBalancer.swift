import Inference

/// Chooses a worker for a request the moment it comes; it waits there.
protocol PushBalancer: Sendable {
    /// - Parameter underway: requests sent to each worker that have not ended.
    mutating func choose(_ prompt: [TokenID], underway: [Int]) -> Int
}

struct RoundRobin: PushBalancer {
    private var last = -1

    mutating func choose(_ prompt: [TokenID], underway: [Int]) -> Int {
        last = (last + 1) % underway.count
        return last
    }
}

/// Ties go in turn, so that a quiet cluster is used evenly.
struct LeastLoaded: PushBalancer {
    private var turn = 0

    mutating func choose(_ prompt: [TokenID], underway: [Int]) -> Int {
        turn += 1
        let start = turn % underway.count
        var best = start
        for step in 1..<max(2, underway.count) {
            let place = (start + step) % underway.count
            if underway[place] < underway[best] { best = place }
        }
        return best
    }
}

/// As the routers of SGLang and vLLM do by default: the router remembers which prompts it sent where, and guesses from that
/// what a worker has cached.
///
/// Where the busiest worker has 64 requests more than the idlest and 1.5 times as many, the idlest gets it. Otherwise the
/// worker that was sent most of the prompt, if that is over 0.3 of it; else the one that was sent least in all.
/// Simplified: whole pages in place of a radix tree of characters; what is remembered of a worker is bounded by the
/// pages it has, the oldest forgotten first.
struct CacheAware: PushBalancer {
    private static let cacheThreshold = 0.3
    private static let balanceAbsoluteThreshold = 64
    private static let balanceRelativeThreshold = 1.5

    private let pageTokenCount: Int
    private let pagesMax: Int
    /// When each worker was last sent a page.
    private var sent: [[UInt64: UInt64]]
    private var holders: [UInt64: [Int]] = [:]
    private var time: UInt64 = 0

    init(workerCount: Int, pageTokenCount: Int, pagesMax: Int) {
        self.pageTokenCount = pageTokenCount
        self.pagesMax = pagesMax
        sent = Array(repeating: [:], count: workerCount)
    }

    mutating func choose(_ prompt: [TokenID], underway: [Int]) -> Int {
        let chain = PrefixHash.chain(prompt, pageTokenCount: pageTokenCount, salt: 0)
        let worker = find(chain, underway)
        remember(chain, worker)
        return worker
    }

    private func find(_ chain: [UInt64], _ underway: [Int]) -> Int {
        let idlest = underway.indices.min { (underway[$0], $0) < (underway[$1], $1) } ?? 0
        let (least, most) = (underway.min() ?? 0, underway.max() ?? 0)
        if most - least > Self.balanceAbsoluteThreshold,
            Double(most) > Self.balanceRelativeThreshold * Double(least)
        {
            return idlest
        }
        let depth = chain.firstIndex { holders[$0] == nil } ?? chain.count
        if depth > 0, Double(depth) > Self.cacheThreshold * Double(chain.count), let best = holders[chain[depth - 1]] {
            return best.max { (sent[$0][chain[depth - 1]] ?? 0) < (sent[$1][chain[depth - 1]] ?? 0) } ?? idlest
        }
        return sent.indices.min { (sent[$0].count, underway[$0], $0) < (sent[$1].count, underway[$1], $1) } ?? idlest
    }

    private mutating func remember(_ chain: [UInt64], _ worker: Int) {
        time += 1
        for hash in chain where sent[worker].updateValue(time, forKey: hash) == nil {
            holders[hash, default: []].append(worker)
        }
        guard sent[worker].count > pagesMax * 5 / 4 else { return }
        let oldest = sent[worker].sorted { ($0.value, $0.key) < ($1.value, $1.key) }.prefix(
            sent[worker].count - pagesMax)
        for (hash, _) in oldest {
            sent[worker][hash] = nil
            holders[hash]?.removeAll { $0 == worker }
            if holders[hash]?.isEmpty == true { holders[hash] = nil }
        }
    }
}
