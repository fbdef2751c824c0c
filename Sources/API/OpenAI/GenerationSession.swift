import HTTP
import Inference
import NIOCore
import Serving
import Text

/// Carries one generation from the service to its client, as a stream of events or as one answer.
///
/// Can be: waiting or streaming, then over. Over is when the service has finished or failed, or when the client is gone;
/// the latter cancels at the service before it returns.
final class GenerationSession<Encoder: AnswerEncoder>: GenerationReceiver {
    private let call: APICall
    private let prepared: PreparedGeneration
    private let promptField: String
    private let encoder: Encoder
    private let envelope: AnswerEnvelope
    /// What each chunk of a stream begins with.
    private let head: ByteBuffer
    /// Where chunks are written, again and again.
    private var chunk = ByteBuffer()
    private var choices: [AnswerChoice]
    private var progress: StreamProgress
    /// What the answer calls itself, for the log; nil where nobody reads it.
    private let answerName: String?
    private var ids: EventIDs?
    /// By prompt: log-probabilities of its tokens from the second on.
    private var promptLogprobs: [[LoggedToken]?]
    private var request: RequestID?
    private var keepAlive: KeepAlive?
    private var isOver = false

    static func start(
        _ call: APICall, _ prepared: consuming PreparedGeneration, promptField: String,
        _ encoder: (PreparedGeneration, _ name: (high: UInt64, low: UInt64)) -> Encoder
    ) {
        do throws(ResumeError) {
            let before = try call.resumePoint(of: prepared)
            GenerationSession(call, prepared, before, promptField, encoder).submit()
        } catch {
            call.refuse(ErrorTable.error(error))
        }
    }

    /// - Parameter before: where the client's stream broke off; nil for a new answer.
    private init(
        _ call: APICall, _ prepared: consuming PreparedGeneration, _ before: ResumePoint?, _ promptField: String,
        _ makeEncoder: (PreparedGeneration, _ name: (high: UInt64, low: UInt64)) -> Encoder
    ) {
        self.call = call
        if let before { prepared.resume(before) }
        self.prepared = consume prepared
        self.promptField = promptField
        envelope = AnswerEnvelope(
            name: before?.name ?? call.core.freshWords(),
            created: before?.created ?? call.core.surroundings.unixSeconds(),
            tail: call.core.envelopeTail.of(
                self.prepared.model, before?.listedNumericsID ?? self.prepared.model.numericsID ?? ""))
        encoder = makeEncoder(self.prepared, envelope.name)
        answerName =
            call.core.refusalLog == nil ? nil : "\(Encoder.namePrefix)" + APICore.text(envelope.name)
        if self.prepared.streams {
            let point = before ?? ResumePoint(name: envelope.name, created: envelope.created, of: self.prepared)
            ids = call.eventIDs(of: self.prepared, point)
            var head = ByteBuffer()
            head.reserveCapacity(256)
            envelope.write(of: Encoder.self, streams: true, into: &head)
            self.head = head
        } else {
            head = ByteBuffer()
        }
        progress =
            before.map { StreamProgress(after: $0.choices, hasUsage: $0.hasUsage) }
            ?? StreamProgress(choiceCount: self.prepared.streams ? self.prepared.choiceCount : 0)
        let choice = AnswerChoice(
            divider: self.prepared.toolCalls.map { ToolCallDivider($0) },
            placesTokens: self.prepared.logprobCount != nil)
        // Not `Array(repeating:count:)`, which is not specialized and takes several times as long.
        choices = (0..<self.prepared.choiceCount).map { _ in choice }
        promptLogprobs = self.prepared.request.prompts.map { _ in nil }
    }

    private func submit() {
        // All that was left is the end mark.
        if prepared.streams, progress.isFinished, progress.hasUsage || !prepared.includesUsage {
            call.beginEvents()
            return finishStream(Usage(promptTokens: 0, completionTokens: 0, cachedTokens: 0))
        }
        if prepared.request.sampling.maxTokens == 0, prepared.request.sampling.promptLogprobs == nil {
            return answerWithoutService()
        }
        guard
            let id = call.submit(
                prepared.request, promptField: promptField, receiver: self, answer: { answerName })
        else { return }
        request = id
        call.whenGone = { self.giveUp() }
        guard prepared.streams else { return }
        call.beginEvents()
        writeOpening()
        if !isOver { keepAlive = KeepAlive(call) { self.send(KeepAlive.comment) } }
    }

