import Testing

@testable import Router

@Suite struct DialBackoffTests {
    @Test func `patience grows from 50 ms to 5 s and starts over after a welcome`() {
        var backoff = DialBackoff()

        let pauses = (0..<9).map { _ in backoff.failed(chance: 0.5) }

        #expect(pauses == [0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5, 5])
        backoff.succeeded()
        #expect(backoff.failed(chance: 0.5) == 0.05)
    }

    @Test(arguments: [(0, 0.8), (0.25, 0.9), (0.999_999, 1.2)])
    func `chance moves a pause by a fifth at most`(chance: Double, factor: Double) {
        var backoff = DialBackoff()

        #expect(abs(backoff.failed(chance: chance) / (0.05 * factor) - 1) < 1e-5)
    }
}
