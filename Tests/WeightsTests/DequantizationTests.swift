import Foundation
import TestSupport
import Testing

@testable import Weights

/// Expected values: Tests/Fixtures/reference/dequantize.json, by the `gguf` Python package (README there).
@Suite struct DequantizationTests {
    struct Reference: Decodable {
        var ggml_type: UInt32
        var block_elements: Int
        var block_bytes: Int
        var raw_hex: String
        var values: [Float]

        var raw: [UInt8] {
            let digits = raw_hex.utf8.map { $0 <= 57 ? $0 - 48 : $0 - 87 }
            return stride(from: 0, to: digits.count, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
        }
    }

    static let references: [String: Reference] = {
        let url = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appending(path: "Fixtures/reference/dequantize.json")
        let data = (try? Data(contentsOf: url)) ?? Data()
        return (try? JSONDecoder().decode([String: Reference].self, from: data)) ?? [:]
    }()

    @Test(arguments: GGUFTensorType.allCases.filter { $0 != .f32 })
    func `stored blocks stand for the reference's values, bit for bit`(type: GGUFTensorType) throws {
        let reference = try #require(Self.references[type.name])
        #expect(reference.ggml_type == type.rawValue)
        #expect(reference.block_elements == type.blockElementCount)
        #expect(reference.block_bytes == type.blockByteCount)

        let values = reference.raw.withUnsafeBytes { Dequantization.values(of: $0, type: type) }

        #expect(values.count == reference.values.count)
        let wrong = zip(values, reference.values).enumerated().filter { $1.0 != $1.1 }
        #expect(wrong.isEmpty, "\(wrong.prefix(3))")
    }

    @Test func `single precision stands for itself`() {
        let numbers: [Float] = [0, -1.5, .greatestFiniteMagnitude, .leastNonzeroMagnitude]

        let values = numbers.withUnsafeBytes { Dequantization.values(of: $0, type: .f32) }

        #expect(values == numbers)
    }

    /// Size formulas are where readers broke: compare with arithmetic wide enough to be right.
    @Test func `a tensor's byte count is exact or refused`() {
        var random = SeededRandom(seed: 11)
        for _ in 0..<20_000 {
            let type = GGUFTensorType.allCases.randomElement(using: &random) ?? .f32
            let dimensions = (0..<Int.random(in: 1...4, using: &random)).map { _ in
                Int(
                    truncatingIfNeeded: UInt64.random(
                        in: 0...UInt64(1) << UInt64.random(in: 0...63, using: &random), using: &random))
            }
            let isRow = dimensions[0] % type.blockElementCount == 0 && dimensions.allSatisfy { $0 >= 1 }
            let exact =
                dimensions.map(Double.init).reduce(1, *) / Double(type.blockElementCount)
                * Double(type.blockByteCount)
            let byteCount = type.byteCount(dimensions: dimensions)
            if !isRow {
                #expect(byteCount == nil)
            } else if exact < 0x1p62 {
                #expect(byteCount.map { abs(Double($0) - exact) <= exact * 1e-12 } == true, "\(type) \(dimensions)")
            } else if exact > 0x1p64 {
                #expect(byteCount == nil, "\(type) \(dimensions)")
            }
        }
    }
}
