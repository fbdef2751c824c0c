import NIOCore
import Serving

/// Choices of `chat.completion` and `chat.completion.chunk`.
struct ChatEncoder: AnswerEncoder {
    static let namePrefix: StaticString = "chatcmpl-"
    static let object: StaticString = "chat.completion"
    static let chunkObject: StaticString = "chat.completion.chunk"
    static let putsPromptLogprobsIntoChoices = false
    private let showsLogprobs: Bool
    /// What ids of calls begin with: the answer's own name. In letters only where it is used, which is seldom.
    private let name: (high: UInt64, low: UInt64)

    init(_ prepared: PreparedGeneration, name: (high: UInt64, low: UInt64)) {
        showsLogprobs = prepared.logprobCount != nil
        self.name = name
    }

    func writeOpening(choice: Int, into buffer: inout ByteBuffer) -> Bool {
        writeIndex(choice, into: &buffer)
        buffer.writeStaticString(
            ",\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"logprobs\":null,\"finish_reason\":null}")
        return true
    }

    func writeDelta(choice: Int, _ piece: AnswerPiece, into buffer: inout ByteBuffer) {
        writeIndex(choice, into: &buffer)
        // Nearly all of a stream's events are this, which is what the rest would write.
        if !showsLogprobs, piece.calls.isEmpty {
            buffer.writeStaticString(",\"delta\":{\"content\":")
            buffer.writeJSON(piece.text)
            buffer.writeStaticString("},\"logprobs\":null,\"finish_reason\":null}")
            return
        }
        writeDelta(of: choice, piece, into: &buffer)
        buffer.writeStaticString(",\"logprobs\":")
        writeLogprobs(piece.tokens, into: &buffer)
        buffer.writeStaticString(",\"finish_reason\":null}")
    }

    func writeFinish(
        choice: Int, _ piece: AnswerPiece, _ reason: FinishReason, hasCalled: Bool, into buffer: inout ByteBuffer
    ) {
        writeIndex(choice, into: &buffer)
        if piece.isEmpty {
            buffer.writeStaticString(",\"delta\":{}")
        } else {
            writeDelta(of: choice, piece, into: &buffer)
        }
        buffer.writeStaticString(",\"logprobs\":null,\"finish_reason\":")
        buffer.writeFinishReason(reason, hasCalled: hasCalled)
        buffer.writeStaticString("}")
    }

    func writeChoice(choice: Int, _ piece: AnswerPiece, _ reason: FinishReason?, into buffer: inout ByteBuffer) {
        writeIndex(choice, into: &buffer)
        buffer.writeStaticString(",\"message\":{\"role\":\"assistant\",")
        writeContent(of: choice, piece, areWhole: true, into: &buffer)
        buffer.writeStaticString(",\"refusal\":null},\"logprobs\":")
        writeLogprobs(piece.tokens, into: &buffer)
        buffer.writeStaticString(",\"finish_reason\":")
        buffer.writeFinishReason(reason, hasCalled: !piece.calls.isEmpty)
    }

    private func writeDelta(of choice: Int, _ piece: AnswerPiece, into buffer: inout ByteBuffer) {
        buffer.writeStaticString(",\"delta\":{")
        writeContent(of: choice, piece, areWhole: false, into: &buffer)
        buffer.writeStaticString("}")
    }

    /// - Parameter areWhole: of an answer in one, where a call needs no index.
    private func writeContent(of choice: Int, _ piece: AnswerPiece, areWhole: Bool, into buffer: inout ByteBuffer) {
        buffer.writeStaticString("\"content\":")
        if piece.text.isEmpty && !piece.calls.isEmpty {
            buffer.writeStaticString("null")
        } else {
            buffer.writeJSON(piece.text)
        }
        guard !piece.calls.isEmpty else { return }
        buffer.writeStaticString(",\"tool_calls\":")
        buffer.writeJSONList(piece.calls) { buffer, call in
            buffer.writeStaticString("{")
            if !areWhole {
                buffer.writeStaticString("\"index\":")
                buffer.writeJSON(call.index)
                buffer.writeStaticString(",")
            }
            if let function = call.name {
                buffer.writeStaticString("\"id\":")
                buffer.writeJSON("call_\(APICore.text(name))_\(choice)_\(call.index)")
                buffer.writeStaticString(",\"type\":\"function\",\"function\":{\"name\":")
                buffer.writeJSON(function)
                buffer.writeStaticString(",\"arguments\":")
            } else {
                buffer.writeStaticString("\"function\":{\"arguments\":")
            }
            buffer.writeJSON(call.arguments)
            buffer.writeStaticString("}}")
        }
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
