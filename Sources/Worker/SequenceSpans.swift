import Inference
import NIOCore
import Telemetry

/// The spans of traced sequences in this worker: `prefill` from admission to the first token, `decode` from there to the end.
/// Both are below the router's attempt. Confined to the worker's event loop.
final class SequenceSpans {
    /// Sequences are named by their routers.
    private struct Name: Hashable {
        var router: Int
        var sequence: SequenceID
    }

    private struct Open {
        var parent: TraceContext
        var startedAt: Instant
        var tokenCount: Int
        var cachedTokenCount: Int?
        var isDecoding = false
        var outputTokenCount = 0
    }

    private let tracer: Tracer
    private let eventLoop: any EventLoop
    private var open: [Name: Open] = [:]

    init(_ tracer: Tracer, eventLoop: any EventLoop) {
        self.tracer = tracer
        self.eventLoop = eventLoop
    }

    func commanded(_ command: WorkerCommand, by router: Int) {
        switch command {
        case .admit(let sequence):
            guard let trace = sequence.trace else { return }
            open[Name(router: router, sequence: sequence.id)] = Open(
                parent: trace, startedAt: now, tokenCount: sequence.tokens.count)
        case .cancel(let sequence): end(Name(router: router, sequence: sequence), outcome: "cancelled")
        case .preempt, .drain: break
        }
    }

    func told(_ event: WorkerEvent, to router: Int) {
        guard !open.isEmpty else { return }
        switch event {
        case .step(let report):
            for entry in report.entries { stepped(entry, Name(router: router, sequence: entry.sequence)) }
        case .preempted(let sequence): end(Name(router: router, sequence: sequence), outcome: "preempted")
        case .refused(let sequence): end(Name(router: router, sequence: sequence), outcome: "refused")
        case .welcome, .credit, .prefix, .draining, .working, .taken: break
        }
    }

    func unlinked(_ router: Int) {
        for name in open.keys where name.router == router { end(name, outcome: "unlinked") }
    }

    private func stepped(_ entry: StepEntry, _ name: Name) {
        guard var sequence = open[name] else { return }
        if let cached = entry.cachedTokenCount { sequence.cachedTokenCount = cached }
        if !sequence.isDecoding, !entry.tokens.isEmpty {
            endPrefill(sequence, outcome: nil)
            sequence.isDecoding = true
            sequence.startedAt = now
        }
        sequence.outputTokenCount += entry.tokens.count
        open[name] = sequence
        switch entry.finish {
        case nil: break
        case .stop: end(name, outcome: "stop")
        case .length: end(name, outcome: "length")
        case .failed: end(name, outcome: "failed", failed: true)
        case .unservable: end(name, outcome: "unservable", failed: true)
        }
    }

    private func end(_ name: Name, outcome: String, failed: Bool = false) {
        guard let sequence = open.removeValue(forKey: name) else { return }
        guard sequence.isDecoding else { return endPrefill(sequence, outcome: outcome, failed: failed) }
        end("decode", sequence, [(.outputTokens, .integer(sequence.outputTokenCount))], outcome, failed)
    }

    private func endPrefill(_ sequence: Open, outcome: String?, failed: Bool = false) {
        var attributes: [(key: SpanKey, value: Span.Value)] = [(.inputTokens, .integer(sequence.tokenCount))]
        if let cached = sequence.cachedTokenCount { attributes.append((.cachedTokens, .integer(cached))) }
        end("prefill", sequence, attributes, outcome, failed)
    }

    private func end(
        _ name: String, _ sequence: Open, _ attributes: [(key: SpanKey, value: Span.Value)], _ outcome: String?,
        _ failed: Bool
    ) {
        var attributes = attributes
        if let outcome { attributes.append((.outcome, .text(outcome))) }
        tracer.receiver.spanEnded(
            Span(
                name, .inside, context: tracer.child(of: sequence.parent), parentID: sequence.parent.spanID,
                from: sequence.startedAt, to: now, attributes: attributes,
                status: failed ? .failed(outcome ?? name) : .unset))
    }

    private var now: Instant { Instant(nanoseconds: Int64(clamping: eventLoop.now.uptimeNanoseconds)) }
}
