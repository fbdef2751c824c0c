import Testing

@testable import Inference

@Suite struct InstantTests {
    static let sums: [(start: Int64, seconds: Double, end: Int64)] = [
        (0, 1.5, 1_500_000_000),
        (5, -1, -999_999_995),
        (Int64.max - 1, 10, Int64.max),
        (Int64.min + 1, -10, Int64.min),
        (7, Double.infinity, Int64.max / 2 + 7),
        (7, Double.nan, Int64.max / 2 + 7),
    ]

    @Test(arguments: sums) func `time saturates instead of trapping`(start: Int64, seconds: Double, end: Int64) {
        #expect(Instant(nanoseconds: start).advanced(bySeconds: seconds).nanoseconds == end)
    }
}
