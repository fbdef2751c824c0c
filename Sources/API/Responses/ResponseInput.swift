import JSON
import Text

/// `instructions` and `input`: from items to the messages that a chat template sees.
enum ResponseInput {
    static func messages(_ fields: FieldReader, options: APIOptions) throws(APIError) -> [ChatMessage] {
        var messages: [ChatMessage] = []
        if let instructions = try fields.string("instructions") {
            messages.append(ChatMessage(role: "system", content: instructions))
        }
        guard let input = fields.value("input") else { throw fields.missing("input") }
        switch input {
        case .string(let text): messages.append(ChatMessage(role: "user", content: text))
        case .array:
            let items = try fields.array("input", countMax: options.messageCountMax) ?? []
            guard !items.isEmpty else { throw .invalid("input", code: "empty_array", "input is empty.") }
            for (index, item) in items.enumerated() {
                let path = "input[\(index)]"
                guard case .object(let object) = item else {
                    throw FieldReader.wrongKind(path, wanted: "an object", item)
                }
                try append(FieldReader(object, path: path), to: &messages)
            }
        case .null, .bool, .integer, .unsigned, .double, .object:
            throw fields.wrongKind("input", wanted: "a string or a list of items", input)
        }
        return messages
    }

    private static func append(_ item: FieldReader, to messages: inout [ChatMessage]) throws(APIError) {
        switch try item.string("type") ?? "message" {
        case "message": messages.append(try message(item))
        case "function_call":
            let call = try call(item)
            // The calls of one turn are one message to a template.
            if let last = messages.last, last.role == "assistant" {
                messages[messages.count - 1].toolCalls.append(call)
            } else {
                var message = ChatMessage(role: "assistant", content: nil)
                message.toolCalls = [call]
                messages.append(message)
            }
        case "function_call_output":
            guard let id = try item.string("call_id") else { throw item.missing("call_id") }
            var message = ChatMessage(
                role: "tool", content: try ChatMessages.content(item, "output", types: ["input_text", "output_text"]))
            message.toolCallID = id
            messages.append(message)
        case "item_reference":
            throw .unsupported(item.parameter("type"), "items are not stored: send the item itself")
        case let other:
            throw .unsupported(
                item.parameter("type"),
                "\"\(other.prefix(40))\" is none of message, function_call and function_call_output")
        }
    }

    private static func message(_ item: FieldReader) throws(APIError) -> ChatMessage {
        guard let role = try item.string("role") else { throw item.missing("role") }
        guard let known = ["system": "system", "developer": "system", "user": "user", "assistant": "assistant"][role]
        else {
            throw .invalid(
                item.parameter("role"), code: "invalid_value",
                "\(item.parameter("role")) must be system, developer, user or assistant, "
                    + "but \"\(role.prefix(40))\" was given.")
        }
        return ChatMessage(
            role: known,
            content: try ChatMessages.content(item, types: ["input_text", "output_text", "text"]))
    }

    private static func call(_ item: FieldReader) throws(APIError) -> ToolCall {
        guard let id = try item.string("call_id") else { throw item.missing("call_id") }
        guard let name = try item.string("name") else { throw item.missing("name") }
        return ToolCall(id: id, name: name, arguments: try ToolFields.arguments(item))
    }
}
