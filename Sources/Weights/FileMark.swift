import Glibc

/// What a mapped file held when it was opened, to notice that somebody writes over it: what is read through the mapping
/// changes with it.
///
/// One that is replaced by renaming another over it is as it was, for those who have it mapped.
package struct FileMark: Sendable {
    private static let sampleCount = 64
    private static let sampleByteCount = 4096

    private let mapping: FileMapping
    private let samples: [ContentDigest]

    init(_ mapping: FileMapping) {
        self.mapping = mapping
        samples = Self.samples(of: mapping)
    }

    /// False where the file has another length, or was written to and holds something else in one of the places that
    /// are looked at: whoever copies a file over another changes nearly all. Costs microseconds; waits for the file
    /// system.
    package var isIntact: Bool {
        switch mapping.state {
        case .asOpened, .unknown: true
        case .resized: false
        case .written: Self.samples(of: mapping) == samples
        }
    }

    /// Of places all over the file.
    private static func samples(of mapping: FileMapping) -> [ContentDigest] {
        let last = max(0, mapping.bytes.count - sampleByteCount)
        return (0..<sampleCount).map { number in
            let start = last / (sampleCount - 1) * number
            let end = min(mapping.bytes.count, start + sampleByteCount)
            return ContentDigest(of: UnsafeRawBufferPointer(rebasing: mapping.bytes[start..<end]))
        }
    }
}
