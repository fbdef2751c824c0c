/// The loops that see every logit of a row, most of them sixteen lanes at a time.
///
/// Written as plain loops over lanes, which the optimizer turns into vector code and which stay bearable without it.
/// Pointers, because bounds checks on each element keep the optimizer from doing so.
enum LaneLoops {
    static let laneCount = 16

    /// The highest of `count` logits and whether none is a NaN.
    /// - Parameter count: a multiple of the lanes.
    static func maximum(_ logits: UnsafePointer<Float>, _ count: Int) -> (maximum: Float, isNumber: Bool) {
        // SAFETY: the caller owns `count` logits; both buffers hold one element a lane and end with this function.
        withUnsafeTemporaryAllocation(of: Float.self, capacity: laneCount) { best in
            withUnsafeTemporaryAllocation(of: UInt32.self, capacity: laneCount) { strange in
                best.initialize(repeating: -.infinity)
                strange.initialize(repeating: 0)
                var start = 0
                while start < count {
                    var lane = 0
                    while lane < laneCount {
                        let logit = logits[start + lane]
                        best[lane] = logit > best[lane] ? logit : best[lane]
                        strange[lane] |= logit == logit ? 0 : 1
                        lane += 1
                    }
                    start += laneCount
                }
                var highest = best[0]
                var sum = strange[0]
                var lane = 1
                while lane < laneCount {
                    highest = best[lane] > highest ? best[lane] : highest
                    sum |= strange[lane]
                    lane += 1
                }
                return (highest, sum == 0)
            }
        }
    }

    /// The exact sum of the weights of `count` logits.
    /// - Parameter count: a multiple of the lanes, at most 128 times their number; see ``TokenWeight/parts(_:)``.
    static func sumWeights(_ logits: UnsafePointer<Float>, _ count: Int, _ weight: TokenWeight) -> Double {
        // SAFETY: the caller owns `count` logits; the buffer holds two sums a lane and ends with this function.
        withUnsafeTemporaryAllocation(of: Float.self, capacity: 2 * laneCount) { sums in
            sums.initialize(repeating: 0)
            var start = 0
            while start < count {
                var lane = 0
                while lane < laneCount {
                    let parts = weight.parts(logits[start + lane])
                    sums[lane] += parts.coarse
                    sums[laneCount + lane] += parts.fine
                    lane += 1
                }
                start += laneCount
            }
            var sum = 0.0
            for part in sums { sum += Double(part) }
            return sum
        }
    }

    /// Weight and bucket of each of `count` logits. A rounded weight has few enough bits to be a Float.
    static func weigh(
        _ logits: UnsafePointer<Float>, _ count: Int, _ weight: TokenWeight, _ weights: UnsafeMutablePointer<Float>,
        _ buckets: UnsafeMutablePointer<Int32>
    ) {
        // SAFETY: the caller owns `count` elements of each, and none overlap.
        var index = 0
        while index < count {
            let parts = weight.parts(logits[index])
            weights[index] = parts.coarse + parts.fine
            buckets[index] = weight.bucket(logits[index])
            index += 1
        }
    }
}
