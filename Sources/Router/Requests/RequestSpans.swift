import Inference
import Scheduling
import Serving
import Telemetry

/// The spans of one sampled request: the request's own, and below it, for each choice, each time in the queue and each
/// attempt of a worker. The worker's own spans are below its attempt.
///
///     a choice: queued ─▶ running ─▶ over, or back to queued when its worker gave it up
final class RequestSpans {
    private enum Place {
        case queued(since: Instant)
        case running(Attempt)
        case over
    }

    /// One admission to one worker.
    private struct Attempt {
        var context: TraceContext
        var startedAt: Instant
        var attributes: [(key: SpanKey, value: Span.Value)]
    }

    var traceID: TraceID { trace.context.traceID }

    private let request: GenerationRequest
    private let trace: RequestTrace
    private let tracer: Tracer
    private let startedAt: Instant
    private var places: [Place]
    private var attemptCounts: [Int]

    /// - Returns: nil when the request is not sampled.
    init?(_ request: GenerationRequest, _ tracer: Tracer, now: Instant) {
        guard let trace = request.trace, trace.context.isSampled else { return nil }
        self.request = request
        self.trace = trace
        self.tracer = tracer
        startedAt = now
        let (count, overflows) = request.prompts.count.multipliedReportingOverflow(by: max(0, request.choiceCount))
        // A request that is refused may have any number.
        places = Array(repeating: .queued(since: now), count: overflows ? 0 : min(count, Self.choicesMax))
        attemptCounts = Array(repeating: 0, count: places.count)
    }

    /// Choices of a request that have spans of their own.
    private static let choicesMax = 64

    /// A choice goes to a worker.
    /// - Returns: what the worker's own spans are below; nil beyond the choices that have spans.
    func admitted(
        _ choice: Int, _ admission: AdmittedSequence, at address: WorkerAddress, numericsID: String?, now: Instant
    ) -> TraceContext? {
        guard places.indices.contains(choice) else { return nil }
        if case .queued(let since) = places[choice] {
            end("queue", .inside, tracer.child(of: trace.context), since, now, [(.choice, .integer(choice))])
        }
        attemptCounts[choice] += 1
        let context = tracer.child(of: trace.context)
        var attributes: [(key: SpanKey, value: Span.Value)] = [
            (.requestModel, .text(request.model)), (.serverAddress, .text("\(address)")), (.choice, .integer(choice)),
            (.attempt, .integer(attemptCounts[choice])), (.sequence, .text("\(admission.id)")),
            (.inputTokens, .integer(admission.promptTokenCount)),
            (.resumedTokens, .integer(admission.tokens.count - admission.promptTokenCount)),
        ]
        if let numericsID { attributes.append((.numericsID, .text(numericsID))) }
        places[choice] = .running(Attempt(context: context, startedAt: now, attributes: attributes))
        return context
    }

    /// A choice left its worker and waits again. What a worker did not choose to do is an error of the attempt.
    func moved(_ choice: Int, _ cause: MoveCause, now: Instant) {
        guard places.indices.contains(choice), case .running(var attempt) = places[choice] else { return }
        places[choice] = .queued(since: now)
        attempt.attributes.append((.moveCause, .text(cause.rawValue)))
        switch cause {
        case .workerLost, .workerStalled, .workerSlow:
            attempt.attributes.append((.errorType, .text(cause.rawValue)))
            end(attempt, now, .failed(cause.rawValue))
        case .preempted, .refused, .draining: end(attempt, now)
        }
    }

    /// A choice is complete.
    /// - Parameter tokenCount: of its whole answer.
    func finished(_ choice: Int, tokenCount: Int, now: Instant) {
        guard places.indices.contains(choice), case .running(var attempt) = places[choice] else { return }
        places[choice] = .over
        attempt.attributes.append((.outputTokens, .integer(tokenCount)))
        end(attempt, now)
    }

    /// The request is over, and with it all that still ran or waited.
    func ended(_ open: OpenRequest, outcome: String, failed: Bool = false, now: Instant) {
        for choice in places.indices {
            switch places[choice] {
            case .running(let attempt): end(attempt, now)
            case .queued(let since):
                end("queue", .inside, tracer.child(of: trace.context), since, now, [(.choice, .integer(choice))])
            case .over: break
            }
            places[choice] = .over
        }
        let usage = open.usage
        var attributes = asked
        attributes += [
            (.inputTokens, .integer(usage.promptTokens)), (.outputTokens, .integer(usage.completionTokens)),
            (.cachedTokens, .integer(usage.cachedTokens)), (.moves, .integer(open.moveCount)),
        ]
        let reasons = open.choices.compactMap(\.finish).map { reason in
            switch reason {
            case .stop: "stop"
            case .length: "length"
            }
        }
        if !reasons.isEmpty { attributes.append((.finishReasons, .texts(reasons))) }
        if let first = open.firstTokenAt {
            attributes.append((.timeToFirstChunk, .number(first.seconds(since: open.submittedAt))))
        }
        endRoot(attributes, outcome: outcome, failed: failed, now)
    }

    /// It was never queued.
    func refused(_ error: ServeError) {
        endRoot(asked, outcome: FailureKind(error).rawValue, failed: true, startedAt)
    }

    /// What the request asked for. Stop strings are the client's text, and left out.
    private var asked: [(key: SpanKey, value: Span.Value)] {
        let sampling = request.sampling
        return [
            (.operation, .text(trace.operation)), (.provider, .text("apus")), (.requestModel, .text(request.model)),
            (.choiceCount, .integer(request.choiceCount)), (.maxTokens, .integer(sampling.maxTokens)),
            (.temperature, .number(Double(sampling.temperature))), (.topP, .number(Double(sampling.topP))),
            (.topK, .integer(sampling.topK)), (.frequencyPenalty, .number(Double(sampling.frequencyPenalty))),
            (.presencePenalty, .number(Double(sampling.presencePenalty))),
        ]
    }

    private func endRoot(
        _ attributes: [(key: SpanKey, value: Span.Value)], outcome: String, failed: Bool, _ now: Instant
    ) {
        var attributes = attributes
        attributes.append((.outcome, .text(outcome)))
        if failed { attributes.append((.errorType, .text(outcome))) }
        tracer.receiver.spanEnded(
            Span(
                "\(trace.operation) \(request.model)", .server, context: trace.context, parentID: trace.parentID,
                from: startedAt, to: now, attributes: attributes, status: failed ? .failed(outcome) : .unset))
    }

    private func end(_ attempt: Attempt, _ now: Instant, _ status: Span.Status = .unset) {
        end("attempt", .client, attempt.context, attempt.startedAt, now, attempt.attributes, status)
    }

    private func end(
        _ name: String, _ kind: Span.Kind, _ context: TraceContext, _ start: Instant, _ now: Instant,
        _ attributes: [(key: SpanKey, value: Span.Value)], _ status: Span.Status = .unset
    ) {
        tracer.receiver.spanEnded(
            Span(
                name, kind, context: context, parentID: trace.context.spanID, from: start, to: now,
                attributes: attributes, status: status))
    }
}
