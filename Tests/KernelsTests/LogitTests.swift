import Foundation
import Kernels
import TestSupport
import Testing

extension KernelTests {
    @Suite struct LogitTests {
        private func row(_ count: Int, seed: UInt64) -> [Float] {
            var random = SeededRandom(seed: seed)
            return (0..<count).map { _ in Float.random(in: -20...20, using: &random) }
        }

        @Test(arguments: [1, 2, 15, 16, 17, 127, 128, 129, 1000, 49152])
        func `the highest logit is found wherever it stands`(count: Int) {
            for place in Set([0, count / 2, count - 1]) {
                var x = row(count, seed: 1)
                x[place] = 21

                let found = expectSameBits {
                    x.withUnsafeBufferPointer { [Float(Kernels.argmax($0)), Kernels.max($0)] }
                }

                #expect(found == [Float(place), 21])
            }
        }

        @Test func `of equal logits the lowest id wins`() {
            for count in [40, 1000] {
                for (first, second) in [(0, 1), (3, 39), (15, 16), (17, 33), (38, 39)] {
                    var x = row(count, seed: 2)
                    x[first] = 30
                    x[second] = 30
                    #expect(expectSameBits { [Float(x.withUnsafeBufferPointer(Kernels.argmax))] } == [Float(first)])
                }
            }
            let equal = [Float](repeating: -.infinity, count: 33)
            #expect(expectSameBits { [Float(equal.withUnsafeBufferPointer(Kernels.argmax))] } == [0])
            let zeros: [Float] = [-1, -0.0, 0, -2]
            #expect(expectSameBits { [Float(zeros.withUnsafeBufferPointer(Kernels.argmax))] } == [1])
        }

        @Test func `a NaN never wins and is told`() {
            for place in [0, 14, 16, 127, 128, 199] {
                var x = row(200, seed: 3)
                x[100] = 25
                x[place] = .nan

                let result = expectSameBits {
                    var maxima = [Float](repeating: 0, count: 2)
                    let isSound = x.withUnsafeBufferPointer { Kernels.groupMaxima($0, into: &maxima) }
                    return x.withUnsafeBufferPointer { [Float(Kernels.argmax($0)), isSound ? 1 : 0] } + maxima
                }

                #expect(result[0] == 100 && result[1] == 0 && result[2] == 25)
            }
        }

        @Test(arguments: [1, 128, 130, 1000]) func `each group of 128 has its maximum`(count: Int) {
            let x = row(count, seed: 4)

            let maxima = expectSameBits {
                var maxima = [Float](repeating: .nan, count: (count + 127) / 128)
                #expect(x.withUnsafeBufferPointer { Kernels.groupMaxima($0, into: &maxima) })
                return maxima
            }

            let exact = stride(from: 0, to: count, by: 128).map { x[$0..<min(count, $0 + 128)].max() }
            #expect(maxima == exact)
        }

        @Test(arguments: [1, 17, 4095, 4097, 49152]) func `sums of exponentials are good however long`(count: Int) {
            let x = row(count, seed: 5)
            let maximum = x.max() ?? 0

            let results = onEveryISA { _ in x.withUnsafeBufferPointer { Kernels.sumExp($0, max: maximum) } }

            let exact = x.reduce(0.0) { $0 + exp(Double($1) - Double(maximum)) }
            for (isa, sum) in results {
                #expect(sum == results[0].result, "\(isa) differs from plain C")
                #expect(abs(sum - exact) <= 1e-6 * exact)
            }
        }

        @Test(arguments: [1, 511, 512, 513, 2000]) func `sums of rounded weights are exact`(count: Int) {
            var x = row(count, seed: 6)
            let maximum = x.max() ?? 0
            if count > 1 { x[count / 2] = -.infinity }
            for (inverseTemperature, least) in [(Float(1), -Float.infinity), (0.5, -.infinity), (3, maximum - 20)] {
                let results = onEveryISA { _ in
                    var maxima = [Float](repeating: 0, count: (count + 127) / 128)
                    var sums = [Double](repeating: .nan, count: (count + 511) / 512)
                    var weights = [Float](repeating: .nan, count: count)
                    var buckets = [Int32](repeating: -1, count: count)
                    x.withUnsafeBufferPointer {
                        _ = Kernels.groupMaxima($0, into: &maxima)
                        Kernels.sumWeights(
                            $0, max: maximum, inverseTemperature: inverseTemperature, maxima: maxima, least: least,
                            into: &sums)
                        Kernels.weigh(
                            $0, max: maximum, inverseTemperature: inverseTemperature, weights: &weights,
                            buckets: &buckets)
                    }
                    return (sums, weights, buckets)
                }

                for (isa, (sums, weights, buckets)) in results {
                    for (index, logit) in x.enumerated() {
                        let distance = (Double(maximum) - Double(logit)) * Double(inverseTemperature)
                        let scaled = Double(weights[index]) * 0x1p34
                        #expect(scaled == scaled.rounded() && abs(scaled * 0x1p-34 - exp(-distance)) < 2e-7)
                        #expect(abs(Double(buckets[index]) - min(distance, 25) * 16) <= 0.51)
                    }
                    // At an inverse temperature of 3 nothing 20 below the maximum weighs anything.
                    let exact = stride(from: 0, to: count, by: 512).map { start in
                        weights[start..<min(count, start + 512)].reduce(0.0) { $0 + Double($1) }
                    }
                    #expect(sums == exact, "\(isa)")
                    #expect(weights == results[0].result.1 && buckets == results[0].result.2, "\(isa)")
                }
            }
        }
    }
}
