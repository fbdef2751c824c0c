import Testing

@testable import HTTP

@Suite struct SilenceWatchTests {
    /// What comes before each look, in bytes, and what the look advises: ask after two, give up after four.
    @Test(
        arguments: [
            ([0, 0, 0, 0], [.wait, .ask, .wait, .giveUp]),
            ([9, 0, 0, 0, 0], [.wait, .wait, .ask, .wait, .giveUp]),
            ([0, 0, 0, 17, 0, 0, 17], [.wait, .ask, .wait, .wait, .wait, .ask, .wait]),
            ([1, 1, 1, 1, 1, 1], [.wait, .wait, .wait, .wait, .wait, .wait]),
        ] as [([Int], [SilenceWatch.Advice])])
    func `a silent peer is asked once, then given up`(bytes: [Int], advice: [SilenceWatch.Advice]) {
        var watch = SilenceWatch(askAfter: 2, giveUpAfter: 4)
        var total = 0
        #expect(
            bytes.map { count in
                total += count
                return watch.look(byteCount: total)
            } == advice)
    }
}
