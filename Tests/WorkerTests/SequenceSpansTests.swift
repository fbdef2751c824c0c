import Inference
import NIOCore
import NIOEmbedded
import Telemetry
import Testing

@testable import Worker

/// A worker's own part of a trace.
@Suite struct SequenceSpansTests {
    final class Recording: SpanReceiver {
        private(set) var spans: [Span] = []
        func spanEnded(_ span: Span) { spans.append(span) }
    }

    let loop = EmbeddedEventLoop()
    let recording = Recording()
    let spans: SequenceSpans

    init() {
        var word: UInt64 = 0
        spans = SequenceSpans(
            Tracer(recording) {
                word += 1
                return word
            }, eventLoop: loop)
    }

    func admit(_ id: UInt64, router: Int = 0, parent: UInt64? = 77) throws {
        let trace = try #require(TraceID(high: 1, low: 2))
        let context = parent.flatMap { SpanID($0) }.map {
            TraceContext(traceID: trace, spanID: $0, isSampled: true, state: "a=b")
        }
        spans.commanded(
            .admit(
                AdmittedSequence(
                    id: SequenceID(id), tokens: [1, 2, 3, 4], promptTokenCount: 3, sampling: SamplingParameters(),
                    trace: context)), by: router)
    }

    func step(_ entries: StepEntry..., router: Int = 0) {
        loop.advanceTime(by: .milliseconds(10))
        spans.told(
            .step(
                StepReport(
                    number: 1, durationMicroseconds: 1, tokenCount: 1, entries: entries,
                    load: WorkerLoad(freeSlots: 0, freePages: 0, runningSequences: 0, waitingPrefillTokens: 0),
                    commandsSeen: 1)), to: router)
    }

    @Test func `prefill lasts to the first token, decode to the last`() throws {
        try admit(5)
        step(StepEntry(sequence: SequenceID(5), cachedTokenCount: 2))
        step(StepEntry(sequence: SequenceID(5), tokens: [9]))
        step(StepEntry(sequence: SequenceID(5), tokens: [9, 9]))
        step(StepEntry(sequence: SequenceID(5), tokens: [0], finish: .stop))

        #expect(recording.spans.map(\.name) == ["prefill", "decode"])
        let (prefill, decode) = (recording.spans[0], recording.spans[1])
        #expect(prefill.endedAt.seconds(since: prefill.startedAt) == 0.02)
        #expect(decode.startedAt == prefill.endedAt && decode.endedAt.seconds(since: decode.startedAt) == 0.02)
        #expect(recording.spans.allSatisfy { $0.parentID == SpanID(77) && $0.context.state == "a=b" })
        #expect(prefill[.inputTokens] == .integer(4) && prefill[.cachedTokens] == .integer(2))
        #expect(decode[.outputTokens] == .integer(4) && decode[.outcome] == .text("stop"))
    }

    @Test func `sequences that are taken away end where they are`() throws {
        for id in 1...4 as ClosedRange<UInt64> { try admit(id) }
        try admit(1, router: 1)
        step(StepEntry(sequence: SequenceID(2), tokens: [1]))
        spans.commanded(.cancel(SequenceID(1)), by: 0)
        spans.told(.preempted(SequenceID(2)), to: 0)
        spans.told(.refused(SequenceID(3)), to: 0)
        step(StepEntry(sequence: SequenceID(4), finish: .failed("why")))
        spans.unlinked(1)
        spans.unlinked(0)

        #expect(recording.spans.map(\.name) == ["prefill", "prefill", "decode", "prefill", "prefill", "prefill"])
        #expect(
            recording.spans.map { $0[.outcome] } == [
                nil, .text("cancelled"), .text("preempted"), .text("refused"), .text("failed"), .text("unlinked"),
            ])
        #expect(recording.spans.map { $0.status == .unset } == [true, true, true, true, false, true])
    }

    @Test func `what nobody traces leaves nothing`() throws {
        try admit(5, parent: nil)
        step(StepEntry(sequence: SequenceID(5), tokens: [9], finish: .length))
        spans.unlinked(0)

        #expect(recording.spans.isEmpty)
    }
}
