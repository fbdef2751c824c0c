import Inference
import Testing

@Suite struct ByteWordsTests {
    @Test func `eight bytes are a number, the first one lowest`() {
        let bytes: [UInt8] = [1, 2, 3, 4, 5, 6, 7, 8, 9]
        let words = [-1, 0, 1, 2, 9, Int.max].map { place in bytes.span.word(at: place) }
        #expect(words == [nil, 0x0807_0605_0403_0201, 0x0908_0706_0504_0302, nil, nil, nil])
    }

    @Test func `fewer than eight are filled up with zeros, whatever lies behind them`() {
        let bytes: [UInt8] = Array(1...20)
        for start in 0...20 {
            for end in start...20 {
                var expected: UInt64 = 0
                for place in (start..<min(end, start + 8)).reversed() {
                    expected = expected << 8 | UInt64(bytes[place])
                }
                let word = bytes.span.word(at: start, before: end)
                #expect(word == expected, "\(start)..<\(end)")
            }
        }
        let (behind, over) = (bytes.span.word(at: 21, before: 30), bytes.span.word(at: 18, before: 30))
        #expect(behind == 0 && over == 0x1413)
    }

    @Test func `a byte is found in each place, and beside any other`() {
        for byte: UInt8 in [0, 1, 0x1F, 0x20, 0x22, 0x7F, 0x80, 0xFF] {
            for other: UInt8 in [0, 1, 0x1F, 0x20, 0x22, 0x7F, 0x80, 0xFF] {
                for place in 0..<8 {
                    var bytes = [UInt8](repeating: other, count: 8)
                    bytes[place] = byte
                    let word = bytes.span.word(at: 0) ?? 0
                    for sought: UInt8 in [0, 1, 0x20, 0x22, 0x7F, 0x80, 0xFF] {
                        #expect(word.hasByte(sought) == bytes.contains(sought), "\(bytes), \(sought)")
                    }
                    for limit: UInt8 in [1, 0x20, 0x21, 0x80] {
                        #expect(word.hasByte(below: limit) == bytes.contains { $0 < limit }, "\(bytes), \(limit)")
                    }
                }
            }
        }
    }
}
