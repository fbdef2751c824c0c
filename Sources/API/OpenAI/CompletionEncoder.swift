import NIOCore
import Serving

/// Choices of `text_completion`, which is the object's name in streams as well.
struct CompletionEncoder: AnswerEncoder {
    static let namePrefix: StaticString = "cmpl-"
    static let object: StaticString = "text_completion"
    static let chunkObject: StaticString = "text_completion"
    static let putsPromptLogprobsIntoChoices = true
    private let logprobCount: Int?

    init(_ prepared: PreparedGeneration) {
        logprobCount = prepared.logprobCount
    }

    func writeOpening(choice: Int, into buffer: inout ByteBuffer) -> Bool { false }

    func writeDelta(choice: Int, _ piece: AnswerPiece, into buffer: inout ByteBuffer) {
        writeChoice(choice: choice, piece, nil, into: &buffer)
        buffer.writeStaticString("}")
    }

    func writeFinish(
        choice: Int, _ piece: AnswerPiece, _ reason: FinishReason, hasCalled: Bool, into buffer: inout ByteBuffer
    ) {
        writeText(piece.text, choice: choice, into: &buffer)
        buffer.writeStaticString("null,\"finish_reason\":")
        buffer.writeFinishReason(reason)
        buffer.writeStaticString("}")
    }

    func writeChoice(choice: Int, _ piece: AnswerPiece, _ reason: FinishReason?, into buffer: inout ByteBuffer) {
        writeText(piece.text, choice: choice, into: &buffer)
        writeLogprobs(piece.tokens, into: &buffer)
        buffer.writeStaticString(",\"finish_reason\":")
        buffer.writeFinishReason(reason)
    }

    private func writeText(_ text: String, choice: Int, into buffer: inout ByteBuffer) {
        buffer.writeStaticString("{\"text\":")
        buffer.writeJSON(text)
        buffer.writeStaticString(",\"index\":")
        buffer.writeJSON(choice)
        buffer.writeStaticString(",\"logprobs\":")
    }

    private func writeLogprobs(_ tokens: [PlacedToken], into buffer: inout ByteBuffer) {
        guard let logprobCount else {
            buffer.writeStaticString("null")
            return
        }
        buffer.writeStaticString("{\"tokens\":")
        buffer.writeJSONList(tokens) { $0.writeJSON(Self.text($1.bytes)) }
        buffer.writeStaticString(",\"token_logprobs\":")
        buffer.writeJSONList(tokens) { buffer, token in
            if let logprob = token.logprob { buffer.writeJSON(logprob) } else { buffer.writeStaticString("null") }
        }
        buffer.writeStaticString(",\"top_logprobs\":")
        if logprobCount == 0 {
            buffer.writeStaticString("null")
        } else {
            buffer.writeJSONList(tokens) { Self.writeTop($1, into: &$0) }
        }
        buffer.writeStaticString(",\"text_offset\":")
        buffer.writeJSONList(tokens) { $0.writeJSON($1.textOffset) }
        buffer.writeStaticString("}")
    }

    /// The alternatives by text, the chosen token last if it is not among them. Each text once: the likeliest.
    private static func writeTop(_ token: PlacedToken, into buffer: inout ByteBuffer) {
        guard let logprob = token.logprob else {
            buffer.writeStaticString("null")
            return
        }
        var entries: [(text: String, logprob: Float)] = []
        for (bytes, logprob) in token.top.map({ ($0.bytes, $0.logprob) }) + [(token.bytes, logprob)] {
            let text = text(bytes)
            if !entries.contains(where: { $0.text == text }) { entries.append((text, logprob)) }
        }
        buffer.writeStaticString("{")
        for (index, entry) in entries.enumerated() {
            if index > 0 { buffer.writeStaticString(",") }
            buffer.writeJSON(entry.text)
            buffer.writeStaticString(":")
            buffer.writeJSON(entry.logprob)
        }
        buffer.writeStaticString("}")
    }

    /// A token as text; one that is no whole character as OpenAI's completions write it: `bytes:\xe2\x80`.
    private static func text(_ bytes: [UInt8]) -> String {
        if let text = String(validating: bytes, as: UTF8.self) { return text }
        return bytes.reduce(into: "bytes:") { text, byte in
            text += "\\x" + (byte < 16 ? "0" : "") + String(byte, radix: 16)
        }
    }
}
