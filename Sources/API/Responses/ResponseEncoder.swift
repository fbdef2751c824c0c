import NIOCore
import Serving

/// `response` objects, and streams of typed events that build one. Source: OpenAI's API reference, "Responses" and
/// "Streaming events".
struct ResponseEncoder: ReplyEncoder {
    static let namePrefix: StaticString? = "resp_"
    static let streamType = "text/event-stream"

    /// What an answer is made of.
    enum Item {
        case message(text: String)
        case call(name: String, arguments: String)
    }

    enum Status: String {
        case inProgress = "in_progress"
        case completed, incomplete, failed
    }

    let name: ReplyName
    let echo: ResponseEcho
    private(set) var items: [Item] = []
    /// Whether the last item may still grow.
    private var isOpen = false
    private var sequenceNumber = 0

    init(_ name: ReplyName, _ echo: ResponseEcho) {
        self.name = name
        self.echo = echo
    }

    mutating func writeOpening(into buffer: inout ByteBuffer) {
        for type in ["response.created", "response.in_progress"] as [StaticString] {
            writeEvent(type, into: &buffer) { encoder, buffer in
                buffer.writeStaticString(",\"response\":")
                encoder.writeResponse(.inProgress, nil, nil, into: &buffer)
            }
        }
    }

    mutating func writePiece(_ piece: AnswerPiece, into buffer: inout ByteBuffer) {
        if !piece.text.isEmpty { append(text: piece.text, into: &buffer) }
        for call in piece.calls {
            if let name = call.name { open(.call(name: name, arguments: ""), into: &buffer) }
            if !call.arguments.isEmpty { append(arguments: call.arguments, into: &buffer) }
        }
    }

    mutating func writeEnd(_ piece: AnswerPiece, _ end: ReplyEnd, into buffer: inout ByteBuffer) {
        writePiece(piece, into: &buffer)
        if items.isEmpty { open(.message(text: ""), into: &buffer) }
        let status = end.status
        close(status, into: &buffer)
        writeEvent(status == .completed ? "response.completed" : "response.incomplete", into: &buffer) {
            encoder, buffer in
            buffer.writeStaticString(",\"response\":")
            encoder.writeResponse(status, end, nil, into: &buffer)
        }
    }

    mutating func writeFailure(_ error: APIError, into buffer: inout ByteBuffer) {
        writeEvent("response.failed", into: &buffer) { encoder, buffer in
            buffer.writeStaticString(",\"response\":")
            encoder.writeResponse(.failed, nil, error, into: &buffer)
        }
    }

    func writeKeepAlive(into buffer: inout ByteBuffer) { buffer.writeStaticString(": keep-alive\n\n") }

    mutating func writeWhole(_ piece: AnswerPiece, _ end: ReplyEnd, into buffer: inout ByteBuffer) {
        if !piece.text.isEmpty || piece.calls.isEmpty { items.append(.message(text: piece.text)) }
        for call in piece.calls {
            if let name = call.name { items.append(.call(name: name, arguments: call.arguments)) }
        }
        writeResponse(end.status, end, nil, into: &buffer)
    }
}

extension ReplyEnd {
    fileprivate var status: ResponseEncoder.Status { reason == .length ? .incomplete : .completed }
}

// Events.
extension ResponseEncoder {
    /// - Parameter members: what follows type and number, each with its comma.
    private mutating func writeEvent(
        _ type: StaticString, into buffer: inout ByteBuffer, _ members: (Self, inout ByteBuffer) -> Void
    ) {
        buffer.writeStaticString("event: ")
        buffer.writeStaticString(type)
        buffer.writeStaticString("\ndata: {\"type\":\"")
        buffer.writeStaticString(type)
        buffer.writeStaticString("\",\"sequence_number\":")
        buffer.writeJSON(sequenceNumber)
        sequenceNumber += 1
        members(self, &buffer)
        buffer.writeStaticString("}\n\n")
    }

    /// The same for an event of the last item.
    private mutating func writeItemEvent(
        _ type: StaticString, namesItem: Bool = true, into buffer: inout ByteBuffer,
        _ members: (Self, inout ByteBuffer) -> Void
    ) {
        writeEvent(type, into: &buffer) { encoder, buffer in
            let index = encoder.items.count - 1
            if namesItem {
                buffer.writeStaticString(",\"item_id\":")
                buffer.writeJSON(encoder.itemID(index))
            }
            buffer.writeStaticString(",\"output_index\":")
            buffer.writeJSON(index)
            members(encoder, &buffer)
        }
    }

    private mutating func open(_ item: Item, into buffer: inout ByteBuffer) {
        close(.completed, into: &buffer)
        items.append(item)
        isOpen = true
        writeItemEvent("response.output_item.added", namesItem: false, into: &buffer) { encoder, buffer in
            buffer.writeStaticString(",\"item\":")
            encoder.writeItem(encoder.items.count - 1, .inProgress, hasContent: false, into: &buffer)
        }
        guard case .message = item else { return }
        writeItemEvent("response.content_part.added", into: &buffer) { _, buffer in
            buffer.writeStaticString(",\"content_index\":0,\"part\":")
            Self.writePart("", into: &buffer)
        }
    }

    private mutating func append(text: String, into buffer: inout ByteBuffer) {
        if isOpen, case .message(let before) = items.last {
            items[items.count - 1] = .message(text: before + text)
        } else {
            open(.message(text: text), into: &buffer)
        }
        writeItemEvent("response.output_text.delta", into: &buffer) { _, buffer in
            buffer.writeStaticString(",\"content_index\":0,\"delta\":")
            buffer.writeJSON(text)
            buffer.writeStaticString(",\"logprobs\":[]")
        }
    }

    private mutating func append(arguments: String, into buffer: inout ByteBuffer) {
        guard isOpen, case .call(let name, let before) = items.last else { return }
        items[items.count - 1] = .call(name: name, arguments: before + arguments)
        writeItemEvent("response.function_call_arguments.delta", into: &buffer) { _, buffer in
            buffer.writeStaticString(",\"delta\":")
            buffer.writeJSON(arguments)
        }
    }

    /// Ends the last item, if it has not ended.
    private mutating func close(_ status: Status, into buffer: inout ByteBuffer) {
        guard isOpen, let item = items.last else { return }
        isOpen = false
        switch item {
        case .message(let text):
            writeItemEvent("response.output_text.done", into: &buffer) { _, buffer in
                buffer.writeStaticString(",\"content_index\":0,\"text\":")
                buffer.writeJSON(text)
                buffer.writeStaticString(",\"logprobs\":[]")
            }
            writeItemEvent("response.content_part.done", into: &buffer) { _, buffer in
                buffer.writeStaticString(",\"content_index\":0,\"part\":")
                Self.writePart(text, into: &buffer)
            }
        case .call(let name, let arguments):
            writeItemEvent("response.function_call_arguments.done", into: &buffer) { _, buffer in
                buffer.writeStaticString(",\"name\":")
                buffer.writeJSON(name)
                buffer.writeStaticString(",\"arguments\":")
                buffer.writeJSON(arguments)
            }
        }
        writeItemEvent("response.output_item.done", namesItem: false, into: &buffer) { encoder, buffer in
            buffer.writeStaticString(",\"item\":")
            encoder.writeItem(encoder.items.count - 1, status, hasContent: true, into: &buffer)
        }
    }
}
