import Kernels
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
