import JSON
import NIOCore
import Serving

/// `message` objects, and the events that build one. Source: Anthropic's API reference, "Streaming messages".
struct MessageEncoder: ReplyEncoder {
    static let namePrefix: StaticString? = "msg_"
    static let streamType = "text/event-stream"

    private enum Block {
        case text
        case toolUse
    }

    private let name: ReplyName
    /// The block that has begun and not ended.
    private var open: Block?
    private var blockCount = 0
    private var callCount = 0

    init(_ name: ReplyName) { self.name = name }

    mutating func writeOpening(into buffer: inout ByteBuffer) {
        Self.writeEvent("message_start", into: &buffer) { buffer in
            buffer.writeStaticString(",\"message\":")
            writeHead(into: &buffer)
            buffer.writeStaticString("[],\"stop_reason\":null,\"stop_sequence\":null,\"usage\":")
            // What the cache has of the prompt is not known yet.
            Self.write(
                Usage(promptTokens: name.promptTokenCount, completionTokens: 0, cachedTokens: 0), into: &buffer)
            buffer.writeStaticString("}")
        }
        writeKeepAlive(into: &buffer)
    }

    mutating func writePiece(_ piece: AnswerPiece, into buffer: inout ByteBuffer) {
        if !piece.text.isEmpty {
            if open != .text {
                begin(.text, into: &buffer) { $0.writeStaticString("{\"type\":\"text\",\"text\":\"\"}") }
            }
            writeDelta("{\"type\":\"text_delta\",\"text\":", piece.text, into: &buffer)
        }
        for call in piece.calls {
            if let function = call.name {
                let id = nextCallID()
                begin(.toolUse, into: &buffer) { buffer in
                    Self.writeToolUse(id, function, into: &buffer) { $0.writeStaticString("{}") }
                }
            }
            guard open == .toolUse, !call.arguments.isEmpty else { continue }
            writeDelta("{\"type\":\"input_json_delta\",\"partial_json\":", call.arguments, into: &buffer)
        }
    }

    mutating func writeEnd(_ piece: AnswerPiece, _ end: ReplyEnd, into buffer: inout ByteBuffer) {
        writePiece(piece, into: &buffer)
        finishBlock(into: &buffer)
        Self.writeEvent("message_delta", into: &buffer) { buffer in
            buffer.writeStaticString(",\"delta\":{")
            Self.writeStop(end.reason, hasCalled: callCount > 0, into: &buffer)
            buffer.writeStaticString("},\"usage\":")
            Self.write(end.usage, into: &buffer)
        }
        Self.writeEvent("message_stop", into: &buffer) { _ in }
    }

    mutating func writeFailure(_ error: APIError, into buffer: inout ByteBuffer) {
        buffer.writeStaticString("event: error\ndata: ")
        error.writeTyped(requestID: name.requestID, into: &buffer)
        buffer.writeStaticString("\n\n")
    }

    func writeKeepAlive(into buffer: inout ByteBuffer) { Self.writeEvent("ping", into: &buffer) { _ in } }

    mutating func writeWhole(_ piece: AnswerPiece, _ end: ReplyEnd, into buffer: inout ByteBuffer) {
        writeHead(into: &buffer)
        buffer.writeStaticString("[")
        if !piece.text.isEmpty {
            buffer.writeStaticString("{\"type\":\"text\",\"text\":")
            buffer.writeJSON(piece.text)
            buffer.writeStaticString("}")
            blockCount += 1
        }
        for call in piece.calls {
            guard let function = call.name else { continue }
            if blockCount > 0 { buffer.writeStaticString(",") }
            blockCount += 1
            Self.writeToolUse(nextCallID(), function, into: &buffer) {
                $0.writeJSON(.object(CalledPiece.object(call.arguments)))
            }
        }
        buffer.writeStaticString("],")
        Self.writeStop(end.reason, hasCalled: callCount > 0, into: &buffer)
        buffer.writeStaticString(",\"usage\":")
        Self.write(end.usage, into: &buffer)
        buffer.writeStaticString("}")
    }
}

