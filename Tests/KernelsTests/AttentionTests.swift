import Foundation
import Kernels
import TestSupport
import Testing

extension KernelTests {
    /// A row of attention is the same bits whoever computes it, wherever its pages lie, whatever lies beside them.
    @Suite struct AttentionTests {
        private static func inOrder(_ count: Int) -> [Int32] { (0..<Int32((count + 31) / 32)).map { $0 } }

        @Test(arguments: [32, 64, 80, 96, 128, 256], [1, 3])
        func `rows of a prefill tile have the bits of rows alone, on every instruction set`(
            headDimension: Int, group: Int
        ) {
            for type in KVType.allCases {
                let sequence = KVSequence(count: 150, headDimension: headDimension, group: group, seed: 1)
                let pages = KVPages(sequence, type, table: Self.inOrder(150), fill: 0)
                let width = group * headDimension

                let alone = expectSameBits { (0..<150).flatMap { attend(sequence, pages, tokens: $0..<$0 + 1) } }

                for tile in [2, 7, 16, 33, 150] {
                    let tiled = expectSameBits("tiles of \(tile)") {
                        stride(from: 0, to: 150, by: tile).flatMap {
                            attend(sequence, pages, tokens: $0..<min(150, $0 + tile))
                        }
                    }
                    let wrong = (0..<150).filter {
                        tiled[$0 * width..<($0 + 1) * width].map(\.bitPattern)
                            != alone[$0 * width..<($0 + 1) * width].map(\.bitPattern)
                    }
                    #expect(wrong.isEmpty, "\(type), tiles of \(tile): tokens \(wrong)")
                }
            }
        }

        @Test(arguments: KVType.allCases)
        func `long contexts have the bits of their segments, whichever comes first`(type: KVType) {
            let count = 2 * Kernels.segmentTokenCount + 70
            let sequence = KVSequence(count: count, headDimension: 64, group: 3, seed: 8)
            let pages = KVPages(sequence, type, table: Self.inOrder(count), fill: 0x7E00)
            for end in [1, 1000, 1024, 1025, 1100, 2048, 2049, count] {
                let tokens = max(0, end - 20)..<end
                let whole = expectSameBits { attend(sequence, pages, tokens: tokens) }
                let divided = expectSameBits { attend(sequence, pages, tokens: tokens, isDivided: true) }
                let alone = tokens.flatMap { attend(sequence, pages, tokens: $0..<$0 + 1, isDivided: true) }

                #expect(divided.map(\.bitPattern) == whole.map(\.bitPattern), "up to \(end)")
                #expect(alone.map(\.bitPattern) == whole.map(\.bitPattern), "up to \(end), one by one")
            }
        }

        @Test(arguments: KVType.allCases)
        func `it does not matter where pages lie, nor what others left there`(type: KVType) {
            let sequence = KVSequence(count: 200, headDimension: 64, group: 3, seed: 2)
            let expected = attend(
                sequence, KVPages(sequence, type, table: Self.inOrder(200), fill: 0), tokens: 180..<200)
            // Zeros, ones, a large number, infinity, NaN, negative NaN.
            for fill: UInt16 in [0, 0x3C00, 0x7BFF, 0x7C00, 0x7E00, 0xFE01] {
                let pages = KVPages(sequence, type, table: [9, 3, 4, 0, 12, 7, 1], fill: fill)
                for tokens in [180..<200, 199..<200, 195..<198] {
                    let rows = expectSameBits("fill \(fill)") { attend(sequence, pages, tokens: tokens) }
                    let place = (tokens.lowerBound - 180) * 192..<(tokens.upperBound - 180) * 192
                    #expect(rows.map(\.bitPattern) == expected[place].map(\.bitPattern), "fill \(fill), \(tokens)")
                }
            }
        }

        @Test(arguments: [1, 31, 32, 33, 63, 64, 65, 96, 97, 128], KVType.allCases)
        func `a token sees no position behind its own`(count: Int, type: KVType) {
            let sequence = KVSequence(count: count + 40, headDimension: 64, group: 2, seed: 3)
            let table = Self.inOrder(count + 40)
            // The last token's own rows, while nothing behind it is stored, and after later tokens were.
            let before = KVPages(sequence, type, table: table, fill: 0x7E00, stored: count)
            let after = KVPages(sequence, type, table: table, fill: 0x7E00)

            let rows = attend(sequence, before, tokens: count - 1..<count)

            #expect(rows.allSatisfy { $0.isFinite })
            #expect(attend(sequence, after, tokens: count - 1..<count) == rows)
        }