    package func generationProduced(_ event: GenerationEvent) {
        guard !isOver else { return }
        switch event {
        case .admitted(let choice, let numericsID): ids?.runs(choice, on: numericsID)
        case .promptLogprobs(let choice, let logprobs):
            guard choices.indices.contains(choice) else { return }
            promptLogprobs[prepared.prompt(ofChoice: choice)] = logprobs
            echo(choice)
        case .delta(let choice, let text, let tokens, let logprobs):
            guard choices.indices.contains(choice) else { return }
            echo(choice)
            delta(choice, text, tokens, logprobs)
        // Of models that read whole texts; such requests come from ``ReadingSession`` alone.
        case .pooled: break
        case .choiceFinished(let choice, let reason):
            guard choices.indices.contains(choice) else { return }
            echo(choice)
            choices[choice].finish = reason
            if prepared.streams { finish(choice, reason) }
        case .finished(let usage):
            end()
            if prepared.streams { finishStream(usage) } else { writeAnswer(usage) }
        case .failed(let error):
            end()
            fail(ErrorTable.error(error, promptField: promptField, options: call.core.options))
        }
    }

    /// An echo of the prompt and nothing else needs no model.
    private func answerWithoutService() {
        if prepared.streams {
            call.beginEvents()
            writeOpening()
        }
        for choice in choices.indices { generationProduced(.choiceFinished(choice: choice, .length)) }
        generationProduced(
            .finished(Usage(promptTokens: prepared.promptTokenCount, completionTokens: 0, cachedTokens: 0)))
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
}

// Pieces of choices.
extension GenerationSession {
    private func delta(_ choice: Int, _ text: String, _ tokens: [TokenID], _ logprobs: [LoggedToken]) {
        let piece = choices[choice].append(
            text: text, tokenCount: tokens.count, logprobs: prepared.logprobCount == nil ? [] : logprobs,
            alternativeCount: prepared.logprobCount ?? 0, folds: !prepared.streams)
        guard prepared.streams, !piece.text.isEmpty || !piece.tokens.isEmpty else { return }
        do throws(StreamDiverged) {
            let rest = try progress.append(piece, to: choice)
            var shown = rest
            if prepared.toolCalls != nil {
                // Counted as the model wrote it, so that a stream that goes on elsewhere divides the same text.
                choices[choice].divider?.skip(
                    String(decoding: piece.text.utf8.dropLast(rest?.text.utf8.count ?? 0), as: UTF8.self))
                shown = rest.flatMap { choices[choice].divider?.divide($0) }
            }
            guard let shown, !shown.isEmpty else { return }
            writeChunk { encoder.writeDelta(choice: choice, shown, into: &$0) }
        } catch {
            giveUpDiverged()
        }
    }

    private func finish(_ choice: Int, _ reason: FinishReason) {
        do throws(StreamDiverged) {
            guard try progress.finish(choice) else { return }
            let last = choices[choice].divider?.finish() ?? AnswerPiece()
            let hasCalled = choices[choice].divider?.hasCalled ?? false
            writeChunk { encoder.writeFinish(choice: choice, last, reason, hasCalled: hasCalled, into: &$0) }
        } catch {
            giveUpDiverged()
        }
    }

    /// Better an error than text that does not belong to what the client has.
    private func giveUpDiverged() {
        giveUp()
        fail(ErrorTable.error(ResumeError.diverged))
    }

    /// Puts the prompt in front of a choice, once, if the client wants that.
    private func echo(_ choice: Int) {
        let prompt = prepared.prompt(ofChoice: choice)
        guard let texts = prepared.echoedPrompts, !choices[choice].hasEchoed, texts.indices.contains(prompt) else {
            return
        }
        let tokenizer = prepared.model.tokenizer
        let piece = choices[choice].echo(
            texts[prompt],
            tokens: prepared.logprobCount == nil
                ? [] : prepared.request.prompts[prompt].map { tokenizer.bytes(of: $0) },
            logprobs: promptLogprobs[prompt] ?? [], alternativeCount: prepared.logprobCount ?? 0,
            folds: !prepared.streams)
        guard prepared.streams, progress.echo(choice) else { return }
        writeChunk { encoder.writeDelta(choice: choice, piece, into: &$0) }
    }
}

// Streams.
extension GenerationSession {
    /// What can be said at once: that there will be an answer, and the echoed prompt unless its log-probabilities are
    /// still to come.
    private func writeOpening() {
        for choice in choices.indices where !isOver {
            if progress.open(choice) { writeChunk { encoder.writeOpening(choice: choice, into: &$0) } }
            if prepared.logprobCount == nil { echo(choice) }
        }
    }

