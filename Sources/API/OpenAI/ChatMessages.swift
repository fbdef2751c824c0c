import JSON
import Serving
import Text

/// `messages`: from JSON to what a chat template sees.
enum ChatMessages {
    static func read(_ fields: FieldReader, options: APIOptions) throws(APIError) -> [ChatMessage] {
        guard let list = try fields.array("messages", countMax: options.messageCountMax) else {
            throw fields.missing("messages")
        }
        guard !list.isEmpty else { throw .invalid("messages", code: "empty_array", "messages is empty.") }
        var messages: [ChatMessage] = []
        messages.reserveCapacity(list.count)
        for (index, value) in list.enumerated() {
            guard case .object(let object) = value else {
                throw FieldReader.wrongKind("messages[\(index)]", wanted: "an object", value)
            }
            messages.append(try message(FieldReader(object, path: "messages", index: index)))
        }
        return messages
    }

    private static func message(_ fields: FieldReader) throws(APIError) -> ChatMessage {
        guard let role = try fields.string("role") else { throw fields.missing("role") }
        try RefusedFields.check(fields, against: refused)
        let known = try known(role, fields)
        let calls = known == "assistant" ? try ToolFields.calls(fields) : []
        // An assistant that called tools may have said nothing.
        let content = calls.isEmpty || fields.value("content") != nil ? try content(fields) : nil
        let name = try fields.string("name")
        return ChatMessage(
            role: known, content: content, name: name, toolCalls: calls,
            toolCallID: known == "tool" ? try answeredCall(fields) : nil)
    }

    private static func answeredCall(_ fields: FieldReader) throws(APIError) -> String {
        guard let id = try fields.string("tool_call_id") else { throw fields.missing("tool_call_id") }
        return id
    }

    /// - Returns: the role as templates know it.
    private static func known(_ role: String, _ fields: FieldReader) throws(APIError) -> String {
        switch role {
        case "system", "user", "assistant", "tool": return role
        // OpenAI's newer word for the same thing; templates know only the older.
        case "developer": return "system"
        case "function": throw .unsupported(fields.parameter("role"), "use the role tool")
        default:
            let parameter = fields.parameter("role")
            throw .invalid(
                parameter, code: "invalid_value",
                "\(parameter) must be system, developer, user, assistant or tool, but \"\(role.prefix(40))\" was given."
            )
        }
    }

    /// A text, or a list of parts that are texts.
    /// - Parameter types: what a part that is text may be called.
    static func content(
        _ fields: FieldReader, _ name: String = "content", types: [String] = ["text"]
    ) throws(APIError) -> String {
        guard let value = fields.value(name) else { throw fields.missing(name) }
        switch value {
        case .string(let text): return text
        case .array(let parts):
            var texts: [String] = []
            for (index, part) in parts.enumerated() {
                texts.append(try text(of: part, path: fields.parameter(name) + "[\(index)]", types: types))
            }
            // As vLLM does it for templates that want plain text.
            return texts.joined(separator: "\n")
        case .null, .bool, .integer, .unsigned, .double, .object:
            throw fields.wrongKind(name, wanted: "a string or a list of parts", value)
        }
    }

    static func text(of part: JSONValue, path: String, types: [String]) throws(APIError) -> String {
        guard case .object(let object) = part else { throw FieldReader.wrongKind(path, wanted: "an object", part) }
        let fields = FieldReader(object, path: path)
        guard let type = try fields.string("type") else { throw fields.missing("type") }
        guard types.contains(type) else {
            throw .invalid(
                fields.parameter("type"), code: "unsupported_value",
                "\(fields.parameter("type")) must be \(types.joined(separator: " or ")): the model reads nothing else, "
                    + "but \"\(type.prefix(40))\" was given.")
        }
        guard let text = try fields.string("text") else { throw fields.missing("text") }
        return text
    }

    private static let refused = RefusedFields.Table([
        .init("function_call", .nothing, "use tool_calls"), .init("audio", .nothing, "messages are text"),
    ])

    /// Bytes of text that a template gets.
    static func byteCount(_ messages: [ChatMessage]) -> Int {
        messages.reduce(0) { $0 + ($1.content?.utf8.count ?? 0) }
    }

    /// The model's own rendering of the messages, as UTF-8.
    static func render(
        _ messages: [ChatMessage], tools: [TemplateValue], _ fields: TemplateFields, model: ServedModel
    ) throws(APIError) -> [UInt8] {
        guard let template = model.chatTemplate else {
            throw .invalid(
                "messages", code: "chat_template_missing",
                "The model \(model.name) has no chat template: use /v1/completions.")
        }
        // Such templates write each message's content, and a message that calls may have none.
        guard template.toolDialect != nil || messages.allSatisfy({ $0.toolCalls.isEmpty }) else {
            throw .invalid(
                "messages", code: "tools_unsupported",
                "An earlier message calls tools, but the chat template of the model \(model.name) has no place for them."
            )
        }
        var variables = fields.variables
        if !tools.isEmpty { variables["tools"] = .list(tools) }
        let rendered: [UInt8]
        do throws(ChatTemplateError) {
            rendered = try template.utf8(
                of: messages, addsGenerationPrompt: fields.addsGenerationPrompt, variables: variables)
        } catch {
            throw Self.error(error)
        }
        return fields.continuesLastMessage ? try TemplateFields.cut(rendered, behind: messages.last) : rendered
    }

    private static func error(_ error: ChatTemplateError) -> APIError {
        switch error {
        case .refused(let why):
            .invalid("messages", code: "invalid_value", "The model's chat template refuses: \(why.prefix(500))")
        case .limitExceeded(let limit):
            .invalid(
                "messages", code: "invalid_value", "The model's chat template cannot render this: \(limit.prefix(500))")
        case .unsupported(let what):
            APIError(
                status: 500, message: "The model's chat template cannot be used: \(what.prefix(500))",
                type: "server_error", code: "chat_template_unsupported", mayRetry: false)
        }
    }
}
