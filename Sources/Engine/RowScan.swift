import Inference
import Kernels

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
    static let sumSize = 512

    /// Takes the memory for rows of so many logits.
    mutating func reserve(_ count: Int) {
        groupMaxima = Array(repeating: 0, count: (count + Self.groupSize - 1) / Self.groupSize)
        sums = Array(repeating: 0, count: (count + Self.sumSize - 1) / Self.sumSize)
    }

    /// Reads the row once. Call it first, with the same row as the calls that follow.
    /// - Returns: the highest logit; nil when there is none or the row holds a NaN or a positive infinity.
    mutating func maximum(of row: Span<Float>) -> Float? {
        let groupCount = (row.count + Self.groupSize - 1) / Self.groupSize
        if groupMaxima.count != groupCount { groupMaxima = Array(repeating: 0, count: groupCount) }
        guard groupCount > 0 else { return nil }
        // SAFETY: a maximum for each group, the last being shorter.
        let isNumber = row.withUnsafeBufferPointer { Kernels.groupMaxima($0, into: &groupMaxima) }
        let highest = groupMaxima.withUnsafeBufferPointer(Kernels.max)
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

    /// The `count` first in rank. Few logits get into the heap: about count * log(row / count).
    func best(_ count: Int, of row: Span<Float>, into heap: inout WorstFirstHeap) {
        heap.reset(capacity: count)
        guard count > 0 else { return }
        for group in groupMaxima.indices where !heap.isFull || groupMaxima[group] > heap.bound {
            for index in indices(of: group, in: row) where !heap.isFull || row[index] > heap.bound {
                heap.insert(Candidate(token: TokenID(index), logit: row[index]))
            }
        }
    }

    /// Adds the weights of all tokens up, exactly. Groups whose weights all round to nothing are not looked at.
    mutating func sumWeights(of row: Span<Float>, _ weight: TokenWeight) -> Double {
        let sumCount = (row.count + Self.sumSize - 1) / Self.sumSize
        if sums.count != sumCount { sums = Array(repeating: 0, count: sumCount) }
        // SAFETY: a sum for each run of tokens, and a maximum for each group of the same row.
        row.withUnsafeBufferPointer { logits in
            Kernels.sumWeights(
                logits, max: weight.maximum, inverseTemperature: weight.inverseTemperature, maxima: groupMaxima,
                least: weight.logitBound(ofWeight: 0x1p-36), into: &sums)
        }
        return sums.reduce(0, +)
    }

    private func indices(of group: Int, in row: Span<Float>) -> Range<Int> {
        group * Self.groupSize..<min(row.count, (group + 1) * Self.groupSize)
    }
}
