import Inference
import NIOCore
import Serving

/// One response to a v2 request, in no encoding yet.
struct InferResponse: Equatable, Sendable {
    var model: String
    var id: String
    var outputs: [Tensor]
    /// Those that are sent as bytes.
    var binaryOutputs: Set<TextOutput> = []
    /// Whether more follow on a stream; nil where there is one response only.
    var isFinal: Bool?
}

/// Carries one v2 request from the service to whoever encodes its responses, and counts what it costs.
///
/// Can be: waiting, running, then over. Over is when the service has finished or failed, or when it was cancelled.
final class TextInference: GenerationReceiver {
    enum Reply {
        case response(InferResponse)
        /// No response follows.
        case finished
        case failed(APIError)
    }

    private let prepared: PreparedInference
    private let core: APICore
    private let caller: Caller
    private let source: RequestSource?
    private let loop: any EventLoop
    private let trace: RequestTrace?
    private let origin: RequestOrigin?
    /// nil once it is over: it may hold whoever holds this.
    private var reply: ((Reply) -> Void)?
    private let counters: InferenceCounters
    private var times: InferenceTimes
    private var answers: [TextAnswer]
    private var request: RequestID?
    private var hasResponded = false
    private var isOver = false

    /// - Parameters:
    ///   - source: how it can be made for another model.
    ///   - startedAt: when the request had arrived.
    ///   - trace: its place in a trace; nil where nothing is traced.
    ///   - origin: for the log.
    ///   - reply: called on the event loop, never from inside `start`.
    init(
        _ prepared: PreparedInference, core: APICore, caller: Caller, source: RequestSource?, startedAt: NIODeadline,
        loop: any EventLoop, trace: RequestTrace?, origin: RequestOrigin?, reply: @escaping (Reply) -> Void
    ) {
        self.prepared = prepared
        self.core = core
        self.caller = caller
        self.source = source
        self.loop = loop
        self.trace = trace
        self.origin = origin
        self.reply = reply
        counters = core.inference.counters(prepared.model.name)
        times = InferenceTimes(startedAt: startedAt, submittedAt: loop.now)
        answers = (0..<prepared.generation.choiceCount).map { _ in TextAnswer() }
    }

    /// Queues the request.
    /// - Throws: what the service refuses at once; there is no reply then.
    func start() throws(APIError) {
        var asked = prepared.generation.request
        asked.trace = trace
        asked.origin = origin
        counters.arrived(unixSeconds: core.surroundings.unixSeconds())
        do throws(APIError) { try core.assign(&asked, to: caller) } catch {
            core.refused(code: error.code)
            counters.failed(error, times, at: loop.now, wasPending: false)
            throw error
        }
        do {
            request = try core.service.submit(asked, receiver: core.receiver(self, of: caller))
        } catch {
            core.giveBack(asked, of: caller)
            let refusal = refusal(error)
            counters.failed(refusal, times, at: loop.now, wasPending: false)
            throw refusal
        }
        counters.pending(1)
        core.copy(asked, source, on: loop)
    }

    /// The client has had enough. No reply follows.
    func cancel() {
        guard !isOver else { return }
        isOver = true
        reply = nil
        counters.cancelled(times, at: loop.now)
        if let request { core.service.cancel(request) }
    }

    package func generationProduced(_ event: GenerationEvent) {
        guard !isOver else { return }
        switch event {
        case .admitted:
            // Told again for each choice, and when one has moved.
            guard times.admittedAt == nil else { return }
            counters.pending(-1)
            times.admittedAt = loop.now
        case .promptLogprobs: break
        case .pooled(let choice, let values):
            if answers.indices.contains(choice) { answers[choice].vector = values }
        case .delta(let choice, let text, let tokens, let logprobs):
            guard answers.indices.contains(choice) else { return }
            answers[choice].append(text, tokens, logprobs)
            if prepared.generation.streams { respond(isFinal: false) }
        case .choiceFinished(let choice, let reason):
            guard answers.indices.contains(choice) else { return }
            answers[choice].finish(reason, includesStop: prepared.generation.request.includesStopString)
        case .finished: finish()
        case .failed(let error):
            isOver = true
            let refusal = refusal(error)
            counters.failed(refusal, times, at: loop.now, wasPending: times.admittedAt == nil)
            reply?(.failed(refusal))
            reply = nil
        }
    }

