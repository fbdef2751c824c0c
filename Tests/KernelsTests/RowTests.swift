import Foundation
import Kernels
import TestSupport
import Testing

extension KernelTests {
    @Suite struct RowTests {
        @Test(arguments: [16, 32, 576, 2048])
        func `a norm has root mean square 1 before its weights`(columns: Int) {
            var random = SeededRandom(seed: 1)
            let x = random.floats(columns, magnitude: 20)
            let weight = random.floats(columns)

            let y = expectSameBits {
                var y = [Float](repeating: 0, count: columns)
                Kernels.rmsNorm(x, weight: weight, epsilon: 1e-5, count: columns, into: &y)
                return y
            }

            let meanSquare = x.reduce(0.0) { $0 + Double($1) * Double($1) } / Double(columns)
            for index in 0..<columns {
                let exact = Double(x[index]) * Double(weight[index]) / (meanSquare + 1e-5).squareRoot()
                #expect(abs(Double(y[index]) - exact) <= 1e-6 * abs(exact))
            }
        }

        @Test(arguments: [16, 384, 1024])
        func `a layer norm has mean 0 and variance 1 before its weights`(columns: Int) {
            var random = SeededRandom(seed: 5)
            let x = random.floats(columns, magnitude: 20).map { $0 + 7 }
            let (weight, bias) = (random.floats(columns), random.floats(columns))

            let y = expectSameBits {
                var y = x
                y.withUnsafeMutableBufferPointer { y in
                    guard let y = y.baseAddress else { return }
                    Kernels.layerNorm(y, weight: weight, bias: bias, epsilon: 1e-12, count: columns, into: y)
                }
                return y
            }

            let mean = x.reduce(0.0) { $0 + Double($1) } / Double(columns)
            let variance = x.reduce(0.0) { $0 + (Double($1) - mean) * (Double($1) - mean) } / Double(columns)
            for index in 0..<columns {
                let normed = (Double(x[index]) - mean) / (variance + 1e-12).squareRoot()
                let exact = normed * Double(weight[index]) + Double(bias[index])
                #expect(abs(Double(y[index]) - exact) <= 2e-6 * (abs(normed) + 1))
            }
        }

        @Test func `BERT's gate is x times the normal distribution, also far out`() {
            var random = SeededRandom(seed: 6)
            var x: [Float] = [0, -0.0, 1, -1, 1e-30, -1e-30, 5, -5, 13, -13, 30, -30, 1e6, -1e6, 1e18, .nan]
            x += random.floats(1024, magnitude: 6)

            let y = expectSameBits {
                var y = [Float](repeating: 0, count: x.count)
                Kernels.gelu(x, count: x.count, into: &y)
                // A NaN may have any bits.
                return y.map { $0.isNaN ? -1e9 : $0 }
            }

            for (x, y) in zip(x, y) where !x.isNaN {
                let exact = Double(x) * 0.5 * erfc(-Double(x) / 2.0.squareRoot())
                #expect(abs(Double(y) - exact) <= 4e-7 * abs(Double(x)), "gelu(\(x)) = \(y), not \(exact)")
            }
            #expect(y[15] == -1e9)
        }

        @Test func `a gate is silu times up, also far out`() {
            var gateUp = [Float](repeating: 0, count: 64 * 4)
            let gates: [Float] = [0, -0.0, 1, -1, 10, -10, 87, -87, 88.5, -88.5, 100, -100, 1e4, -1e4, 1e30, -1e30]
            for index in 0..<128 {
                gateUp[index / 32 * 64 + index % 32] = gates[index % gates.count] * (index < 64 ? 1 : 0.37)
                gateUp[index / 32 * 64 + 32 + index % 32] = Float(index % 7) - 3
            }

            let y = expectSameBits {
                var y = [Float](repeating: 0, count: 128)
                Kernels.swiglu(gateUp: gateUp, count: 128, into: &y)
                return y
            }

            for index in 0..<128 {
                let gate = Double(gateUp[index / 32 * 64 + index % 32])
                let exact = gate / (1 + exp(-gate)) * Double(gateUp[index / 32 * 64 + 32 + index % 32])
                // The exponential stops growing at 88, where it is 1.7e38.
                let error = abs(Double(y[index]) - exact)
                #expect(error <= 1e-6 * abs(exact) + 2e-38 * abs(gate), "\(gate): \(y[index]), \(exact)")
            }
        }

        @Test(arguments: [64, 40, 128])
        func `a rotation keeps lengths, and leaves dimensions beyond its own alone`(count: Int) {
            var random = SeededRandom(seed: 2)
            let (heads, stride) = (3, count + 24)
            let x = random.floats(heads * stride, magnitude: 3)
            let angles = (0..<count / 2).map { Double($0) * 0.3 - 2 }
            let table = angles.map { Float(cos($0)) } + angles.map { Float(sin($0)) }

            let y = expectSameBits {
                var y = x
                Kernels.rope(&y, table: table, count: count, heads: heads, stride: stride)
                return y
            }

            var oneByOne = x
            oneByOne.withUnsafeMutableBufferPointer { y in
                guard let start = y.baseAddress else { return }
                for head in 0..<heads { Kernels.rope(start + head * stride, table: table, count: count) }
            }
            #expect(y == oneByOne)
            for head in 0..<heads {
                for i in 0..<count / 2 {
                    let (a, b) = (head * stride + i, head * stride + count / 2 + i)
                    let turned = (
                        Double(x[a]) * cos(angles[i]) - Double(x[b]) * sin(angles[i]),
                        Double(x[b]) * cos(angles[i]) + Double(x[a]) * sin(angles[i])
                    )
                    #expect(abs(Double(y[a]) - turned.0) < 2e-6 && abs(Double(y[b]) - turned.1) < 2e-6)
                }
                let rest = head * stride + count..<(head + 1) * stride
                #expect(y[rest] == x[rest])
            }
        }

        @Test(arguments: [0, 1, 15, 16, 33]) func `addition stops where it is told to`(count: Int) {
            var random = SeededRandom(seed: 3)
            let (x, start) = (random.floats(40), random.floats(40))

            let y = expectSameBits {
                var y = start
                Kernels.add(&y, x, count: count)
                return y
            }

            #expect(y == (0..<40).map { $0 < count ? start[$0] + x[$0] : start[$0] })
        }

        @Test func `the exponential is exact at 0 and good everywhere`() {
            var random = SeededRandom(seed: 4)
            var points: [Float] = [0, -0.0, 1, -1, -0.5, -86.9, -87.1, -1e30, -.infinity, 87.9, 0.346_57, -0.346_57]
            points += (0..<5_000).map { _ in Float.random(in: -90...80, using: &random) }

            let values = expectSameBits { points.map(Kernels.exp) }

            #expect(values[0] == 1 && values[1] == 1 && values[8] == 0)
            for (x, y) in zip(points, values) where x >= -87 {
                let exact = exp(Double(x))
                #expect(abs(Double(y) - exact) <= 2.5e-7 * exact, "exp(\(x)) = \(y)")
            }
            for (x, y) in zip(points, values) where x < -87 { #expect(y == 0, "exp(\(x)) = \(y)") }
        }
    }
}
