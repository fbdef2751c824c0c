import Inference

/// One pass over a row of logits, and what later passes may skip because of it.
///
/// A group is 128 neighbouring logits; the scan keeps, for each of 16 lanes, the highest of the group's eight.
/// Most groups of a row hold nothing that matters, and one comparison says so.
/// Memory: 64 bytes a group, kept from row to row.
struct RowScan {
    private var groupMaxima: [SIMD16<Float>] = []
    private static let groupSize = 128

    /// Sums of weights of each run of ``sumSize`` tokens, after ``sumWeights(of:_:)``.
    private(set) var sums: [Double] = []
    /// Four groups are 32 vectors: well within what may be added lane by lane; see ``TokenWeight/parts(_:)``.
    private static let groupsPerSum = 4
    static let sumSize = groupsPerSum * groupSize

    /// Reads the row once. Call it first, with the same row as the calls that follow.
    /// - Returns: the highest logit; nil when there is none or the row holds a NaN or a positive infinity.
    mutating func maximum(of row: Span<Float>) -> Float? {
        groupMaxima.removeAll(keepingCapacity: true)
        var highest = SIMD16<Float>(repeating: -.infinity)
        var isNumber = highest .== highest
        for start in stride(from: 0, to: row.count, by: Self.groupSize) {
            var best = SIMD16<Float>(repeating: -.infinity)
            for offset in stride(from: 0, to: Self.groupSize, by: 16) {
                let logits = Self.vector(row, at: start + offset)
                isNumber = isNumber .& (logits .== logits)
                best = best.replacing(with: logits, where: logits .> best)
            }
            groupMaxima.append(best)
            highest = highest.replacing(with: best, where: best .> highest)
        }
        let maximum = highest.max()
        return all(isNumber) && maximum.isFinite ? maximum : nil
    }

    /// The lowest id with the highest logit.
    func firstToken(with maximum: Float, in row: Span<Float>) -> TokenID {
        for group in groupMaxima.indices where any(groupMaxima[group] .== maximum) {
            for index in indices(of: group, in: row) where row[index] == maximum { return TokenID(index) }
        }
        return 0
    }

    /// All tokens with at least this logit, in order of id.
    func collect(atLeast bound: Float, of row: Span<Float>, into candidates: inout [Candidate]) {
        candidates.removeAll(keepingCapacity: true)
        for group in groupMaxima.indices where any(groupMaxima[group] .>= bound) {
            for index in indices(of: group, in: row) where row[index] >= bound {
                candidates.append(Candidate(token: TokenID(index), logit: row[index]))
            }
        }
    }

    /// The `count` first in rank, in order of rank. Few logits get into the heap: about count * log(row / count).
    func best(_ count: Int, of row: Span<Float>) -> [Candidate] {
        guard count > 0 else { return [] }
        var heap = WorstFirstHeap(capacity: count)
        for group in groupMaxima.indices where !heap.isFull || any(groupMaxima[group] .> heap.bound) {
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
        var total = 0.0
        for first in stride(from: 0, to: groupMaxima.count, by: Self.groupsPerSum) {
            var (coarse, fine) = (SIMD16<Float>.zero, SIMD16<Float>.zero)
            for group in first..<min(first + Self.groupsPerSum, groupMaxima.count)
            where any(groupMaxima[group] .>= weightless) {
                let start = group * Self.groupSize
                for offset in stride(from: 0, to: Self.groupSize, by: 16) {
                    let parts = weight.parts(Self.vector(row, at: start + offset))
                    coarse += parts.coarse
                    fine += parts.fine
                }
            }
            var sum = 0.0
            for lane in 0..<16 { sum += Double(coarse[lane]) + Double(fine[lane]) }
            sums.append(sum)
            total += sum
        }
        return total
    }

    private func indices(of group: Int, in row: Span<Float>) -> Range<Int> {
        group * Self.groupSize..<min(row.count, (group + 1) * Self.groupSize)
    }

    /// Sixteen logits; beyond the end of the row they are impossible ones.
    @inline(__always)
    private static func vector(_ row: Span<Float>, at index: Int) -> SIMD16<Float> {
        if index + 16 <= row.count {
            // SAFETY: the span checks its bounds; any 64 bytes are sixteen floats.
            return row.bytes.unsafeLoadUnaligned(fromByteOffset: index * 4, as: SIMD16<Float>.self)
        }
        var logits = SIMD16<Float>(repeating: -.infinity)
        for lane in 0..<max(0, row.count - index) { logits[lane] = row[index + lane] }
        return logits
    }
}
