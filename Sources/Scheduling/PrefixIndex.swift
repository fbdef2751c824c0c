import Inference

/// Which worker of one numerics id holds which prefix pages. Workers own the truth and push every change.
///
/// Shape: the set of hashes of each worker, and for each hash the workers that hold it. A worker that holds a page
/// holds all pages before it, so how far it follows a chain is found by bisection.
/// Cost: O(1) a change; O(log pages) a worker asked.
struct PrefixIndex: Sendable {
    private var held: [WorkerID: Set<UInt64>] = [:]
    private var holders: [UInt64: Holders] = [:]

    /// Workers that hold a page: mostly one, which needs no list.
    private struct Holders: Sendable {
        var first: WorkerID
        var others: [WorkerID] = []

        var count: Int { 1 + others.count }
        subscript(place: Int) -> WorkerID { place == 0 ? first : others[place - 1] }

        /// - Returns: false when that was the last one.
        mutating func remove(_ worker: WorkerID) -> Bool {
            if first != worker {
                if let place = others.firstIndex(of: worker) { others.remove(at: place) }
            } else if others.isEmpty {
                return false
            } else {
                first = others.removeFirst()
            }
            return true
        }
    }

    func count(of worker: WorkerID) -> Int { held[worker]?.count ?? 0 }

    mutating func change(_ worker: WorkerID, added: [UInt64], removed: [UInt64], isSnapshot: Bool, limit: Int) {
        if isSnapshot { remove(worker) }
        // Out of the table, where each change would look for it again.
        var pages = held.removeValue(forKey: worker) ?? []
        for hash in removed where pages.remove(hash) != nil { drop(worker, from: hash) }
        for hash in added where pages.count < limit && pages.insert(hash).inserted {
            if holders[hash]?.others.append(worker) == nil { holders[hash] = Holders(first: worker) }
        }
        if !pages.isEmpty { held[worker] = pages }
    }

    mutating func remove(_ worker: WorkerID) {
        for hash in held.removeValue(forKey: worker) ?? [] { drop(worker, from: hash) }
    }

    private mutating func drop(_ worker: WorkerID, from hash: UInt64) {
        if holders[hash]?.remove(worker) == false { holders[hash] = nil }
    }

    /// Leading pages of the chain that `worker` holds.
    func depth(of chain: [UInt64], on worker: WorkerID) -> Int {
        guard let pages = held[worker], !pages.isEmpty else { return 0 }
        return Self.bisect(chain.count) { pages.contains(chain[$0]) }
    }

    /// Workers that hold the most of the chain, deepest first, at most `limit` and none twice. Where many hold the
    /// same, `turn` decides with whom the list begins, so that not all go to the same few.
    func warmest(for chain: [UInt64], limit: Int, turn: UInt64) -> [WorkerID] {
        var depth = Self.bisect(chain.count) { holders[chain[$0]] != nil }
        var found: [WorkerID] = []
        while depth > 0, found.count < limit {
            if let here = holders[chain[depth - 1]] {
                let start = Int(turn % UInt64(here.count))
                var step = 0
                while step < here.count, found.count < limit {
                    let place = start + step < here.count ? start + step : start + step - here.count
                    if !found.contains(here[place]) { found.append(here[place]) }
                    step += 1
                }
            }
            depth /= 2
        }
        return found
    }

    /// - Returns: how many of `count` places in a row, from the first, `holds`.
    private static func bisect(_ count: Int, holds: (Int) -> Bool) -> Int {
        var (low, high) = (0, count)
        while low < high {
            let middle = (low + high) / 2
            if holds(middle) { low = middle + 1 } else { high = middle }
        }
        return low
    }

    /// - Returns: what the two views disagree about; nil when they agree.
    func violation() -> String? {
        let forward = held.values.reduce(0) { $0 + $1.count }
        let backward = holders.values.reduce(0) { $0 + $1.count }
        return forward == backward ? nil : "\(forward) prefix pages are held, \(backward) have holders"
    }
}
