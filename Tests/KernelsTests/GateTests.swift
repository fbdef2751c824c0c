import Foundation
import Kernels
import TestSupport
import Testing

extension KernelTests {
    /// What some families have beside RMSNorm and SwiGLU.
    @Suite struct GateTests {
        private static let wide: [Float] = [
            0, -0.0, 1e-30, 1e-3, -1e-3, 0.5, -0.5, 1, -1, 3, -3, 9, -9, 30, -30, 1e3, -1e3, 1e15, -1e15, 1e30, -1e30,
            2,
            -2, 0.1, -0.1, 5, -5, 7, -7, 12, -12, 4,
        ]

        private static func gelu(_ x: Double) -> Double {
            x / (1 + exp(-2 * (2 / Double.pi).squareRoot() * (x + 0.044715 * x * x * x)))
        }

        @Test func `gelu follows its tanh form, also far out`() {
            let x = Self.wide
            let y = expectSameBits {
                var y = x
                Kernels.geluTanh(x, count: x.count, into: &y)
                return y
            }
            for (x, y) in zip(x, y) {
                // The exponential stops growing at 88, where it is 1.7e38.
                #expect(abs(Double(y) - Self.gelu(Double(x))) <= 1e-6 * abs(Double(x)) + 1e-30, "\(x): \(y)")
            }
        }

        @Test func `quantizing gates write what their parts write`() {
            var random = SeededRandom(seed: 6)
            let (columns, rowCount) = (96, 5)
            let gateUp = random.floats(rowCount * 2 * columns, magnitude: 6)
            let size = Kernels.activationByteCount(rows: rowCount, columns: columns)
            let results = onEveryISA { _ in
                let apart = (Memory(size), Memory(size))
                let fused = (Memory(size), Memory(size))
                for row in 0..<rowCount {
                    var y = [Float](repeating: 0, count: columns)
                    Kernels.geglu(
                        gateUp: Array(gateUp[row * 2 * columns..<(row + 1) * 2 * columns]), count: columns, into: &y)
                    Kernels.quantizeRow(y, columns: columns, row: row, into: apart.0.bytes)
                    Kernels.geluTanh(
                        Array(gateUp[row * 2 * columns..<row * 2 * columns + columns]), count: columns, into: &y)
                    Kernels.quantizeRow(y, columns: columns, row: row, into: apart.1.bytes)
                }
                gateUp.withUnsafeBufferPointer { gateUp in
                    guard let start = gateUp.baseAddress else { return }
                    for block in 0..<columns / 32 {
                        Kernels.gegluQuantize(
                            gateUp: start + 64 * block, stride: 2 * columns, rows: rowCount, firstRow: 0, block: block,
                            columns: columns, into: fused.0.bytes)
                        Kernels.geluTanhQuantize(
                            start + 32 * block, stride: 2 * columns, rows: 2, firstRow: 0, block: block,
                            columns: columns, into: fused.1.bytes)
                        Kernels.geluTanhQuantize(
                            start + 32 * block + 4 * columns, stride: 2 * columns, rows: rowCount - 2, firstRow: 2,
                            block: block, columns: columns, into: fused.1.bytes)
                    }
                }
                return [apart.0, apart.1, fused.0, fused.1].map(\.array)
            }
            for (isa, bytes) in results {
                #expect(bytes[2] == bytes[0] && bytes[3] == bytes[1], "\(isa)")
                #expect(bytes == results[0].result, "\(isa) differs from plain C")
            }
        }

        @Test(arguments: [Float(1), 30, 50]) func `a bound lets small numbers be, and NaN`(cap: Float) {
            let x = Self.wide
            let y = expectSameBits {
                var y = x
                Kernels.softCap(&y, count: y.count, cap: cap)
                return y
            }
            for (x, y) in zip(x, y) {
                #expect(
                    abs(Double(y) - Double(cap) * tanh(Double(x) / Double(cap))) <= 3e-7 * Double(cap), "\(x): \(y)")
                #expect(abs(y) <= cap)
            }
            var spoiled = x
            spoiled[3] = .nan
            Kernels.softCap(&spoiled, count: x.count, cap: cap)
            #expect(spoiled[3].isNaN && !spoiled[4].isNaN)
        }

        @Test func `a scaled addition is rounded once`() {
            var random = SeededRandom(seed: 9)
            let (x, start) = (random.floats(64), random.floats(64))
            let y = expectSameBits {
                var y = start
                Kernels.addScaled(&y, x, scale: 0.3, count: 64)
                return y
            }
            for index in 0..<64 { #expect(y[index] == start[index].addingProduct(x[index], 0.3)) }
        }
    }
}
