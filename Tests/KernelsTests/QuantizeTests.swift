import Kernels
import TestSupport
import Testing

extension KernelTests {
    /// Activations become bytes the same way everywhere, and nothing odd in them spreads.
    @Suite struct QuantizeTests {
        private func quantize(_ rows: [[Float]], fine: Bool = false) -> (Memory, Memory) {
            let columns = rows[0].count
            let size = Kernels.activationByteCount(rows: rows.count, columns: columns)
            let (q, remainder) = (Memory(size), Memory(size))
            for (index, row) in rows.enumerated() {
                if fine {
                    Kernels.quantizeRowFine(
                        row, columns: columns, row: index, into: q.bytes, remainder: remainder.bytes)
                } else {
                    Kernels.quantizeRow(row, columns: columns, row: index, into: q.bytes)
                }
            }
            return (q, remainder)
        }

        private func record(_ row: [Float]) -> ActivationRows.Record {
            ActivationRows.record(quantize([row]).0, columns: row.count, row: 0, block: 0)
        }

        /// Rows at the edges of what floats can say.
        static let edges: [[Float]] = [
            [Float](repeating: 0, count: 32),
            [Float](repeating: -0.0, count: 32),
            [Float](repeating: .leastNonzeroMagnitude, count: 32),
            [Float](repeating: .leastNormalMagnitude, count: 32),
            [Float](repeating: 1e-30, count: 32),
            (0..<32).map { Float($0) * 1e-31 },
            (0..<32).map { $0 == 7 ? .greatestFiniteMagnitude : 1 },
            (0..<32).map { $0 % 2 == 0 ? .greatestFiniteMagnitude : -.greatestFiniteMagnitude },
            (0..<32).map { $0 == 31 ? .infinity : 1 },
            (0..<32).map { $0 == 0 ? -.infinity : 1 },
            (0..<32).map { $0 == 16 ? .nan : 1 },
            [Float](repeating: .signalingNaN, count: 32),
            (0..<32).map { Float($0) - 15.5 },
        ]

        @Test func `every instruction set makes the same bytes, whatever the numbers`() {
            var random = SeededRandom(seed: 1)
            var rows = Self.edges
            for _ in 0..<200 {
                rows.append((0..<32).map { _ in Float(bitPattern: UInt32.random(in: 0 ... .max, using: &random)) })
                rows.append(random.floats(32, magnitude: Float.random(in: 0...100, using: &random)))
            }
            func all(_ memory: Memory) -> [Float] {
                (0..<rows.count).flatMap { Self.content(memory, columns: 32, row: $0, block: 0) }
            }
            expectSameBits { all(quantize(rows).0) }
            expectSameBits { all(quantize(rows, fine: true).1) }
        }

        /// A record's numbers. A NaN is a NaN: which one is nobody's business.
        private static func content(_ memory: Memory, columns: Int, row: Int = 0, block: Int) -> [Float] {
            let record = ActivationRows.record(memory, columns: columns, row: row, block: block)
            let sums = [Float(record.lowSum), Float(record.highSum)]
            let scales = [record.scale, record.scaledSum].map { $0.isNaN ? .nan : $0 }
            return record.codes.map(Float.init) + sums + scales
        }

        @Test func `a block becomes the same alone and beside others, whatever is in them`() {
            var random = SeededRandom(seed: 7)
            let rows = (0..<100).map { odd in
                (0..<9).map { _ in
                    Int.random(in: 0..<100, using: &random) < odd / 2
                        ? Self.edges[Int.random(in: 0..<Self.edges.count, using: &random)]
                        : random.floats(32, magnitude: Float.random(in: 0...100, using: &random))
                }
            }
            let results = onEveryISA { _ in
                rows.map { blocks in
                    let (q, remainder) = quantize([blocks.flatMap(\.self)], fine: true)
                    return blocks.indices.allSatisfy { block in
                        let alone = quantize([blocks[block]], fine: true)
                        return [(q, alone.0), (remainder, alone.1)].allSatisfy { beside, alone in
                            Self.content(beside, columns: 288, block: block).map(\.bitPattern)
                                == Self.content(alone, columns: 32, block: 0).map(\.bitPattern)
                        }
                    }
                }
            }
            for (isa, isSame) in results {
                #expect(!isSame.contains(false), "\(isa): rows \(isSame.indices.filter { !isSame[$0] })")
            }
        }

        @Test func `codes are the nearest multiples of a 127th of the largest magnitude`() {
            var random = SeededRandom(seed: 2)
            for _ in 0..<100 {
                let row = random.floats(64, magnitude: 10)
                let memory = quantize([row]).0
                for block in 0..<2 {
                    let values = row[32 * block..<32 * block + 32]
                    let record = ActivationRows.record(memory, columns: 64, row: 0, block: block)
                    let most = values.map(abs).max() ?? 0
                    #expect(record.scale == most / 127)
                    for (value, code) in zip(values, record.codes) {
                        #expect(abs(value - record.scale * Float(code)) <= record.scale * 0.50001)
                    }
                    let sums = (record.codes[..<16], record.codes[16...])
                    #expect(record.lowSum == -sums.0.reduce(0) { $0 + Int32($1) })
                    #expect(record.highSum == -sums.1.reduce(0) { $0 + Int32($1) })
                    #expect(record.scaledSum == record.scale * Float(-(record.lowSum + record.highSum)))
                }
            }
        }

