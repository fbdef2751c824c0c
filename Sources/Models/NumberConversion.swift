import Kernels
import Synchronization
import Weights

/// Turns stored numbers into another type, by way of floats, a piece after the other.
struct NumberConversion {
    /// Numbers of a piece: whole blocks of every type, and its floats stay in the first-level cache.
    private static let pieceCount = 4096

    let source: GGUFTensorType
    let target: GGUFTensorType
    private var floats = [Float](repeating: 0, count: pieceCount)

    init(from source: GGUFTensorType, to target: GGUFTensorType) {
        self.source = source
        self.target = target
    }

    /// Bytes that `count` numbers, which are whole blocks, take in a type.
    static func byteCount(_ count: Int, _ type: GGUFTensorType) -> Int {
        count / type.blockElementCount * type.blockByteCount
    }

    /// - Parameters:
    ///   - stored: `count` numbers, whole blocks of both types.
    ///   - converted: overwritten.
    /// - Returns: whether the target holds every number: none is a NaN, infinite or too large.
    mutating func convert(
        _ stored: UnsafePointer<UInt8>, count: Int, into converted: UnsafeMutablePointer<UInt8>
    ) -> Bool {
        var isHeld = true
        for start in stride(from: 0, to: count, by: Self.pieceCount) {
            let piece = min(Self.pieceCount, count - start)
            Kernels.dequantize(
                format: source.rawValue, row: stored + Self.byteCount(start, source), count: piece, into: &floats)
            let fits = Kernels.quantize(
                format: target.rawValue, floats, count: piece, into: converted + Self.byteCount(start, target))
            isHeld = isHeld && fits
        }
        return isHeld
    }
}

extension NumberConversion {
    /// Converts with all threads of a team.
    /// - Parameters:
    ///   - stored: `count` numbers, whole blocks of both types.
    ///   - converted: overwritten; as large as so many numbers are.
    /// - Returns: whether the target holds every number.
    static func convert(
        _ stored: UnsafeRawBufferPointer, from source: GGUFTensorType, to target: GGUFTensorType, count: Int,
        into converted: UnsafeMutableRawBufferPointer, team: ThreadTeam
    ) -> Bool {
        precondition(
            stored.count == byteCount(count, source) && converted.count == byteCount(count, target),
            "\(stored.count) and \(converted.count) bytes for \(count) numbers")
        guard let from = stored.baseAddress?.assumingMemoryBound(to: UInt8.self),
            let into = converted.baseAddress?.assumingMemoryBound(to: UInt8.self)
        else { return true }
        let isHeld = Atomic<Bool>(true)
        team.run { member in
            // SAFETY: members have different blocks of both memories, whose sizes are checked above.
            let own = member.share((count + 255) / 256)
            let (first, end) = (own.lowerBound * 256, min(count, own.upperBound * 256))
            guard first < end else { return }
            var conversion = NumberConversion(from: source, to: target)
            let fits = conversion.convert(
                from + byteCount(first, source), count: end - first, into: into + byteCount(first, target))
            if !fits { isHeld.store(false, ordering: .relaxed) }
        }
        return isHeld.load(ordering: .relaxed)
    }
}
