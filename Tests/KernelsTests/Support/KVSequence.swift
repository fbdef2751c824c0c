import Kernels
import TestSupport

/// Keys and values of one KV head, and queries of its group, for positions 0..<count.
struct KVSequence {
    let count: Int
    let headDimension: Int
    let group: Int
    let keys: [Float]
    let values: [Float]
    let queries: [Float]

    init(count: Int, headDimension: Int, group: Int, seed: UInt64) {
        var random = SeededRandom(seed: seed)
        self.count = count
        self.headDimension = headDimension
        self.group = group
        keys = random.floats(count * headDimension, magnitude: 2)
        values = random.floats(count * headDimension)
        queries = random.floats(count * group * headDimension, magnitude: 2)
    }

    init(_ other: KVSequence, keys: [Float], values: [Float]) {
        (count, headDimension, group) = (other.count, other.headDimension, other.group)
        (self.keys, self.values, queries) = (keys, values, other.queries)
    }

    init(_ other: KVSequence, queries: [Float]) {
        (count, headDimension, group) = (other.count, other.headDimension, other.group)
        (keys, values, self.queries) = (other.keys, other.values, queries)
    }
}

/// Pages of a cache that other sequences live in too.
struct KVPages {
    let type: KVType
    let memory: Memory
    let stride: Int
    let table: [Int32]

    /// - Parameters:
    ///   - table: page numbers of the sequence, in order.
    ///   - fill: what all memory holds before: the leavings of others.
    init(_ sequence: KVSequence, _ type: KVType = .f16, table: [Int32], fill: UInt16, stored: Int? = nil) {
        self.type = type
        let size = Kernels.pageHeadByteCount(type, headDimension: sequence.headDimension)
        stride = 3 * size
        self.table = table
        memory = Memory(stride * (Int(table.max() ?? 0) + 1))
        for offset in Swift.stride(from: 0, to: memory.count, by: 2) {
            UnsafeMutableRawPointer(memory.bytes).storeBytes(of: fill, toByteOffset: offset, as: UInt16.self)
        }
        for position in 0..<(stored ?? sequence.count) {
            let d = sequence.headDimension
            Kernels.storeKV(
                type, pageHead: head + Int(table[position / 32]) * stride, slot: position % 32,
                key: Array(sequence.keys[position * d..<(position + 1) * d]),
                value: Array(sequence.values[position * d..<(position + 1) * d]), headDimension: d)
        }
    }

    /// The second of three KV heads.
    var head: UnsafeMutablePointer<UInt8> { memory.bytes + stride / 3 }
}

/// Rows of attention of `tokens`, computed in one call, or segment by segment, the last one first.
func attend(
    _ sequence: KVSequence, _ pages: KVPages, tokens: Range<Int>, isDivided: Bool = false, window: Int = 0,
    cap: Float = 0
) -> [Float] {
    let (d, group) = (sequence.headDimension, sequence.group)
    let count = tokens.count * group
    let positions = tokens.flatMap { [Int32](repeating: Int32($0), count: group) }
    let queries = Array(sequence.queries[tokens.lowerBound * group * d..<tokens.upperBound * group * d])
    var out = [Float](repeating: .nan, count: count * d)
    let scratch = Memory(4 * Kernels.attentionScratchCount(rows: count, headDimension: d))
    let stateCount = count * Kernels.attentionStateCount(headDimension: d)
    let segments = (tokens.upperBound - 1) / Kernels.segmentTokenCount + 1
    let states = Memory(4 * segments * stateCount)
    queries.withUnsafeBufferPointer { queries in
        positions.withUnsafeBufferPointer { positions in
            pages.table.withUnsafeBufferPointer { table in
                guard let q = queries.baseAddress, let at = positions.baseAddress, let table = table.baseAddress else {
                    return
                }
                let rows = Kernels.QueryRows(
                    pages.type, queries: q, queryStride: d, positions: at, count: count, pages: table,
                    kvBase: pages.head, pageStride: pages.stride, headDimension: d, scale: 1 / Float(d).squareRoot(),
                    window: Int32(window), cap: cap)
                guard isDivided else {
                    Kernels.attention(rows, into: &out, outStride: d, scratch: scratch.floats)
                    return
                }
                for segment in (0..<segments).reversed() {
                    Kernels.attention(
                        rows, segment: segment, into: states.floats + segment * stateCount, scratch: scratch.floats)
                }
                Kernels.joinAttention(
                    rows, states: states.floats, segmentStride: stateCount, into: &out, outStride: d)
            }
        }
    }
    return out
}