// Blocks.
extension MessageEncoder {
    private mutating func begin(
        _ block: Block, into buffer: inout ByteBuffer, _ content: (inout ByteBuffer) -> Void
    ) {
        finishBlock(into: &buffer)
        open = block
        Self.writeEvent("content_block_start", into: &buffer) { buffer in
            buffer.writeStaticString(",\"index\":")
            buffer.writeJSON(blockCount)
            buffer.writeStaticString(",\"content_block\":")
            content(&buffer)
        }
        blockCount += 1
    }

    private func writeDelta(_ opening: StaticString, _ text: String, into buffer: inout ByteBuffer) {
        Self.writeEvent("content_block_delta", into: &buffer) { buffer in
            buffer.writeStaticString(",\"index\":")
            buffer.writeJSON(blockCount - 1)
            buffer.writeStaticString(",\"delta\":")
            buffer.writeStaticString(opening)
            buffer.writeJSON(text)
            buffer.writeStaticString("}")
        }
    }

    private mutating func finishBlock(into buffer: inout ByteBuffer) {
        guard open != nil else { return }
        open = nil
        Self.writeEvent("content_block_stop", into: &buffer) { buffer in
            buffer.writeStaticString(",\"index\":")
            buffer.writeJSON(blockCount - 1)
        }
    }

    private mutating func nextCallID() -> String {
        defer { callCount += 1 }
        return "toolu_\(name.text)_\(callCount)"
    }
}

// Parts of the object.
extension MessageEncoder {
    /// - Parameter members: what follows the type, each with its comma.
    private static func writeEvent(
        _ type: StaticString, into buffer: inout ByteBuffer, _ members: (inout ByteBuffer) -> Void
    ) {
        buffer.writeStaticString("event: ")
        buffer.writeStaticString(type)
        buffer.writeStaticString("\ndata: {\"type\":\"")
        buffer.writeStaticString(type)
        buffer.writeStaticString("\"")
        members(&buffer)
        buffer.writeStaticString("}\n\n")
    }

    /// As far as the value of `content`.
    private func writeHead(into buffer: inout ByteBuffer) {
        buffer.writeStaticString("{\"id\":")
        buffer.writeJSON("msg_" + name.text)
        buffer.writeStaticString(",\"type\":\"message\",\"role\":\"assistant\",\"model\":")
        buffer.writeJSON(name.model)
        buffer.writeStaticString(",\"content\":")
    }

    private static func writeToolUse(
        _ id: String, _ function: String, into buffer: inout ByteBuffer, _ input: (inout ByteBuffer) -> Void
    ) {
        buffer.writeStaticString("{\"type\":\"tool_use\",\"id\":")
        buffer.writeJSON(id)
        buffer.writeStaticString(",\"name\":")
        buffer.writeJSON(function)
        buffer.writeStaticString(",\"input\":")
        input(&buffer)
        buffer.writeStaticString("}")
    }

    private static func writeStop(_ reason: FinishReason, hasCalled: Bool, into buffer: inout ByteBuffer) {
        buffer.writeStaticString("\"stop_reason\":")
        var sequence: String?
        switch reason {
        case .length: buffer.writeStaticString("\"max_tokens\"")
        case .stop(let string?):
            sequence = string
            buffer.writeStaticString("\"stop_sequence\"")
        case .stop(nil): buffer.writeStaticString(hasCalled ? "\"tool_use\"" : "\"end_turn\"")
        }
        buffer.writeStaticString(",\"stop_sequence\":")
        buffer.writeJSON(sequence)
    }

    /// `input_tokens` are those that the cache did not have.
    private static func write(_ usage: Usage, into buffer: inout ByteBuffer) {
        buffer.writeStaticString("{\"input_tokens\":")
        buffer.writeJSON(max(0, usage.promptTokens - usage.cachedTokens))
        buffer.writeStaticString(",\"cache_creation_input_tokens\":0,\"cache_read_input_tokens\":")
        buffer.writeJSON(usage.cachedTokens)
        buffer.writeStaticString(",\"output_tokens\":")
        buffer.writeJSON(usage.completionTokens)
        buffer.writeStaticString("}")
    }
}
