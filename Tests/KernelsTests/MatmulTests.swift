import Kernels
import TestSupport
import Testing

extension KernelTests {
    /// Products are the same bits whatever computes them and however they are cut; and they are right.
    @Suite struct MatmulTests {
        /// Rows of products of the first `rows` rows, of panels `panels`, with `spare` columns that must stay.
        private func product(
            _ matrix: WeightMatrix, _ activations: ActivationRows, rows: Int, cuts: [Int]? = nil, adding: Float? = nil
        ) -> [Float] {
            let stride = matrix.panelCount * 32 + 5
            var y = [Float](repeating: adding ?? .nan, count: rows * stride)
            let cuts = cuts ?? [0, matrix.panelCount]
            let format = matrix.format.rawValue
            activations.values.withUnsafeBytes { values in
                guard let floats = values.baseAddress else { return }
                let input =
                    Kernels.takesQuantized(format: format) ? UnsafeRawPointer(activations.quantized.bytes) : floats
                for (first, last) in zip(cuts, cuts.dropFirst()) {
                    let multiply = adding == nil ? Kernels.matmul : Kernels.matmulAdd
                    multiply(
                        format, matrix.panels.bytes, first, last, matrix.columns, input, rows, &y, stride)
                }
            }
            for row in 0..<rows {
                for spare in 0..<5 {
                    let left = y[row * stride + matrix.panelCount * 32 + spare]
                    #expect(adding.map { left == $0 } ?? left.isNaN, "a column of no panel was written")
                }
            }
            return (0..<rows).flatMap { y[$0 * stride..<$0 * stride + matrix.panelCount * 32] }
        }

        private func activations(rows: Int, columns: Int, seed: UInt64) -> ActivationRows {
            var random = SeededRandom(seed: seed)
            return ActivationRows(random.floats(rows * columns, magnitude: 3), columns: columns)
        }

        @Test(arguments: WeightFormat.allCases)
        func `every instruction set gives plain C's bits`(format: WeightFormat) {
            for columns in [256, 768] {
                let matrix = WeightMatrix(format, rowCount: 65, columns: columns, seed: 1)
                let activations = activations(rows: 67, columns: columns, seed: 2)
                for rows in [1, 2, 3, 4, 5, 7, 8, 9, 64, 67] {
                    expectSameBits("with \(rows) rows of \(columns)") {
                        product(matrix, activations, rows: rows)
                    }
                }
            }
        }

        @Test(arguments: WeightFormat.allCases)
        func `a row's product does not depend on the rows beside it, nor on the cut of panels`(format: WeightFormat) {
            let matrix = WeightMatrix(format, rowCount: 96, columns: 512, seed: 3)
            let activations = activations(rows: 67, columns: 512, seed: 4)
            let whole = product(matrix, activations, rows: 67)
            for rows in 1...67 {
                let cut = product(matrix, activations, rows: rows, cuts: rows % 2 == 0 ? [0, 1, 3] : [0, 2, 2, 3])
                #expect(cut.map(\.bitPattern) == whole.prefix(rows * 96).map(\.bitPattern), "\(rows) rows")
            }
        }

        @Test(arguments: WeightFormat.allCases)
        func `a row's product does not depend on its place`(format: WeightFormat) {
            let matrix = WeightMatrix(format, rowCount: 32, columns: 256, seed: 5)
            var random = SeededRandom(seed: 6)
            let row = random.floats(256)
            let alone = product(matrix, ActivationRows(row, columns: 256), rows: 1)
            for place in [1, 3, 4, 6, 63, 64, 66] {
                var values = random.floats(67 * 256, magnitude: 50)
                values.replaceSubrange(place * 256..<(place + 1) * 256, with: row)

                let all = product(matrix, ActivationRows(values, columns: 256), rows: 67)

                #expect(all[place * 32..<(place + 1) * 32].map(\.bitPattern) == alone.map(\.bitPattern), "\(place)")
            }
        }

