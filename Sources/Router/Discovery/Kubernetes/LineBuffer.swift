import NIOCore

/// Cuts a stream of bytes into lines, within a limit.
struct LineBuffer {
    struct TooLong: Error, Equatable {}

    private let byteCountMax: Int
    private var pending: [UInt8] = []

    init(byteCountMax: Int) { self.byteCountMax = byteCountMax }

    /// - Returns: the lines that became complete, without their ends; empty ones are left out.
    mutating func append(_ bytes: ByteBuffer) throws(TooLong) -> [[UInt8]] {
        var lines: [[UInt8]] = []
        var rest = bytes.readableBytesView[...]
        while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
            guard pending.count + rest.distance(from: rest.startIndex, to: end) <= byteCountMax else {
                throw TooLong()
            }
            pending += rest[..<end]
            if !pending.isEmpty { lines.append(pending) }
            pending.removeAll(keepingCapacity: true)
            rest = rest[rest.index(after: end)...]
        }
        guard pending.count + rest.count <= byteCountMax else { throw TooLong() }
        pending += rest
        return lines
    }
}
