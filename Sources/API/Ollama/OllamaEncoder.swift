import JSON
import NIOCore
import Serving

/// Lines of JSON, the last of them with `done`; a whole answer is that line alone. Times are in nanoseconds.
struct OllamaEncoder: ReplyEncoder {
    static let namePrefix: StaticString? = nil
    static let streamType = "application/x-ndjson"

    private let name: ReplyName
    private let kind: Ollama.Call
    /// A call that may still grow: its arguments are sent as an object, and so when they are whole.
    private var call: CalledPiece?

    init(_ name: ReplyName, _ kind: Ollama.Call) {
        self.name = name
        self.kind = kind
    }

    mutating func writeOpening(into buffer: inout ByteBuffer) {}

    mutating func writePiece(_ piece: AnswerPiece, into buffer: inout ByteBuffer) {
        if !piece.text.isEmpty { writeLine(piece.text, [], into: &buffer) }
        for stretch in piece.calls {
            if stretch.name == nil {
                call?.arguments += stretch.arguments
            } else {
                writeCall(into: &buffer)
                call = stretch
            }
        }
    }

    mutating func writeEnd(_ piece: AnswerPiece, _ end: ReplyEnd, into buffer: inout ByteBuffer) {
        writePiece(piece, into: &buffer)
        writeCall(into: &buffer)
        writeWhole(AnswerPiece(), end, into: &buffer)
        buffer.writeStaticString("\n")
    }

    mutating func writeFailure(_ error: APIError, into buffer: inout ByteBuffer) {
        error.writeSentence(into: &buffer)
        buffer.writeStaticString("\n")
    }

    /// There are no comments among lines of JSON: a piece without text does instead.
    func writeKeepAlive(into buffer: inout ByteBuffer) { writeLine("", [], into: &buffer) }

    mutating func writeWhole(_ piece: AnswerPiece, _ end: ReplyEnd, into buffer: inout ByteBuffer) {
        writeContent(piece.text, piece.calls, into: &buffer)
        buffer.writeStaticString(",\"done\":true,\"done_reason\":")
        buffer.writeStaticString(end.reason == .length ? "\"length\"" : "\"stop\"")
        let counts: KeyValuePairs<StaticString, Int64> = [
            "total_duration": end.nanoseconds.end, "load_duration": 0,
            "prompt_eval_count": Int64(end.usage.promptTokens), "prompt_eval_duration": end.nanoseconds.first,
            "eval_count": Int64(end.usage.completionTokens),
            "eval_duration": end.nanoseconds.end - end.nanoseconds.first,
        ]
        for (field, count) in counts {
            buffer.writeStaticString(",\"")
            buffer.writeStaticString(field)
            buffer.writeStaticString("\":")
            buffer.writeJSON(count)
        }
        buffer.writeStaticString("}")
    }

    /// The answer to a request that has nothing to say.
    mutating func writeLoaded(into buffer: inout ByteBuffer) {
        writeContent("", [], into: &buffer)
        buffer.writeStaticString(",\"done\":true,\"done_reason\":\"load\"}")
    }

    private mutating func writeCall(into buffer: inout ByteBuffer) {
        guard let call else { return }
        self.call = nil
        writeLine("", [call], into: &buffer)
    }

    private func writeLine(_ text: String, _ calls: [CalledPiece], into buffer: inout ByteBuffer) {
        writeContent(text, calls, into: &buffer)
        buffer.writeStaticString(",\"done\":false}\n")
    }

    /// Without the closing brace.
    private func writeContent(_ text: String, _ calls: [CalledPiece], into buffer: inout ByteBuffer) {
        buffer.writeStaticString("{\"model\":")
        buffer.writeJSON(name.model)
        buffer.writeStaticString(",\"created_at\":")
        buffer.writeJSON(UTCTime.text(unixSeconds: name.created))
        switch kind {
        case .generate:
            buffer.writeStaticString(",\"response\":")
            buffer.writeJSON(text)
        case .chat:
            buffer.writeStaticString(",\"message\":{\"role\":\"assistant\",\"content\":")
            buffer.writeJSON(text)
            if !calls.isEmpty {
                buffer.writeStaticString(",\"tool_calls\":")
                buffer.writeJSONList(calls) { buffer, call in
                    buffer.writeStaticString("{\"function\":{\"name\":")
                    buffer.writeJSON(call.name ?? "")
                    buffer.writeStaticString(",\"arguments\":")
                    buffer.writeJSON(.object(CalledPiece.object(call.arguments)))
                    buffer.writeStaticString("}}")
                }
            }
            buffer.writeStaticString("}")
        }
    }
}
