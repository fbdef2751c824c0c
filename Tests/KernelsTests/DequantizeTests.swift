import Foundation
import Kernels
import Testing

extension KernelTests {
    /// Expected values: Tests/Fixtures/reference/dequantize.json, by the `gguf` Python package (README there).
    @Suite struct DequantizeTests {
        struct Reference: Decodable {
            var ggml_type: UInt32
            var raw_hex: String
            var values: [Float]

            var raw: [UInt8] {
                let digits = raw_hex.utf8.map { $0 <= 57 ? $0 - 48 : $0 - 87 }
                return stride(from: 0, to: digits.count, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
            }
        }

        static let references: [Reference] = {
            let url = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
                .appending(path: "Fixtures/reference/dequantize.json")
            let data = (try? Data(contentsOf: url)) ?? Data()
            return (try? JSONDecoder().decode([String: Reference].self, from: data)).map { Array($0.values) } ?? []
        }()

        @Test(arguments: WeightFormat.allCases.filter { $0 != .f32 })
        func `stored blocks stand for the reference's values, bit for bit`(format: WeightFormat) throws {
            let reference = try #require(Self.references.first { $0.ggml_type == format.rawValue })

            let values = WeightMatrix.values(format, reference.raw, count: reference.values.count)

            let wrong = zip(values, reference.values).enumerated().filter { $1.0 != $1.1 }
            #expect(wrong.isEmpty, "\(wrong.prefix(3))")
        }

        /// Packing is seen through products with unit vectors: each gives one column of the matrix.
        @Test(arguments: WeightFormat.allCases)
        func `a packed panel stands for the same values in the same places`(format: WeightFormat) {
            let matrix = WeightMatrix(format, rowCount: 40, columns: 256, seed: 1)
            let exact = matrix.values()
            for column in [0, 1, 15, 16, 31, 32, 100, 255] {
                var unit = [Float](repeating: 0, count: 256)
                unit[column] = 127
                let activations = ActivationRows(unit, columns: 256)
                var y = [Float](repeating: .nan, count: 64)

                unit.withUnsafeBytes { unit in
                    guard let floats = unit.baseAddress else { return }
                    let isQuantized = Kernels.takesQuantized(format: format.rawValue)
                    Kernels.matmul(
                        format: format.rawValue, panels: matrix.panels.bytes, first: 0, last: 2, columns: 256,
                        activations: isQuantized ? UnsafeRawPointer(activations.quantized.bytes) : floats, rows: 1,
                        into: &y, stride: 64)
                }

                for row in 0..<64 {
                    let value = row < 40 ? exact[row][column] : 0
                    #expect(abs(y[row] / 127 - value) <= 2e-6 * (1 + abs(value)), "row \(row), column \(column)")
                }
            }
        }

        @Test func `formats nobody packs have no size`() {
            for format: UInt32 in [4, 5, 9, 10, 11, 15, 16, 29, 31, 99, .max] {
                #expect(Kernels.panelByteCount(format: format, columns: 256) == 0)
            }
        }
    }
}
