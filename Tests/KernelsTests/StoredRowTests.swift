import Kernels
import TestSupport
import Testing

/// Floats become stored rows as quantize.c defines it, and nothing odd in them spreads.
@Suite struct StoredRowTests {
    private func store(_ values: [Float], _ format: WeightFormat) -> (row: [UInt8], isHeld: Bool) {
        var row = [UInt8](repeating: 0xAA, count: values.count / format.block.weights * format.block.bytes)
        let isHeld = Kernels.quantize(format: format.rawValue, values, count: values.count, into: &row)
        return (row, isHeld)
    }

    private func readBack(_ row: [UInt8], _ format: WeightFormat) -> [Float] {
        WeightMatrix.values(format, row, count: row.count / format.block.bytes * format.block.weights)
    }

    /// A block that begins with these numbers and goes on with zeros.
    private func block(_ values: [Float]) -> [Float] { values + [Float](repeating: 0, count: 32 - values.count) }

    @Test func `Q8_0 codes are the nearest, halves away from zero`() {
        let table: [(value: Float, code: Int8)] = [
            (127, 127), (-127, -127), (0.5, 1), (-0.5, -1), (1.5, 2), (2.5, 3), (-2.5, -3), (0.49999997, 0),
            (-0.49999997, 0), (2.4, 2), (-126.6, -127), (126.4, 126), (1e-30, 0),
        ]
        let (row, isHeld) = store(block(table.map(\.value)), .q8_0)
        #expect(isHeld)
        #expect(row.load(UInt16.self, at: 0) == 0x3C00)
        for (index, (value, code)) in table.enumerated() {
            #expect(Int8(bitPattern: row[2 + index]) == code, "\(value)")
        }
        #expect(row[(2 + table.count)...].allSatisfy { $0 == 0 })
    }

    @Test func `Q4_0 maps the first number of largest magnitude to -8`() {
        let table: [(value: Float, code: UInt8)] = [
            (-8, 0), (8, 15), (7.6, 15), (7.4, 15), (6.4, 14), (0, 8), (0.49, 8), (0.5, 9), (-0.5, 8), (-0.51, 7),
            (-7.4, 1), (-7.6, 0),
        ]
        for sign: Float in [1, -1] {
            let (row, isHeld) = store(block(table.map { sign * $0.value }), .q4_0)
            #expect(isHeld)
            #expect(row.load(UInt16.self, at: 0) == (sign > 0 ? 0x3C00 : 0xBC00))
            for (index, (value, code)) in table.enumerated() { #expect(row[2 + index] & 15 == code, "\(value)") }
            #expect(row[2...].allSatisfy { $0 >> 4 == 8 }, "numbers 16 to 31 are the upper halves, here zeros")
        }
        let upper = store([Float](repeating: 0, count: 16) + (0..<16).map { Float($0) - 8 }, .q4_0).row
        #expect(upper[2...].map { $0 >> 4 } == (0..<16).map { UInt8($0) })
    }

    @Test func `F16 is the nearest, the even one of two`() {
        for bits in UInt16(0)..<0x7C00 {
            let (low, high) = (Float(Float16(bitPattern: bits)), Float(Float16(bitPattern: bits + 1)))
            let middle = bits + 1 == 0x7C00 ? 65_520 : (low + high) / 2
            let even = bits & 1 == 0 ? bits : bits + 1
            for (value, expected) in [
                (low, bits), (middle, even), (middle.nextDown, bits), (middle.nextUp, bits + 1),
            ] {
                let found = store([value, -value], .f16)
                #expect(found.row.load(UInt16.self, at: 0) == expected, "\(value)")
                #expect(found.row.load(UInt16.self, at: 2) == expected | 0x8000, "\(-value)")
                #expect(found.isHeld == (expected < 0x7C00))
            }
        }
    }

    @Test(arguments: [UInt64(1), 2, 3]) func `what is read back is as near as the codes allow`(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        for _ in 0..<200 {
            let values = random.floats(64, magnitude: Float.random(in: 0.001...1000, using: &random))
            for (format, steps) in [(WeightFormat.q8_0, Float(127)), (.q4_0, 8)] {
                let (row, isHeld) = store(values, format)
                #expect(isHeld)
                let found = readBack(row, format)
                for start in [0, 32] {
                    let step = (values[start..<start + 32].map(abs).max() ?? 0) / steps
                    for index in start..<start + 32 {
                        // Half a step, the scale's rounding to f16 for each step, and a whole step where Q4_0 has no
                        // code for +8.
                        let ratio = abs(values[index]) / step
                        let most = (format == .q4_0 && ratio > 7.5 ? 1 : 0.5) + ratio * 0x1p-10
                        #expect(abs(found[index] - values[index]) <= step * most, "seed \(seed), \(format)")
                    }
                }
                #expect(store(found, format).row == row, "seed \(seed), \(format): a second time changes nothing")
            }
        }
    }

    @Test(arguments: [WeightFormat.q8_0, .q4_0, .f16, .f32])
    func `a number that cannot be held is told, and its block shows it`(format: WeightFormat) {
        let tooLarge: [Float] = format == .f32 ? [] : [.greatestFiniteMagnitude, -.greatestFiniteMagnitude]
        for bad in [.nan, -.nan, .signalingNaN, .infinity, -.infinity] + tooLarge {
            let values = [Float](repeating: 1, count: 32) + block([0.25, bad]) + [Float](repeating: 1, count: 32)
            let (row, isHeld) = store(values, format)
            #expect(!isHeld, "\(bad)")
            let found = readBack(row, format)
            #expect(!found[33].isFinite)
            #expect(found[..<32].allSatisfy { abs($0 - 1) < 0.01 } && found[64...].allSatisfy { abs($0 - 1) < 0.01 })
        }
    }

    @Test(arguments: [WeightFormat.q8_0, .q4_0])
    func `numbers too small for a scale become zeros`(format: WeightFormat) {
        for tiny: Float in [0, -0.0, .leastNonzeroMagnitude, .leastNormalMagnitude, 1e-30, 1e-9] {
            let (row, isHeld) = store((0..<32).map { $0 % 2 == 0 ? tiny : -tiny }, format)
            #expect(isHeld)
            #expect(readBack(row, format).allSatisfy { $0 == 0 }, "\(tiny)")
        }
    }

    @Test func `formats nobody writes are refused`() {
        for format in WeightFormat.allCases where ![.f32, .f16, .q8_0, .q4_0].contains(format) {
            #expect(!store([Float](repeating: 1, count: 256), format).isHeld)
        }
    }
}