        @Test func `zeros and all but zeros become zeros`() {
            for row in Self.edges[0..<4] + [Self.edges[5].map { $0 * 0.1 }] {
                let record = record(row)
                #expect(record.codes.allSatisfy { $0 == 0 } && record.scale == 0 && record.scaledSum == 0)
            }
        }

        @Test func `the largest floats survive`() {
            let record = record(Self.edges[7])
            #expect(record.codes == (0..<32).map { $0 % 2 == 0 ? 127 : -127 })
            #expect(record.scale.isFinite && record.scaledSum == 0)
        }

        @Test func `a NaN or infinity shows in its own row's products and in no other's`() {
            let matrix = WeightMatrix(.q4_1, rowCount: 32, columns: 64, seed: 3)
            var random = SeededRandom(seed: 4)
            let sound = random.floats(9 * 64)
            func product(_ values: [Float]) -> [Float] {
                var y = [Float](repeating: 0, count: 9 * 32)
                let activations = ActivationRows(values, columns: 64)
                Kernels.matmul(
                    format: matrix.format.rawValue, panels: matrix.panels.bytes, first: 0, last: 1, columns: 64,
                    activations: activations.quantized.bytes, rows: 9, into: &y, stride: 32)
                return y
            }
            let expected = product(sound)
            for bad in [Float.nan, .infinity, -.infinity] {
                var values = sound
                values[5 * 64 + 40] = bad

                let y = product(values)

                #expect(y[5 * 32..<6 * 32].allSatisfy { $0.isNaN })
                #expect(Array(y[..<160]) == Array(expected[..<160]) && Array(y[192...]) == Array(expected[192...]))
            }
        }

        @Test func `the remainder is what quantization left over, quantized`() {
            var random = SeededRandom(seed: 5)
            let rows = (0..<6).map { _ in random.floats(96, magnitude: 4) }

            let (q, remainder) = quantize(rows, fine: true)

            #expect(q.array == quantize(rows).0.array)
            for row in 0..<6 {
                for block in 0..<3 {
                    let coarse = ActivationRows.record(q, columns: 96, row: row, block: block)
                    let fine = ActivationRows.record(remainder, columns: 96, row: row, block: block)
                    for index in 0..<32 {
                        let value = rows[row][32 * block + index]
                        #expect(abs(value - coarse.values[index] - fine.values[index]) <= coarse.scale * 0.0021)
                    }
                }
            }
        }

        @Test func `fused kernels write what their parts write`() {
            var random = SeededRandom(seed: 6)
            let (columns, rowCount) = (192, 7)
            let weight = random.floats(columns)
            let rows = (0..<rowCount).map { _ in random.floats(columns, magnitude: 8) }
            let gateUp = random.floats(rowCount * 2 * columns, magnitude: 6)
            let size = Kernels.activationByteCount(rows: rowCount, columns: columns)
            let results = onEveryISA { _ in
                let apart = (Memory(size), Memory(size), Memory(size))
                let fused = (Memory(size), Memory(size), Memory(size))
                for row in 0..<rowCount {
                    var y = rows[row]
                    Kernels.rmsNorm(y, weight: weight, epsilon: 1e-5, count: columns, into: &y)
                    Kernels.quantizeRowFine(
                        y, columns: columns, row: row, into: apart.0.bytes, remainder: apart.1.bytes)
                    Kernels.normQuantizeRow(
                        rows[row], weight: weight, epsilon: 1e-5, columns: columns, row: row, into: fused.0.bytes,
                        remainder: fused.1.bytes)
                    let gates = Array(gateUp[row * 2 * columns..<(row + 1) * 2 * columns])
                    Kernels.swiglu(gateUp: gates, count: columns, into: &y)
                    Kernels.quantizeRow(y, columns: columns, row: row, into: apart.2.bytes)
                }
                gateUp.withUnsafeBufferPointer { gateUp in
                    guard let start = gateUp.baseAddress else { return }
                    for block in 0..<columns / 32 {
                        Kernels.swigluQuantize(
                            gateUp: start + 64 * block, stride: 2 * columns, rows: 3, firstRow: 0, block: block,
                            columns: columns, into: fused.2.bytes)
                        Kernels.swigluQuantize(
                            gateUp: start + 64 * block + 6 * columns, stride: 2 * columns, rows: rowCount - 3,
                            firstRow: 3, block: block, columns: columns, into: fused.2.bytes)
                    }
                }
                return [apart.0, apart.1, apart.2, fused.0, fused.1, fused.2].map(\.array)
            }
            for (isa, bytes) in results {
                #expect(bytes[3] == bytes[0] && bytes[4] == bytes[1] && bytes[5] == bytes[2], "\(isa)")
                #expect(bytes == results[0].result, "\(isa) differs from plain C")
            }
        }
    }
}
