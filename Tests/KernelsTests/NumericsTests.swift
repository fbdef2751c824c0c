import Kernels
import TestSupport
import Testing

extension KernelTests {
    /// What the kernels' family name promises: these bits, on every machine.
    @Suite struct NumericsTests {
        /// FNV-1a of the bits.
        private func digest(_ values: [Float]) -> UInt64 {
            values.reduce(0xCBF2_9CE4_8422_2325) { digest, value in
                (0..<4).reduce(digest) { ($0 ^ UInt64(value.bitPattern >> (8 * $1) & 0xFF)) &* 0x100_0000_01B3 }
            }
        }

        private func products() -> [Float] {
            WeightFormat.allCases.sorted { $0.rawValue < $1.rawValue }.flatMap { format in
                let matrix = WeightMatrix(format, rowCount: 64, columns: 512, seed: 1)
                var random = SeededRandom(seed: 2)
                let rows = ActivationRows(random.floats(9 * 512, magnitude: 3), columns: 512)
                var y = [Float](repeating: 0, count: 9 * 64)
                rows.values.withUnsafeBytes { values in
                    guard let floats = values.baseAddress else { return }
                    let isQuantized = Kernels.takesQuantized(format: format.rawValue)
                    Kernels.matmul(
                        format: format.rawValue, panels: matrix.panels.bytes, first: 0, last: 2, columns: 512,
                        activations: isQuantized ? UnsafeRawPointer(rows.quantized.bytes) : floats, rows: 9,
                        into: &y, stride: 64)
                }
                return y
            }
        }

        private func attention() -> [Float] {
            let sequence = KVSequence(count: 170, headDimension: 80, group: 3, seed: 3)
            let pages = KVPages(sequence, table: [3, 0, 5, 1, 2, 4], fill: 0x7E00)
            let long = KVSequence(count: 2100, headDimension: 64, group: 2, seed: 5)
            let longPages = KVPages(long, table: (0..<66).reversed(), fill: 0x7E00)
            return attend(sequence, pages, tokens: 150..<170) + attend(long, longPages, tokens: 2040..<2100)
        }

        private func rows() -> [Float] {
            var random = SeededRandom(seed: 4)
            let (x, weight) = (random.floats(1024, magnitude: 9), random.floats(512))
            var (normed, gated) = ([Float](repeating: 0, count: 512), [Float](repeating: 0, count: 512))
            Kernels.rmsNorm(weight, weight: weight, epsilon: 1e-5, count: 512, into: &normed)
            Kernels.swiglu(gateUp: x, count: 512, into: &gated)
            Kernels.rope(&gated, table: weight, count: 64, heads: 8, stride: 64)
            return normed + gated + x.map(Kernels.exp)
        }

        private func encoderRows() -> [Float] {
            var random = SeededRandom(seed: 6)
            let (x, weight) = (random.floats(1024, magnitude: 5), random.floats(1024))
            var (normed, gated) = ([Float](repeating: 0, count: 512), [Float](repeating: 0, count: 1024))
            Kernels.layerNorm(x, weight: weight, bias: Array(weight[512...]), epsilon: 1e-12, count: 512, into: &normed)
            Kernels.gelu(x, count: 1024, into: &gated)
            return normed + gated
        }

        @Test func `a family's bits never change: other bits need another name`() {
            #expect(Kernels.family == "k3")
            #expect(digest(expectSameBits { products() }) == 0x62AA_E223_DDBD_3B1A)
            #expect(digest(expectSameBits { attention() }) == 0x1860_49A2_8D19_C422)
            #expect(digest(expectSameBits { rows() }) == 0x8503_CA8C_E71E_6BAB)
            #expect(digest(expectSameBits { encoderRows() }) == 0x8D65_199F_917D_2B08)
        }
    }
}
