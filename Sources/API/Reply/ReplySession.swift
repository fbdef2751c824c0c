import HTTP
import Inference
import NIOCore
import Serving

/// Carries a generation of one choice from the service to its client, as a stream or as one answer.
///
/// Can be: waiting or streaming, then over. Over is when the service has finished or failed, or when the client is gone;
/// the latter cancels at the service before it returns. What makes several choices, or goes on where a stream broke off,
/// is ``GenerationSession``.
final class ReplySession<Encoder: ReplyEncoder>: GenerationReceiver {
    private let call: APICall
    private let prepared: PreparedGeneration
    private let promptField: String
    private let startedAt: NIODeadline
    private var firstAt: NIODeadline?
    private var encoder: Encoder
    /// Of streams whose text may hold calls of tools.
    private var divider: ToolCallDivider?
    /// All so far, where the answer is sent in one.
    private var folded = AnswerPiece()
    private var reason: FinishReason?
    private let name: String
    private var request: RequestID?
    private var keepAlive: KeepAlive?
    private var isOver = false

    /// - Parameters:
    ///   - prepared: one prompt, one choice, and no log-probabilities.
    ///   - promptField: what holds the text in this dialect.
    static func start(
        _ call: APICall, _ prepared: PreparedGeneration, promptField: String, _ makeEncoder: (ReplyName) -> Encoder
    ) {
        // Only OpenAI's older streams can be gone on with.
        if let mark = call.exchange.request.header("last-event-id"), !mark.isEmpty {
            return call.refuse(ErrorTable.error(ResumeError.isOff))
        }
        let name = ReplyName(
            text: call.core.freshName(), requestID: call.requestID, created: call.core.surroundings.unixSeconds(),
            model: prepared.model.name, promptTokenCount: prepared.promptTokenCount)
        ReplySession(call, prepared, promptField, name.text, makeEncoder(name)).submit()
    }

    private init(
        _ call: APICall, _ prepared: PreparedGeneration, _ promptField: String, _ name: String, _ encoder: Encoder
    ) {
        self.name = name
        self.call = call
        self.prepared = prepared
        self.promptField = promptField
        self.encoder = encoder
        startedAt = call.exchange.eventLoop.now
        divider = prepared.streams ? prepared.toolCalls.map { ToolCallDivider($0) } : nil
    }

    private func submit() {
        guard
            let id = call.submit(
                prepared.request, promptField: promptField, receiver: self,
                answer: { Encoder.namePrefix.map { "\($0)" + name } })
        else { return }
        request = id
        call.whenGone = { self.giveUp() }
        guard prepared.streams else { return }
        call.beginEvents(contentType: Encoder.streamType)
        send { encoder.writeOpening(into: &$0) }
        if !isOver { keepAlive = KeepAlive(call) { self.send { self.encoder.writeKeepAlive(into: &$0) } } }
    }

    package func generationProduced(_ event: GenerationEvent) {
        guard !isOver else { return }
        switch event {
        case .admitted, .promptLogprobs, .pooled: break
        case .delta(_, let text, _, _):
            if firstAt == nil { firstAt = call.exchange.eventLoop.now }
            guard !text.isEmpty else { return }
            let piece = AnswerPiece(text: text)
            guard prepared.streams else { return folded.append(piece) }
            let shown = divider?.divide(piece) ?? piece
            if !shown.isEmpty { send { encoder.writePiece(shown, into: &$0) } }
        case .choiceFinished(_, let reason): self.reason = reason
        case .finished(let usage):
            end()
            finish(
                ReplyEnd(reason: reason ?? .length, usage: usage, nanoseconds: times(call.exchange.eventLoop.now)))
        case .failed(let error):
            end()
            fail(ErrorTable.error(error, promptField: promptField, options: call.core.options))
        }
    }

    private func times(_ now: NIODeadline) -> ReplyTimes {
        ReplyTimes(first: ((firstAt ?? now) - startedAt).nanoseconds, end: (now - startedAt).nanoseconds)
    }

    private func finish(_ end: ReplyEnd) {
        guard prepared.streams else {
            let piece = prepared.toolCalls.map { ToolCallDivider.divide(folded, $0) } ?? folded
            return call.respond { encoder.writeWhole(piece, end, into: &$0) }
        }
        let last = divider?.finish() ?? AnswerPiece()
        send { encoder.writeEnd(last, end, into: &$0) }
        call.finish()
    }

    /// A stream that has begun can only fail inside itself.
    private func fail(_ error: APIError) {
        guard prepared.streams else { return call.fail(error) }
        send { encoder.writeFailure(error, into: &$0) }
        call.finish()
    }

    /// The client is gone, or reads too slowly to be kept.
    private func giveUp() {
        guard !isOver else { return }
        end()
        if let request { call.core.service.cancel(request) }
    }

    private func end() {
        isOver = true
        keepAlive?.stop()
        keepAlive = nil
        call.whenGone = nil
    }

    private func send(_ write: (inout ByteBuffer) -> Void) {
        var buffer = ByteBuffer()
        write(&buffer)
        keepAlive?.wrote()
        if !call.write(buffer) { giveUp() }
    }
}