        @Test(arguments: [(32, 300), (64, 300), (96, 300), (64, 2200)], KVType.allCases)
        func `rows are near those in double precision`(shape: (headDimension: Int, count: Int), type: KVType) {
            let (d, count) = shape
            let sequence = KVSequence(count: count, headDimension: d, group: 3, seed: 4)
            let pages = KVPages(sequence, type, table: Self.inOrder(count), fill: 0)

            let rows = attend(sequence, pages, tokens: count - 10..<count)

            for token in count - 10..<count {
                for head in 0..<3 {
                    let query = (token * 3 + head) * d
                    let scores = (0...token).map { position in
                        (0..<d).reduce(0.0) {
                            $0 + Double(sequence.queries[query + $1]) * Double(sequence.keys[position * d + $1])
                        } / Double(d).squareRoot()
                    }
                    let weights = scores.map { exp($0 - (scores.max() ?? 0)) }
                    let total = weights.reduce(0, +)
                    for index in 0..<d {
                        let exact =
                            (0...token).reduce(0.0) {
                                $0 + weights[$1] * Double(sequence.values[$1 * d + index])
                            } / total
                        let value = Double(rows[((token - count + 10) * 3 + head) * d + index])
                        // f16 keys move scores by up to 2e-3, f16 values by 2^-11; bytes are off by up to 2^-8 of
                        // the largest of a head.
                        #expect(abs(value - exact) < (type == .f16 ? 2e-3 : 2e-2), "token \(token)")
                    }
                }
            }
        }

        @Test(arguments: KVType.allCases) func `sharp and flat scores are both handled`(type: KVType) {
            let plain = KVSequence(count: 130, headDimension: 32, group: 1, seed: 5)
            for magnitude in [Float(0), 1e-20, 300] {
                let sequence = KVSequence(plain, queries: plain.queries.map { $0 * magnitude })
                let pages = KVPages(sequence, type, table: Self.inOrder(130), fill: 0x7E00)

                let rows = expectSameBits { attend(sequence, pages, tokens: 100..<130) }

                #expect(rows.allSatisfy { $0.isFinite && abs($0) <= 1.01 })
            }
        }

        @Test func `numbers beyond half precision are stored as its largest`() {
            let d = 32
            let size = Kernels.pageHeadByteCount(.f16, headDimension: d)
            #expect(size == d * 32 * 2 * 2)
            let key = (0..<d).map { [1e6, -1e6, .infinity, 65504, 65519, 65521, 1e-8, -0.0][$0 % 8] as Float }
            let pages = onEveryISA { _ in
                let page = Memory(size)
                Kernels.storeKV(
                    .f16, pageHead: page.bytes, slot: 5, key: key, value: key.reversed(), headDimension: d)
                return page.array
            }
            for (isa, page) in pages { #expect(page == pages[0].result, "\(isa) differs from plain C") }
            let page = pages[0].result
            let expected: [UInt16] = [0x7BFF, 0xFBFF, 0x7BFF, 0x7BFF, 0x7BFF, 0x7BFF, 0, 0x8000]
            for index in 0..<d {
                #expect(page.load(UInt16.self, at: (index * 32 + 5) * 2) == expected[index % 8])
                #expect(page.load(UInt16.self, at: d * 64 + 5 * d * 2 + (d - 1 - index) * 2) == expected[index % 8])
            }
        }

        @Test func `bytes have the scale of their token, and what is not finite spoils that token alone`() {
            let d = 64
            let size = Kernels.pageHeadByteCount(.q8, headDimension: d)
            #expect(size == 2 * d * 32 + 2 * 32 * 4)
            var random = SeededRandom(seed: 7)
            let key = random.floats(d, magnitude: 3)
            var value = random.floats(d)
            for spoiled in [Float.infinity, -.infinity, .nan, 1e-38] {
                if !spoiled.isFinite { value[17] = spoiled } else { value = value.map { _ in spoiled } }
                let pages = onEveryISA { _ in
                    let page = Memory(size)
                    Kernels.storeKV(.q8, pageHead: page.bytes, slot: 9, key: key, value: value, headDimension: d)
                    return page.array
                }
                for (isa, page) in pages { #expect(page == pages[0].result, "\(isa) differs from plain C") }
                let page = pages[0].result
                let (keyScale, valueScale) = (
                    page.load(Float.self, at: 2 * d * 32 + 9 * 4), page.load(Float.self, at: 2 * d * 32 + 128 + 9 * 4)
                )
                #expect(keyScale == (key.map(abs).max() ?? 0) / 127)
                for index in 0..<d {
                    let code = Int8(bitPattern: page[index * 32 + 9])
                    #expect(abs(Float(code) * keyScale - key[index]) <= keyScale * 0.501)
                    #expect(page[d * 32 + 9 * d + index] == 0)
                }
                #expect(spoiled.isFinite ? valueScale == 0 : valueScale.isNaN)
            }
        }

        @Test func `half precision rounds to the nearest, ties to even, on every instruction set`() {
            var random = SeededRandom(seed: 6)
            let d = 256
            for _ in 0..<100 {
                let numbers =
                    (0..<d).map { _ in
                        let number = Float(bitPattern: UInt32.random(in: 0 ... .max, using: &random))
                        // A NaN is a NaN: which one is nobody's business.
                        return number.isNaN ? 0 : number
                    } as [Float]
                let pages = onEveryISA { _ in
                    let page = Memory(Kernels.pageHeadByteCount(.f16, headDimension: d))
                    Kernels.storeKV(
                        .f16, pageHead: page.bytes, slot: 0, key: numbers, value: numbers, headDimension: d)
                    return page.array
                }
                for (isa, page) in pages { #expect(page == pages[0].result, "\(isa) differs from plain C") }
            }
        }
    }
}