    private func finish() {
        isOver = true
        times.endedAt = loop.now
        if !prepared.generation.streams {
            respond(isFinal: nil)
        } else if prepared.outputs != [.text] || !hasResponded {
            respond(isFinal: true)
        } else if prepared.wantsEmptyFinalResponse {
            reply?(.response(InferResponse(model: prepared.model.name, id: prepared.id, outputs: [], isFinal: true)))
        }
        reply?(.finished)
        reply = nil
        counters.succeeded(times, at: loop.now, sequenceCount: answers.count, wasPending: times.admittedAt == nil)
    }

    /// Sends what the answers hold. On a stream the next response goes on from there.
    private func respond(isFinal: Bool?) {
        if isFinal != nil, !hasResponded { counters.firstResponse(times, at: loop.now) }
        hasResponded = true
        let shown = prepared.outputs.filter { $0 != .finishReason || isFinal != false }
        let response = InferResponse(
            model: prepared.model.name, id: prepared.id, outputs: prepared.tensors(shown, of: answers),
            binaryOutputs: prepared.binaryOutputs, isFinal: isFinal)
        if isFinal != nil { for choice in answers.indices { answers[choice].startNextPiece() } }
        reply?(.response(response))
    }

    private func refusal(_ error: ServeError) -> APIError {
        ErrorTable.error(error, promptField: TextInput.text.rawValue, options: core.options)
    }
}

/// One answer as it grows, or the piece of it that was not sent yet.
struct TextAnswer: Sendable {
    private(set) var text = ""
    private(set) var tokens: [TokenID] = []
    private(set) var logged: [LoggedToken] = []
    /// With the stop token, which is no part of the text.
    private(set) var tokenCount = 0
    /// Over the whole answer.
    private(set) var cumulativeLogprob: Float = 0
    private(set) var finishReason: FinishReason?
    /// What was made of a text that was read as a whole.
    var vector: [Float] = []

    mutating func append(_ text: String, _ tokens: [TokenID], _ logged: [LoggedToken]) {
        self.text += text
        self.tokens += tokens
        self.logged += logged
        tokenCount += tokens.count
        for token in logged { cumulativeLogprob += token.chosen.logprob }
    }

    mutating func finish(_ reason: FinishReason, includesStop: Bool) {
        finishReason = reason
        if reason == .stop(nil), !includesStop { tokenCount += 1 }
    }

    mutating func startNextPiece() {
        text = ""
        tokens.removeAll(keepingCapacity: true)
        logged.removeAll(keepingCapacity: true)
        tokenCount = 0
    }
}

extension PreparedInference {
    /// - Parameter answers: one for each choice of each prompt.
    func tensors(_ outputs: [TextOutput], of answers: [TextAnswer]) -> [Tensor] {
        outputs.map { output in
            let spec = output.spec
            var shape = answerShape
            var type = spec.types.first ?? .bytes
            let elements: TensorElements
            switch output {
            case .text:
                elements = .texts(
                    answers.indices.map { choice in
                        guard let prompts = generation.echoedPrompts else { return answers[choice].text }
                        return prompts[generation.prompt(ofChoice: choice)] + answers[choice].text
                    })
            case .tokens:
                let tokens = answers.flatMap { $0.tokens.map { Int64($0) } }
                shape = Array(repeating: 1, count: tokenRank - 1) + [tokens.count]
                type = tokenType
                elements = .integers(tokens)
            case .finishReason:
                elements = .texts(
                    answers.map { answer in
                        switch answer.finishReason {
                        case .stop: "stop"
                        case .length: "length"
                        case nil: ""
                        }
                    })
            case .cumulativeLogprob: elements = .floats(answers.map(\.cumulativeLogprob))
            case .logprobs: elements = .texts(answers.map { logprobText($0.logged) })
            case .inputTokenCount:
                shape = [generation.request.prompts.count]
                elements = .integers(generation.request.prompts.map { Int64($0.count) })
            case .embedding:
                shape = [answers.count, answers.first?.vector.count ?? 0]
                elements = .floats(answers.flatMap(\.vector))
            case .outputTokenCount: elements = .integers(answers.map { Int64($0.tokenCount) })
            }
            return Tensor(name: spec.name, type: type, shape: shape, elements: elements)
        }
    }

    private func logprobText(_ tokens: [LoggedToken]) -> String {
        var buffer = ByteBuffer()
        buffer.writeJSONList(tokens) {
            $0.writeByTokenID($1, alternativeCount: generation.logprobCount ?? 0)
        }
        return String(buffer: buffer)
    }
}