        @Test(arguments: WeightFormat.allCases)
        func `products are near those in double precision`(format: WeightFormat) {
            let matrix = WeightMatrix(format, rowCount: 70, columns: 768, seed: 7)
            let activations = activations(rows: 6, columns: 768, seed: 8)
            let weights = matrix.values()
            let isQuantized = Kernels.takesQuantized(format: format.rawValue)
            let inputs = isQuantized ? activations.quantizedValues() : activations.values

            let y = product(matrix, activations, rows: 6)

            for row in 0..<6 {
                for column in 0..<matrix.panelCount * 32 {
                    var (sum, magnitude) = (0.0, 0.0)
                    for k in 0..<768 where column < 70 {
                        let term = Double(weights[column][k]) * Double(inputs[row * 768 + k])
                        sum += term
                        magnitude += abs(term)
                    }
                    let error = abs(Double(y[row * matrix.panelCount * 32 + column]) - sum)
                    // Rounded at most about 3 times in each of 24 blocks, or once in each of 768 steps.
                    #expect(error <= magnitude * (isQuantized ? 3e-6 : 6e-6), "row \(row), column \(column)")
                }
            }
        }

        @Test(arguments: [WeightFormat.f32, .f16, .bf16])
        func `float weights take any number of columns`(format: WeightFormat) {
            for columns in [1, 4, 33, 100] {
                let matrix = WeightMatrix(format, rowCount: 32, columns: columns, seed: 9)
                let activations = activations(rows: 13, columns: columns, seed: 10)

                let y = expectSameBits("\(columns) columns") { product(matrix, activations, rows: 13) }

                let weights = matrix.values()
                for row in 0..<13 {
                    let exact = (0..<columns).reduce(0.0) {
                        $0 + Double(weights[31][$1]) * Double(activations.values[row * columns + $1])
                    }
                    #expect(abs(Double(y[row * 32 + 31]) - exact) < 1e-5)
                }
            }
        }

        @Test(arguments: WeightFormat.allCases)
        func `adding a product is one addition of the finished sum`(format: WeightFormat) {
            let matrix = WeightMatrix(format, rowCount: 64, columns: 256, seed: 11)
            let activations = activations(rows: 9, columns: 256, seed: 12)
            for rows in [1, 4, 8, 9] {
                let product = product(matrix, activations, rows: rows)

                let sum = self.product(matrix, activations, rows: rows, adding: 0.7)

                #expect(sum == product.map { 0.7 + $0 })
            }
        }

        /// The largest sums: every code at its end, every activation at its own.
        @Test(arguments: WeightFormat.quantized)
        func `the largest integer sums do not overflow anywhere`(format: WeightFormat) {
            var random = SeededRandom(seed: 13)
            for byte in [UInt8(0), 0x80, 0x7F, 0xFF] {
                var row = format.row(columns: 256, using: &random)
                let original = row
                for index in row.indices { row[index] = byte }
                // The scales stay as they were, the codes are at an end.
                for block in 0..<256 / format.block.weights {
                    let start = block * format.block.bytes
                    let scales = format == .q6_K ? 208..<210 : 0..<(format.block.bytes % 16 == 2 ? 2 : 4)
                    for index in scales { row[start + index] = original[start + index] }
                }
                let matrix = WeightMatrix(format, repeating: row, columns: 256)
                for sign in [Float(1), -1] {
                    let activations = ActivationRows([Float](repeating: sign, count: 5 * 256), columns: 256)

                    let y = expectSameBits("byte \(byte)") { product(matrix, activations, rows: 5) }

                    let exact = WeightMatrix.values(format, row, count: 256).reduce(0.0) { $0 + Double(sign * $1) }
                    #expect(abs(Double(y[0]) - exact) <= 1e-5 * max(1, abs(exact)) + 256e-5, "byte \(byte): \(y[0])")
                }
            }
        }
    }
}

extension WeightMatrix {
    /// 32 times the same row.
    init(_ format: WeightFormat, repeating row: [UInt8], columns: Int) {
        self.init(format, rows: [[UInt8]](repeating: row, count: 32), columns: columns)
    }
}
