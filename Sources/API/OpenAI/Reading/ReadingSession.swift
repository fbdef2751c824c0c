import Inference
import NIOCore
import Serving

/// Carries texts to be read as wholes to the service, and what was made of them to one answer.
///
/// Waits, and is over when the service has finished or failed, or when the client is gone; the latter cancels at the
/// service before it returns.
final class ReadingSession: GenerationReceiver {
    /// Writes the answer's body.
    /// - Parameter results: of each text, in order.
    typealias Answer = (_ results: [[Float]], Usage, _ name: String, inout ByteBuffer) -> Void

    private let call: APICall
    private let promptField: String
    private let answer: Answer
    private var results: [[Float]]
    private var request: RequestID?
    private var isOver = false

    /// - Parameter promptField: the field that holds the texts.
    static func start(_ call: APICall, _ prepared: PreparedReading, promptField: String, answer: @escaping Answer) {
        ReadingSession(call, prepared, promptField, answer).submit(prepared.request)
    }

    private init(
        _ call: APICall, _ prepared: PreparedReading, _ promptField: String, _ answer: @escaping Answer
    ) {
        self.call = call
        self.promptField = promptField
        self.answer = answer
        results = Array(repeating: [], count: prepared.request.prompts.count)
    }

    private func submit(_ wanted: GenerationRequest) {
        guard let id = call.submit(wanted, promptField: promptField, receiver: self) else { return }
        request = id
        call.whenGone = { self.giveUp() }
    }

    private func giveUp() {
        guard !isOver else { return }
        isOver = true
        if let request { call.core.service.cancel(request) }
    }

    package func generationProduced(_ event: GenerationEvent) {
        guard !isOver else { return }
        switch event {
        case .admitted, .delta, .promptLogprobs, .choiceFinished: break
        case .pooled(let text, let values):
            if results.indices.contains(text) { results[text] = values }
        case .finished(let usage):
            isOver = true
            call.whenGone = nil
            call.respond { answer(results, usage, call.core.freshName(), &$0) }
        case .failed(let error):
            isOver = true
            call.whenGone = nil
            call.fail(ErrorTable.error(error, promptField: promptField, options: call.core.options))
        }
    }
}

extension ByteBuffer {
    /// Of a request without output.
    mutating func writeReadingUsage(_ usage: Usage) {
        writeStaticString("{\"prompt_tokens\":")
        writeJSON(usage.promptTokens)
        writeStaticString(",\"total_tokens\":")
        writeJSON(usage.promptTokens)
        writeStaticString("}")
    }
}
