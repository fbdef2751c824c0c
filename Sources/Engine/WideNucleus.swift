import Inference
import Kernels

/// Top-p where the kept tokens are many: a flat row, of which thousands make up the share.
///
/// Tokens go into buckets by their distance from the highest logit, which keeps their order; the bucket in which the
/// share is reached is the only one whose tokens are compared with each other. Weights are exact, so nothing depends on
/// the order in which buckets are filled.
/// Cost: three passes over the row, whatever its shape. Memory: 8 bytes a token, kept from row to row.
struct WideNucleus {
    /// Weight of each token; 0 for those of the last bucket that are not kept.
    private var weights: [Float] = []
    private var buckets: [Int32] = []
    private var masses = [Double](repeating: 0, count: TokenWeight.bucketCount)
    private var contested: [Candidate] = []

    /// Draws, in order of id, among the smallest leading part whose weights reach `mass`.
    mutating func draw(_ row: Span<Float>, _ weight: TokenWeight, mass: Double, chance: Double) -> TokenID {
        fillBuckets(row, weight)
        var before = 0.0
        var last = 0
        while last < masses.count - 1 && before + masses[last] < mass {
            before += masses[last]
            last += 1
        }
        let kept = before + settle(bucket: last, row, before: before, mass: mass)
        return walk(upTo: last, mark: chance * kept)
    }

    private mutating func fillBuckets(_ row: Span<Float>, _ weight: TokenWeight) {
        let count = row.count
        if weights.count != count {
            weights = Array(repeating: 0, count: count)
            buckets = Array(repeating: 0, count: count)
        }
        // SAFETY: all three hold `count` elements.
        row.withUnsafeBufferPointer { logits in
            Kernels.weigh(
                logits, max: weight.maximum, inverseTemperature: weight.inverseTemperature, weights: &weights,
                buckets: &buckets)
        }
        for bucket in masses.indices { masses[bucket] = 0 }
        var index = 0
        while index < count {
            masses[Int(buckets[index])] += Double(weights[index])
            index += 1
        }
    }

    /// Decides which tokens of the last bucket are kept.
    /// - Returns: their weight.
    private mutating func settle(bucket: Int, _ row: Span<Float>, before: Double, mass: Double) -> Double {
        contested.removeAll(keepingCapacity: true)
        var index = 0
        while index < row.count {
            if buckets[index] == Int32(bucket) {
                contested.append(
                    Candidate(token: TokenID(index), logit: row[index], weight: Double(weights[index])))
            }
            index += 1
        }
        guard let cut = MassCut.last(reaching: mass, after: before, in: &contested) else { return masses[bucket] }
        var kept = 0.0
        for candidate in contested {
            if cut.isBefore(candidate) { weights[Int(candidate.token)] = 0 } else { kept += candidate.weight }
        }
        return kept
    }

    private func walk(upTo bucket: Int, mark: Double) -> TokenID {
        var sum = 0.0
        var last = 0
        var index = 0
        while index < weights.count {
            if buckets[index] <= Int32(bucket) && weights[index] > 0 {
                sum += Double(weights[index])
                last = index
                if sum > mark { break }
            }
            index += 1
        }
        return TokenID(last)
    }
}
