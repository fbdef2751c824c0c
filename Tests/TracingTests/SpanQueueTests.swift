import Inference
import Telemetry
import Testing

@testable import Tracing

/// Which spans are sent when, and which are dropped.
@Suite struct SpanQueueTests {
    static func span(_ number: UInt64) -> Span {
        guard let trace = TraceID(high: 1, low: 1), let id = SpanID(number) else { preconditionFailure("\(number)") }
        return Span(
            "work", .inside, context: TraceContext(traceID: trace, spanID: id, isSampled: true), parentID: nil,
            from: Instant(nanoseconds: 0), to: Instant(nanoseconds: 1))
    }

    /// A queue of at most 10 spans in batches of 4, and spans as numbers.
    final class Bench {
        private(set) var queue: SpanQueue

        init(_ count: UInt64) {
            var limits = SpanQueue.Limits()
            limits.kept = 10
            limits.batch = 4
            queue = SpanQueue(limits: limits)
            for number in 0..<count { #expect(append(number + 1)) }
        }

        func append(_ number: UInt64) -> Bool { queue.append(span(number)) }
        func ended(_ outcome: SpanQueue.Outcome, askedSeconds: Int = 0, at now: Instant = start) -> Int {
            queue.ended(outcome, askedSeconds: askedSeconds, at: now)
        }
        func take(at now: Instant = start, ignoringPause: Bool = false) -> [UInt64]? {
            queue.takeBatch(at: now, ignoringPause: ignoringPause)?.map { $0.context.spanID.rawValue }
        }
    }

    static let start = Instant(nanoseconds: 5_000_000_000)

    @Test func `batches leave one at a time, the oldest first`() {
        let bench = Bench(9)

        #expect(bench.queue.hasBatch)
        #expect(bench.take() == [1, 2, 3, 4])
        #expect(bench.take() == nil, "one is on its way")
        #expect(bench.ended(.taken) == 4)
        #expect(bench.take() == [5, 6, 7, 8])
        #expect(bench.ended(.refused) == 4)
        #expect(!bench.queue.hasBatch)
        #expect(bench.take() == [9])
        #expect(bench.ended(.taken) == 1)
        #expect(bench.take() == nil)
    }

    @Test func `what there is no room for is dropped, what is on its way included`() {
        let bench = Bench(8)
        #expect(bench.take() == [1, 2, 3, 4])

        #expect([bench.append(9), bench.append(10), bench.append(11)] == [true, true, false])
        #expect(bench.ended(.taken) == 4)
        #expect(bench.append(12))
        #expect(bench.queue.count == 7)
    }

    @Test func `after a failure that may pass, the same spans go again after pauses that double`() {
        let bench = Bench(6)
        var now = Self.start
        for pause in [1.0, 2, 4, 8, 16, 32, 32] {
            #expect(bench.take(at: now) == [1, 2, 3, 4])
            #expect(bench.ended(.mayPass, at: now) == 0)
            #expect(bench.take(at: now.advanced(bySeconds: pause - 0.01)) == nil, "\(pause)")
            now = now.advanced(bySeconds: pause)
        }
        #expect(bench.queue.count == 6)
        #expect(bench.take(at: now) == [1, 2, 3, 4])
        #expect(bench.ended(.taken, at: now) == 4)
        #expect(bench.take(at: now) == [5, 6])
        #expect(bench.ended(.mayPass, at: now) == 0)
        #expect(bench.take(at: now.advanced(bySeconds: 1)) == [5, 6], "the pauses begin anew")
    }

    @Test func `a collector may ask for a longer pause, within a limit`() {
        for (asked, pause) in [(0, 1.0), (1, 1), (20, 20), (300, 300), (.max, 300), (-5, 1)] {
            let bench = Bench(1)
            #expect(bench.take() == [1])
            #expect(bench.ended(.mayPass, askedSeconds: asked) == 0)
            #expect(bench.take(at: Self.start.advanced(bySeconds: pause - 0.01)) == nil, "\(asked)")
            #expect(bench.take(at: Self.start.advanced(bySeconds: pause)) == [1], "\(asked)")
        }
    }

    @Test func `at the end nobody waits for a pause`() {
        let bench = Bench(1)
        #expect(bench.take() == [1])
        #expect(bench.ended(.mayPass) == 0)

        #expect(bench.take() == nil)
        #expect(bench.take(ignoringPause: true) == [1])
    }
}
