import TestSupport
import Testing

@testable import Weights

/// Files broken by chance: whatever comes out, the reader answers, and what it accepts it can deliver.
@Suite struct MutationTests {
    static let boundaries: [UInt64] = [
        0, 1, 2, 7, 8, 31, 32, 33, 127, 128, 255, 256, 65_535, 65_536, 1 << 31 - 1, 1 << 31, 1 << 32 - 1, 1 << 32,
        1 << 61, 1 << 62, 1 << 63 - 1, 1 << 63, .max - 31, .max - 3, .max,
    ]

    @Test(arguments: [UInt64(1), 2, 3, 4]) func `no mutant of a file traps the reader`(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let original = GGUFFileTests.sample().bytes()
        let source = try TemporaryFile()
        var accepted = 0

        for _ in 0..<5_000 {
            try source.write(Self.mutant(of: original, using: &random))
            if let file = try? GGUFFile(path: source.path) {
                accepted += 1
                Self.readEverything(file)
            }
        }

        #expect(accepted > 50, "mutants of tensor data and values must still be read")
        #expect(accepted < 4_950)
    }

    static func mutant(of original: [UInt8], using random: inout SeededRandom) -> [UInt8] {
        var bytes = original
        for _ in 0..<Int.random(in: 1...3, using: &random) {
            let at = Int.random(in: 0..<bytes.count, using: &random)
            switch Int.random(in: 0..<6, using: &random) {
            case 0: bytes[at] = UInt8.random(in: 0...255, using: &random)
            case 1: bytes[at] ^= 1 << UInt8.random(in: 0..<8, using: &random)
            case 2, 3:
                let width = [4, 8].randomElement(using: &random) ?? 8
                let value = boundaries.randomElement(using: &random) ?? 0
                for (index, byte) in GGUFWriter.little(value).prefix(width).enumerated() where at + index < bytes.count
                {
                    bytes[at + index] = byte
                }
            case 4:
                let length = Int.random(in: 1...16, using: &random)
                bytes.removeSubrange(at..<min(bytes.count, at + length))
                if bytes.isEmpty { return original }
            default:
                let length = Int.random(in: 1...16, using: &random)
                bytes.insert(contentsOf: original.shuffled(using: &random).prefix(length), at: at)
            }
        }
        return bytes
    }

    static func readEverything(_ file: GGUFFile) {
        let metadata = file.metadata
        for key in metadata.keys {
            _ = metadata.summary(key)
            _ = try? metadata.string(key)
            _ = try? metadata.uint(key)
            _ = try? metadata.float(key)
            _ = try? metadata.bool(key)
            _ = try? metadata.strings(key)
            _ = try? metadata.floats(key)
            _ = try? metadata.ints(key)
        }
        for tensor in file.tensors {
            let bytes = file.bytes(of: tensor)
            let row = UnsafeRawBufferPointer(rebasing: bytes.prefix(tensor.rowByteCount))
            _ = Dequantization.values(of: row, type: tensor.type)
        }
    }
}
