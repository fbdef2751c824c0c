import JSON
import Serving
import Text

/// `tools` and `tool_choice`, where a function's name stands beside its type.
enum ResponseTools {
    static func read(_ fields: FieldReader, model: ServedModel) throws(APIError) -> ToolFields {
        let functions = try ToolFields.functions(fields) { (tool) throws(APIError) in (try function(tool), tool) }
        return try ToolFields(
            functions, try choice(fields, functions), isParallel: try fields.bool("parallel_tool_calls") ?? true,
            model: model)
    }

    private static func function(_ tool: FieldReader) throws(APIError) -> ToolFields.Function {
        guard let type = try tool.string("type") else { throw tool.missing("type") }
        guard type == "function" else {
            throw .unsupported(
                tool.parameter("type"), "\"\(type.prefix(40))\" is built in elsewhere; here tools are functions")
        }
        _ = try tool.bool("strict")
        return try ToolFields.Function(flat: tool, parameters: "parameters")
    }

    private static func choice(
        _ fields: FieldReader, _ functions: [ToolFields.Function]
    ) throws(APIError) -> ToolFields.Choice? {
        guard case .object(let object) = fields.value("tool_choice") else {
            return try ToolFields.choice(fields, functions)
        }
        let choice = FieldReader(object, path: "tool_choice")
        guard try choice.string("type") == "function" else {
            throw .unsupported("tool_choice.type", "a choice is none, auto, required or a function")
        }
        return try .named(choice, functions)
    }
}

extension ToolFields.Function {
    /// A tool whose name, description and schema stand beside each other; the template sees it as chats have it.
    /// - Parameter parameters: the name of the schema.
    init(flat tool: FieldReader, parameters: String) throws(APIError) {
        let name = try ToolFields.name(tool)
        var members = [JSONObject.Member(name: "name", value: .string(name))]
        if let description = try tool.string("description") {
            members.append(.init(name: "description", value: .string(description)))
        }
        let schema = try tool.object(parameters)?.object
        if let schema { members.append(.init(name: "parameters", value: .object(schema))) }
        self.init(
            name: name,
            definition: TemplateValue(
                .of(["type": .string("function"), "function": .object(JSONObject(members: members))])),
            parameters: schema)
    }
}

extension ToolFields.Choice {
    /// The function that `choice.name` names.
    static func named(_ choice: FieldReader, _ functions: [ToolFields.Function]) throws(APIError) -> Self {
        guard !functions.isEmpty else { throw ToolFields.needsTools() }
        guard let name = try choice.string("name") else { throw choice.missing("name") }
        guard functions.contains(where: { $0.name == name }) else {
            throw .invalid(
                choice.parameter("name"), code: "invalid_value",
                "\(choice.parameter("name")) is none of the tools: \"\(name.prefix(64))\".")
        }
        return .function(name)
    }
}
