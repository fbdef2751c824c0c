import Inference

/// One pass over a row of logits, and what later passes may skip because of it.
///
/// A group is 128 neighbouring logits, of which the scan keeps the highest. Most groups of a row hold nothing that
/// matters, and one comparison says so.
/// Memory: 4 bytes a group, kept from row to row.
struct RowScan {
    private var groupMaxima: [Float] = []
    private static let groupSize = 128

    /// Sums of weights of each run of ``sumSize`` tokens, after ``sumWeights(of:_:)``.
    private(set) var sums: [Double] = []
    private static let groupsPerSum = 4
    static let sumSize = groupsPerSum * groupSize

    /// Reads the row once. Call it first, with the same row as the calls that follow.
    /// - Returns: the highest logit; nil when there is none or the row holds a NaN or a positive infinity.
    mutating func maximum(of row: Span<Float>) -> Float? {
        groupMaxima.removeAll(keepingCapacity: true)
        var highest = -Float.infinity
        var isNumber = true
        row.withUnsafeBufferPointer { logits in
            guard let first = logits.baseAddress else { return }
            for start in stride(from: 0, to: logits.count, by: Self.groupSize) {
                let end = min(start + Self.groupSize, logits.count)
                // SAFETY: start <= whole <= end, and end is within the row.
                let whole = end - (end - start) % LaneLoops.laneCount
                var group = LaneLoops.maximum(first + start, whole - start)
                for index in whole..<end {
                    group.isNumber = group.isNumber && !logits[index].isNaN
                    if logits[index] > group.maximum { group.maximum = logits[index] }
                }
                groupMaxima.append(group.maximum)
                isNumber = isNumber && group.isNumber
                highest = max(highest, group.maximum)
            }
        }
        return isNumber && highest.isFinite ? highest : nil
    }

    /// The lowest id with the highest logit.
    func firstToken(with maximum: Float, in row: Span<Float>) -> TokenID {
        for group in groupMaxima.indices where groupMaxima[group] == maximum {
            for index in indices(of: group, in: row) where row[index] == maximum { return TokenID(index) }
        }
        return 0
    }

    /// All tokens with at least this logit, in order of id.
    func collect(atLeast bound: Float, of row: Span<Float>, into candidates: inout [Candidate]) {
        candidates.removeAll(keepingCapacity: true)
        for group in groupMaxima.indices where groupMaxima[group] >= bound {
            for index in indices(of: group, in: row) where row[index] >= bound {
                candidates.append(Candidate(token: TokenID(index), logit: row[index]))
            }
        }
    }

    /// The `count` first in rank, in order of rank. Few logits get into the heap: about count * log(row / count).
    func best(_ count: Int, of row: Span<Float>) -> [Candidate] {
        guard count > 0 else { return [] }
        var heap = WorstFirstHeap(capacity: count)
        for group in groupMaxima.indices where !heap.isFull || groupMaxima[group] > heap.bound {
            for index in indices(of: group, in: row) where !heap.isFull || row[index] > heap.bound {
                heap.insert(Candidate(token: TokenID(index), logit: row[index]))
            }
        }
        return heap.sorted()
    }

    /// Adds the weights of all tokens up, exactly. Groups whose weights all round to nothing are not looked at.
    mutating func sumWeights(of row: Span<Float>, _ weight: TokenWeight) -> Double {
        sums.removeAll(keepingCapacity: true)
        let weightless = weight.logitBound(ofWeight: 0x1p-36)
        row.withUnsafeBufferPointer { logits in
            guard let first = logits.baseAddress else { return }
            for group in groupMaxima.indices {
                var sum = 0.0
                if groupMaxima[group] >= weightless {
                    let (start, end) = (group * Self.groupSize, min((group + 1) * Self.groupSize, logits.count))
                    // SAFETY: start <= whole <= end, and end is within the row.
                    let whole = end - (end - start) % LaneLoops.laneCount
                    sum = LaneLoops.sumWeights(first + start, whole - start, weight)
                    for index in whole..<end { sum += weight(logits[index]) }
                }
                if group % Self.groupsPerSum == 0 { sums.append(sum) } else { sums[sums.count - 1] += sum }
            }
        }
        return sums.reduce(0, +)
    }

    private func indices(of group: Int, in row: Span<Float>) -> Range<Int> {
        group * Self.groupSize..<min(row.count, (group + 1) * Self.groupSize)
    }
}
