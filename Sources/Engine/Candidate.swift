import Inference

/// A token that may be chosen.
struct Candidate: Equatable {
    var token: TokenID
    var logit: Float
    /// Set where weights matter; see ``TokenWeight``.
    var weight = 0.0

    /// The order of all selection: higher logit first, then lower id. No two candidates of a row are equal in it.
    @inline(__always)
    func isBefore(_ other: Candidate) -> Bool {
        logit > other.logit || (logit == other.logit && token < other.token)
    }
}

/// The best candidates seen so far, the worst of them on top. Its memory goes from row to row.
struct WorstFirstHeap {
    private(set) var candidates: [Candidate] = []
    private var capacity = 0

    /// Forgets all; the best `capacity` candidates will be kept.
    mutating func reset(capacity: Int) {
        self.capacity = capacity
        candidates.removeAll(keepingCapacity: true)
        candidates.reserveCapacity(min(capacity, 1024))
    }

    var isFull: Bool { candidates.count == capacity }
    /// What a logit must exceed to get in, where candidates come in order of id.
    var bound: Float { isFull ? candidates[0].logit : -.infinity }

    /// Takes one in, which must be better than the worst when the heap is full.
    mutating func insert(_ candidate: Candidate) {
        var place: Int
        if isFull {
            place = 0
            while let child = worseChild(of: place), candidate.isBefore(candidates[child]) {
                candidates[place] = candidates[child]
                place = child
            }
        } else {
            place = candidates.count
            candidates.append(candidate)
            while place > 0, candidates[(place - 1) / 2].isBefore(candidate) {
                candidates[place] = candidates[(place - 1) / 2]
                place = (place - 1) / 2
            }
        }
        candidates[place] = candidate
    }

    private func worseChild(of place: Int) -> Int? {
        let left = 2 * place + 1
        guard left < candidates.count else { return nil }
        return left + 1 < candidates.count && candidates[left].isBefore(candidates[left + 1]) ? left + 1 : left
    }

    /// Puts the best first. It is no heap any more.
    mutating func sort() { candidates.sortInPlace { $0.isBefore($1) } }
}

/// Finds where a sum of weights is reached, without sorting what does not matter.
enum MassCut {
    /// The last candidate of the smallest leading part, in rank, whose weights reach `mass`; nil when all together
    /// do not.
    /// - Parameters:
    ///   - mass: more than `sum`, which those before all candidates weigh together.
    ///   - candidates: reordered.
    /// Cost: linear in expectation (quickselect, Hoare 1961); pivots are medians of three.
    static func last(
        reaching mass: Double, after sum: Double = 0, in candidates: inout [Candidate]
    ) -> Candidate? {
        var (low, high) = (0, candidates.count)
        var before = sum
        while low < high {
            let pivotPlace = partition(&candidates, low, high)
            var better = 0.0
            for place in low..<pivotPlace { better += candidates[place].weight }
            if before + better >= mass {
                high = pivotPlace
            } else if before + better + candidates[pivotPlace].weight >= mass {
                return candidates[pivotPlace]
            } else {
                before += better + candidates[pivotPlace].weight
                low = pivotPlace + 1
            }
        }
        return nil
    }

    /// Puts better candidates before a pivot and worse ones after it.
    private static func partition(_ candidates: inout [Candidate], _ low: Int, _ high: Int) -> Int {
        let last = high - 1
        candidates.swapAt(medianOfThree(candidates, low, (low + last) / 2, last), last)
        let pivot = candidates[last]
        var place = low
        for index in low..<last where candidates[index].isBefore(pivot) {
            candidates.swapAt(index, place)
            place += 1
        }
        candidates.swapAt(place, last)
        return place
    }

    private static func medianOfThree(_ candidates: [Candidate], _ a: Int, _ b: Int, _ c: Int) -> Int {
        let (x, y, z) = (candidates[a], candidates[b], candidates[c])
        if x.isBefore(y) { return y.isBefore(z) ? b : (x.isBefore(z) ? c : a) }
        return x.isBefore(z) ? a : (y.isBefore(z) ? c : b)
    }
}
