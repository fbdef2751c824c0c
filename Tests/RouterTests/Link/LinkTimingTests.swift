import Testing

@testable import Router

@Suite struct LinkKeepaliveTests {
    @Test func `a link on which reports flow is never pinged`() {
        var keepalive = LinkKeepalive()

        for _ in 0..<100 {
            keepalive.heard()
            #expect(keepalive.ticked() == .nothing)
        }
    }

    @Test func `a silent link is pinged once, and given up three ticks later`() {
        var keepalive = LinkKeepalive()

        let actions = (0..<5).map { _ in keepalive.ticked() }

        #expect(actions == [.nothing, .ping, .nothing, .nothing, .giveUp])
    }

    @Test func `an answer starts the count again`() {
        var keepalive = LinkKeepalive()
        for _ in 0..<20 {
            #expect(keepalive.ticked() == .nothing)
            #expect(keepalive.ticked() == .ping)
            #expect(keepalive.ticked() == .nothing)
            keepalive.heard()
        }
    }
}

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
