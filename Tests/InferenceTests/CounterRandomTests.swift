import Testing

@testable import Inference

@Suite struct CounterRandomTests {
    /// Known answers published with the Random123 library.
    @Test func `Philox4x32-10 gives the published words`() {
        #expect(
            CounterRandom.philox4x32(key: (0, 0), counter: (0, 0, 0, 0))
                == (0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8))
        let ones = UInt32.max
        #expect(
            CounterRandom.philox4x32(key: (ones, ones), counter: (ones, ones, ones, ones))
                == (0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd))
        #expect(
            CounterRandom.philox4x32(
                key: (0xa409_3822, 0x299f_31d0), counter: (0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344))
                == (0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1))
    }

    @Test func `draws lie in the unit interval, differ by position and by seed, and average to a half`() {
        let count = 10_000
        let draws = (0..<count).map { CounterRandom.uniform(seed: 7, position: $0) }
        #expect(draws.allSatisfy { (0..<1).contains($0) })
        #expect(Set(draws).count == count)
        #expect(abs(draws.reduce(0, +) / Double(count) - 0.5) < 0.02)
        #expect(CounterRandom.uniform(seed: 8, position: 0) != draws[0])
    }

    @Test func `words of one key differ by index, and from those of another key`() {
        let words = [1, 2].flatMap { key in (0..<1000).map { CounterRandom.word(key: key, index: $0) } }
        #expect(Set(words).count == 2000)
    }

    @Test func `choice 0 keeps the seed and the others have their own`() {
        let seeds = (0..<100).map { CounterRandom.seed(42, choice: $0) }
        #expect(seeds[0] == 42)
        #expect(Set(seeds).count == 100)
    }
}
