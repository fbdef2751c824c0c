import NIOCore
import Serving

/// Choices of `chat.completion` and `chat.completion.chunk`.
struct ChatEncoder: AnswerEncoder {
    static let namePrefix: StaticString = "chatcmpl-"
    static let object: StaticString = "chat.completion"
    static let chunkObject: StaticString = "chat.completion.chunk"
    static let putsPromptLogprobsIntoChoices = false
    private let showsLogprobs: Bool

    init(_ prepared: PreparedGeneration) {
        showsLogprobs = prepared.logprobCount != nil
    }

    func writeOpening(choice: Int, into buffer: inout ByteBuffer) -> Bool {
        writeIndex(choice, into: &buffer)
        buffer.writeStaticString(
            ",\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"logprobs\":null,\"finish_reason\":null}")
        return true
    }

    func writeDelta(choice: Int, _ piece: AnswerPiece, into buffer: inout ByteBuffer) {
        writeIndex(choice, into: &buffer)
        buffer.writeStaticString(",\"delta\":{\"content\":")
        buffer.writeJSON(piece.text)
        buffer.writeStaticString("},\"logprobs\":")
        writeLogprobs(piece.tokens, into: &buffer)
        buffer.writeStaticString(",\"finish_reason\":null}")
    }

    func writeFinish(choice: Int, _ reason: FinishReason, into buffer: inout ByteBuffer) {
        writeIndex(choice, into: &buffer)
        buffer.writeStaticString(",\"delta\":{},\"logprobs\":null,\"finish_reason\":")
        buffer.writeFinishReason(reason)
        buffer.writeStaticString("}")
    }

    func writeChoice(choice: Int, _ piece: AnswerPiece, _ reason: FinishReason?, into buffer: inout ByteBuffer) {
        writeIndex(choice, into: &buffer)
        buffer.writeStaticString(",\"message\":{\"role\":\"assistant\",\"content\":")
        buffer.writeJSON(piece.text)
        buffer.writeStaticString(",\"refusal\":null},\"logprobs\":")
        writeLogprobs(piece.tokens, into: &buffer)
        buffer.writeStaticString(",\"finish_reason\":")
        buffer.writeFinishReason(reason)
    }

    private func writeIndex(_ choice: Int, into buffer: inout ByteBuffer) {
        buffer.writeStaticString("{\"index\":")
        buffer.writeJSON(choice)
    }

    private func writeLogprobs(_ tokens: [PlacedToken], into buffer: inout ByteBuffer) {
        guard showsLogprobs else {
            buffer.writeStaticString("null")
            return
        }
        buffer.writeStaticString("{\"content\":")
        buffer.writeJSONList(tokens) { buffer, token in
            Self.writeToken(token.bytes, token.logprob, into: &buffer)
            buffer.writeStaticString(",\"top_logprobs\":")
            buffer.writeJSONList(token.top) { buffer, other in
                Self.writeToken(other.bytes, other.logprob, into: &buffer)
                buffer.writeStaticString("}")
            }
            buffer.writeStaticString("}")
        }
        buffer.writeStaticString(",\"refusal\":null}")
    }

    /// Without the closing brace. A token that is part of a character reads as U+FFFD; its bytes tell what it is.
    private static func writeToken(_ bytes: [UInt8], _ logprob: Float?, into buffer: inout ByteBuffer) {
        buffer.writeStaticString("{\"token\":")
        buffer.writeJSON(String(decoding: bytes, as: UTF8.self))
        buffer.writeStaticString(",\"logprob\":")
        if let logprob { buffer.writeJSON(logprob) } else { buffer.writeStaticString("null") }
        buffer.writeStaticString(",\"bytes\":")
        buffer.writeJSONList(bytes) { $0.writeJSON(Int($1)) }
    }
}