    private func writeChunk(_ write: (inout ByteBuffer) -> Void) {
        writeChunk { buffer -> Bool in
            write(&buffer)
            return true
        }
    }

    /// - Parameter write: writes one choice; false when there is nothing to send.
    private func writeChunk(_ write: (inout ByteBuffer) -> Bool) {
        // Out of the session while it is written, since each use of a session's property is checked against all others.
        var chunk = ByteBuffer()
        swap(&chunk, &self.chunk)
        defer { self.chunk = chunk }
        chunk.clear(minimumCapacity: head.readableBytes + 512)
        writeHead(into: &chunk)
        guard write(&chunk) else { return }
        if prepared.reportsUsageContinuously {
            chunk.writeStaticString("],\"usage\":")
            chunk.writeUsage(
                promptTokens: prepared.promptTokenCount,
                completionTokens: choices.reduce(0) { $0 + $1.completionTokenCount }, cachedTokens: nil)
            chunk.writeStaticString("}\n\n")
        } else {
            chunk.writeStaticString(prepared.includesUsage ? "],\"usage\":null}\n\n" : "]}\n\n")
        }
        send(chunk)
    }

    /// What an event begins with: its id, if streams have any, and what all of this stream's events share.
    private func writeHead(into buffer: inout ByteBuffer) {
        ids?.write(progress, now: call.core.surroundings.unixSeconds(), into: &buffer)
        buffer.writeImmutableBuffer(head)
    }

    private func finishStream(_ usage: Usage) {
        var buffer = ByteBuffer()
        if prepared.includesUsage, progress.use() {
            writeHead(into: &buffer)
            buffer.writeStaticString("],\"usage\":")
            buffer.writeUsage(
                promptTokens: usage.promptTokens, completionTokens: usage.completionTokens,
                cachedTokens: usage.cachedTokens)
            buffer.writeStaticString("}\n\n")
        }
        buffer.writeStaticString("data: [DONE]\n\n")
        send(buffer)
        call.finish()
    }

    private func send(_ buffer: ByteBuffer) {
        keepAlive?.wrote()
        if !call.write(buffer) { giveUp() }
    }

    /// A stream that has begun can only fail inside itself: an event with `error`, and no `[DONE]`.
    private func fail(_ error: APIError) {
        guard prepared.streams else { return call.fail(error) }
        var buffer = ByteBuffer()
        buffer.writeStaticString("data: ")
        error.write(into: &buffer)
        buffer.writeStaticString("\n\n")
        send(buffer)
        call.finish()
    }
}

// Answers in one.
extension GenerationSession {
    private func writeAnswer(_ usage: Usage) {
        call.respond { buffer in
            envelope.write(of: Encoder.self, streams: false, into: &buffer)
            for choice in choices.indices {
                if choice > 0 { buffer.writeStaticString(",") }
                let folded = choices[choice].folded
                let piece = prepared.toolCalls.map { ToolCallDivider.divide(folded, $0) } ?? folded
                encoder.writeChoice(choice: choice, piece, choices[choice].finish, into: &buffer)
                if Encoder.putsPromptLogprobsIntoChoices {
                    writePromptLogprobs(prepared.prompt(ofChoice: choice), into: &buffer)
                }
                buffer.writeStaticString("}")
            }
            buffer.writeStaticString("],\"usage\":")
            buffer.writeUsage(
                promptTokens: usage.promptTokens, completionTokens: usage.completionTokens,
                cachedTokens: usage.cachedTokens)
            if !Encoder.putsPromptLogprobsIntoChoices { writePromptLogprobs(0, into: &buffer) }
            buffer.writeStaticString("}")
        }
    }

    private func writePromptLogprobs(_ prompt: Int, into buffer: inout ByteBuffer) {
        guard let count = prepared.promptLogprobCount, promptLogprobs.indices.contains(prompt) else { return }
        buffer.writeStaticString(",\"prompt_logprobs\":")
        buffer.writePromptLogprobs(promptLogprobs[prompt] ?? [], alternativeCount: count)
    }
}
