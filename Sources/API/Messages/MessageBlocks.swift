import JSON
import Text

/// `messages` in Anthropic's dialect: a text each, or blocks. The results of tools are blocks of the user's message there,
/// and messages of their own to a template.
enum MessageBlocks {
    static func messages(_ fields: FieldReader, options: APIOptions) throws(APIError) -> [ChatMessage] {
        guard let list = try fields.array("messages", countMax: options.messageCountMax) else {
            throw fields.missing("messages")
        }
        var messages: [ChatMessage] = []
        for (index, value) in list.enumerated() {
            let path = "messages[\(index)]"
            guard case .object(let object) = value else {
                throw FieldReader.wrongKind(path, wanted: "an object", value)
            }
            try append(FieldReader(object, path: path), to: &messages)
        }
        guard let last = messages.last else { throw .invalid("messages", code: "empty_array", "messages is empty.") }
        guard last.role != "assistant" else {
            throw .unsupported(
                "messages[\(list.count - 1)].role",
                "an answer is not begun for the model: the last message is the user's"
            )
        }
        return messages
    }

    private static func append(_ fields: FieldReader, to messages: inout [ChatMessage]) throws(APIError) {
        guard let role = try fields.string("role") else { throw fields.missing("role") }
        guard ["user", "assistant", "system"].contains(role) else {
            throw .invalid(
                fields.parameter("role"), code: "invalid_value",
                "\(fields.parameter("role")) must be user, assistant or system, but \"\(role.prefix(40))\" was given.")
        }
        guard case .array(let blocks) = fields.value("content") else {
            messages.append(ChatMessage(role: role, content: try ChatMessages.content(fields)))
            return
        }
        var texts: [String] = []
        var calls: [ToolCall] = []
        for (index, value) in blocks.enumerated() {
            let path = fields.parameter("content") + "[\(index)]"
            guard case .object(let object) = value else {
                throw FieldReader.wrongKind(path, wanted: "an object", value)
            }
            let block = FieldReader(object, path: path)
            switch (try block.string("type"), role) {
            case ("tool_use"?, "assistant"): calls.append(try call(block))
            case ("tool_result"?, "user"): messages.append(try result(block))
            default: texts.append(try ChatMessages.text(of: value, path: path, types: ["text"]))
            }
        }
        // A user's message may be results alone.
        guard !texts.isEmpty || !calls.isEmpty || blocks.isEmpty else { return }
        var message = ChatMessage(role: role, content: texts.isEmpty ? nil : texts.joined(separator: "\n"))
        message.toolCalls = calls
        if calls.isEmpty { message.content = message.content ?? "" }
        messages.append(message)
    }

    private static func call(_ block: FieldReader) throws(APIError) -> ToolCall {
        guard let id = try block.string("id") else { throw block.missing("id") }
        guard let name = try block.string("name") else { throw block.missing("name") }
        let input = try block.object("input")?.object ?? JSONObject()
        return ToolCall(id: id, name: name, arguments: TemplateValue(.object(input)))
    }

    private static func result(_ block: FieldReader) throws(APIError) -> ChatMessage {
        guard let id = try block.string("tool_use_id") else { throw block.missing("tool_use_id") }
        _ = try block.bool("is_error")
        var message = ChatMessage(
            role: "tool", content: block.value("content") == nil ? "" : try ChatMessages.content(block))
        message.toolCallID = id
        return message
    }
}
