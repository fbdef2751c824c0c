/// Where the characters (Unicode scalars, as in Python) of valid UTF-8 begin.
struct ScalarOffsets {
    /// With the end as last; nil for ASCII, whose offsets are the indices.
    private let offsets: [Int]?
    let count: Int

    init(_ bytes: [UInt8]) {
        guard bytes.contains(where: { $0 >= 0x80 }) else {
            offsets = nil
            count = bytes.count
            return
        }
        let starts = bytes.indices.filter { bytes[$0] & 0xC0 != 0x80 }
        offsets = starts + [bytes.count]
        count = starts.count
    }

    /// The bytes of characters; `scalars` must lie in 0..<count.
    func range(_ scalars: Range<Int>) -> Range<Int> {
        guard let offsets else { return scalars }
        return offsets[scalars.lowerBound]..<offsets[scalars.upperBound]
    }
}

/// Python's rule for `[from:to:step]`.
enum SliceIndices {
    /// - Parameter step: not 0.
    static func of(count: Int, _ from: Int?, _ to: Int?, _ step: Int) -> [Int] {
        func clamp(_ bound: Int, _ range: ClosedRange<Int>) -> Int {
            min(max(bound < 0 ? max(bound, -count - 1) + count : bound, range.lowerBound), range.upperBound)
        }
        if step > 0 {
            let start = clamp(from ?? 0, 0...count)
            let end = clamp(to ?? count, 0...count)
            return start < end ? Array(stride(from: start, to: end, by: step)) : []
        }
        let start = from.map { clamp($0, -1...count - 1) } ?? count - 1
        let end = to.map { clamp($0, -1...count - 1) } ?? -1
        return start > end ? Array(stride(from: start, to: end, by: step)) : []
    }
}
