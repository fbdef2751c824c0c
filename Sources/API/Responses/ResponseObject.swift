import NIOCore
import Serving

// The response itself, as far as it has come, and its items.
extension ResponseEncoder {
    /// - Parameters:
    ///   - end: nil while there is more to come.
    ///   - error: of a response that failed.
    func writeResponse(
        _ status: Status, _ end: ReplyEnd?, _ error: APIError?, into buffer: inout ByteBuffer
    ) {
        buffer.writeStaticString("{\"id\":")
        buffer.writeJSON("resp_" + name.text)
        buffer.writeStaticString(",\"object\":\"response\",\"created_at\":")
        buffer.writeJSON(name.created)
        buffer.writeStaticString(",\"status\":")
        buffer.writeJSON(status.rawValue)
        buffer.writeStaticString(",\"background\":false,\"error\":")
        if let error { Self.write(error, into: &buffer) } else { buffer.writeStaticString("null") }
        buffer.writeStaticString(",\"incomplete_details\":")
        buffer.writeStaticString(status == .incomplete ? "{\"reason\":\"max_output_tokens\"}" : "null")
        buffer.writeStaticString(",\"instructions\":")
        buffer.writeJSON(echo.instructions)
        buffer.writeStaticString(",\"max_output_tokens\":")
        if let limit = echo.maxOutputTokens { buffer.writeJSON(limit) } else { buffer.writeStaticString("null") }
        buffer.writeStaticString(",\"model\":")
        buffer.writeJSON(name.model)
        buffer.writeStaticString(",\"output\":")
        // Of what has not come yet nothing is said.
        let shown = status == .inProgress ? 0..<0 : items.indices
        buffer.writeJSONList(shown) { buffer, index in
            let isLast = index == items.count - 1
            writeItem(
                index, isLast && status != .completed ? .incomplete : .completed, hasContent: true, into: &buffer)
        }
        buffer.writeStaticString(",\"parallel_tool_calls\":")
        buffer.writeJSON(echo.isParallel)
        buffer.writeStaticString(
            ",\"previous_response_id\":null,\"reasoning\":{\"effort\":null,\"summary\":null},\"store\":false")
        buffer.writeStaticString(",\"temperature\":")
        buffer.writeJSON(echo.temperature)
        buffer.writeStaticString(",\"text\":{\"format\":")
        buffer.writeJSON(echo.textFormat)
        buffer.writeStaticString("},\"tool_choice\":")
        buffer.writeJSON(echo.toolChoice)
        buffer.writeStaticString(",\"tools\":")
        buffer.writeJSON(echo.tools)
        buffer.writeStaticString(",\"top_p\":")
        buffer.writeJSON(echo.topP)
        buffer.writeStaticString(",\"truncation\":\"disabled\",\"usage\":")
        if let usage = end?.usage { Self.write(usage, into: &buffer) } else { buffer.writeStaticString("null") }
        buffer.writeStaticString(",\"metadata\":")
        buffer.writeJSON(echo.metadata)
        buffer.writeStaticString("}")
    }

    /// The item of that place in the answer so far.
    func writeItem(_ index: Int, _ status: Status, hasContent: Bool, into buffer: inout ByteBuffer) {
        switch items[index] {
        case .message(let text): writeMessage(index, hasContent ? text : nil, status, into: &buffer)
        case .call(let name, let arguments): writeCall(index, name, arguments, status, into: &buffer)
        }
    }

    func itemID(_ index: Int) -> String {
        if case .call = items[index] { "fc_\(name.text)_\(index)" } else { "msg_\(name.text)_\(index)" }
    }

    static func writePart(_ text: String, into buffer: inout ByteBuffer) {
        buffer.writeStaticString("{\"type\":\"output_text\",\"text\":")
        buffer.writeJSON(text)
        buffer.writeStaticString(",\"annotations\":[],\"logprobs\":[]}")
    }

    private func writeMessage(_ index: Int, _ text: String?, _ status: Status, into buffer: inout ByteBuffer) {
        buffer.writeStaticString("{\"id\":")
        buffer.writeJSON(itemID(index))
        buffer.writeStaticString(",\"type\":\"message\",\"status\":")
        buffer.writeJSON(status.rawValue)
        buffer.writeStaticString(",\"role\":\"assistant\",\"content\":[")
        if let text { Self.writePart(text, into: &buffer) }
        buffer.writeStaticString("]}")
    }

    private func writeCall(
        _ index: Int, _ function: String, _ arguments: String, _ status: Status, into buffer: inout ByteBuffer
    ) {
        buffer.writeStaticString("{\"id\":")
        buffer.writeJSON(itemID(index))
        buffer.writeStaticString(",\"type\":\"function_call\",\"status\":")
        buffer.writeJSON(status.rawValue)
        buffer.writeStaticString(",\"call_id\":")
        buffer.writeJSON("call_\(name.text)_\(index)")
        buffer.writeStaticString(",\"name\":")
        buffer.writeJSON(function)
        buffer.writeStaticString(",\"arguments\":")
        buffer.writeJSON(arguments)
        buffer.writeStaticString("}")
    }

    private static func write(_ error: APIError, into buffer: inout ByteBuffer) {
        buffer.writeStaticString("{\"code\":")
        buffer.writeJSON(error.code ?? error.type)
        buffer.writeStaticString(",\"message\":")
        buffer.writeJSON(error.message)
        buffer.writeStaticString("}")
    }

    private static func write(_ usage: Usage, into buffer: inout ByteBuffer) {
        buffer.writeStaticString("{\"input_tokens\":")
        buffer.writeJSON(usage.promptTokens)
        buffer.writeStaticString(",\"input_tokens_details\":{\"cached_tokens\":")
        buffer.writeJSON(usage.cachedTokens)
        buffer.writeStaticString(",\"cache_write_tokens\":0},\"output_tokens\":")
        buffer.writeJSON(usage.completionTokens)
        buffer.writeStaticString(",\"output_tokens_details\":{\"reasoning_tokens\":0},\"total_tokens\":")
        buffer.writeJSON(usage.promptTokens + usage.completionTokens)
        buffer.writeStaticString("}")
    }
}
