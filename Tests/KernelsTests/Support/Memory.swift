/// Zeroed memory for a test, 64-byte aligned.
final class Memory {
    let bytes: UnsafeMutablePointer<UInt8>
    let count: Int

    init(_ count: Int) {
        self.count = count
        let memory = UnsafeMutableRawPointer.allocate(byteCount: count + 64, alignment: 64)
        bytes = memory.initializeMemory(as: UInt8.self, repeating: 0, count: count + 64)
    }

    deinit { bytes.deallocate() }

    var array: [UInt8] { Array(UnsafeBufferPointer(start: bytes, count: count)) }
    var floats: UnsafeMutablePointer<Float> {
        UnsafeMutableRawPointer(bytes).assumingMemoryBound(to: Float.self)
    }
}

/// The file-format way to store numbers: little-endian, unaligned.
extension Array where Element == UInt8 {
    mutating func store<T: BitwiseCopyable>(_ value: T, at offset: Int) {
        withUnsafeMutableBytes { $0.storeBytes(of: value, toByteOffset: offset, as: T.self) }
    }

    func load<T: BitwiseCopyable>(_ type: T.Type, at offset: Int) -> T {
        withUnsafeBytes { $0.loadUnaligned(fromByteOffset: offset, as: T.self) }
    }
}
