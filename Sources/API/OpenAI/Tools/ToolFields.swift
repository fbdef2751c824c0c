import Grammar
import Inference
import JSON
import Serving
import Text

/// `tools`, `tool_choice` and `parallel_tool_calls`, and what earlier messages called.
struct ToolFields {
    enum Choice: Equatable {
        /// The model says whether it calls.
        case auto
        /// It calls at least one.
        case required
        /// It calls this one.
        case function(String)
    }

    /// As the client wrote them, for the template; empty when nothing may be called.
    private(set) var definitions: [TemplateValue] = []
    private var functions: [Function] = []
    private var choice = Choice.auto
    private(set) var calls: ToolCallReading?

    struct Function: Equatable {
        var name: String
        /// What the template sees.
        var definition: TemplateValue
        /// JSON schema of the arguments; nil for any object.
        var parameters: JSONObject?
    }

    static let countMax = 128

    init(_ fields: FieldReader, model: ServedModel) throws(APIError) {
        let functions = try Self.functions(fields) { (tool) throws(APIError) in try Self.function(tool) }
        try self.init(
            functions, try Self.choice(fields, functions), isParallel: try fields.bool("parallel_tool_calls") ?? true,
            model: model)
    }

    /// - Parameter choice: nil when nothing may be called.
    init(_ functions: [Function], _ choice: Choice?, isParallel: Bool, model: ServedModel) throws(APIError) {
        guard let choice else { return }
        self.choice = choice
        self.functions = functions
        definitions = functions.map(\.definition)
        guard !functions.isEmpty else { return }
        guard let dialect = model.chatTemplate?.toolDialect else {
            throw .invalid(
                "tools", code: "tools_unsupported",
                "The chat template of the model \(model.name) has no place for tools.")
        }
        calls = ToolCallReading(dialect: dialect, isParallel: isParallel, isForced: choice != .auto)
    }

    /// `tools`, each read by `read`, no name twice.
    static func functions(
        _ fields: FieldReader, _ read: (FieldReader) throws(APIError) -> (Function, FieldReader)
    ) throws(APIError) -> [Function] {
        var functions: [Function] = []
        for (index, value) in (try fields.array("tools", countMax: countMax) ?? []).enumerated() {
            let path = fields.parameter("tools") + "[\(index)]"
            guard case .object(let object) = value else {
                throw FieldReader.wrongKind(path, wanted: "an object", value)
            }
            let (function, place) = try read(FieldReader(object, path: path))
            guard !functions.contains(where: { $0.name == function.name }) else {
                throw .invalid(
                    place.parameter("name"), code: "invalid_value",
                    "\(place.parameter("name")) is the name of another tool: \"\(function.name)\".")
            }
            functions.append(function)
        }
        return functions
    }

    /// What an answer must be that has to call: one call of a function that may be chosen.
    func constraint() throws(APIError) -> OutputConstraint? {
        guard let calls, calls.isForced else { return nil }
        var alternatives: [JSONValue] = []
        for function in functions {
            if case .function(let name) = choice, name != function.name { continue }
            let place = "#/anyOf/\(alternatives.count)/properties/\(calls.dialect.argumentsName)"
            alternatives.append(
                Self.schema(function.name, Self.arguments(function, at: place), calls.dialect.argumentsName))
        }
        return .jsonSchema(Self.object([("anyOf", .array(alternatives))]))
    }

    private static func object(_ members: [(String, JSONValue)]) -> JSONValue {
        .object(JSONObject(members: members.map { .init(name: $0.0, value: $0.1) }))
    }

    /// The schema of a function's arguments, which are an object whatever else it says.
    /// - Parameter place: where it will stand.
    private static func arguments(_ function: Function, at place: String) -> JSONValue {
        let anyObject = object([("type", .string("object"))])
        guard let parameters = function.parameters else { return anyObject }
        guard parameters["type"] != .string("object") else {
            return SchemaReferences.moved(.object(parameters), to: place)
        }
        return object([
            ("allOf", .array([anyObject, SchemaReferences.moved(.object(parameters), to: "\(place)/allOf/1")]))
        ])
    }

    /// Of one function's call.
    private static func schema(_ name: String, _ parameters: JSONValue, _ argumentsName: String) -> JSONValue {
        object([
            ("type", .string("object")),
            ("properties", object([("name", object([("const", .string(name))])), (argumentsName, parameters)])),
            ("required", .array([.string("name"), .string(argumentsName)])), ("additionalProperties", .bool(false)),
        ])
    }

    /// `{"type":"function","function":{…}}`
    /// - Returns: the function, and the object that names it.
    static func function(_ fields: FieldReader) throws(APIError) -> (Function, FieldReader) {
        guard let type = try fields.string("type") else { throw fields.missing("type") }
        guard type == "function" else {
            throw .invalid(
                fields.parameter("type"), code: "unsupported_value",
                "\(fields.parameter("type")) must be function, but \"\(type.prefix(40))\" was given.")
        }
        guard let function = try fields.object("function") else { throw fields.missing("function") }
        let name = try name(function)
        _ = try function.string("description")
        _ = try function.bool("strict")
        return (
            Function(
                name: name, definition: TemplateValue(.object(fields.object)),
                parameters: try function.object("parameters")?.object), function
        )
    }

    /// `name` of a function.
    static func name(_ function: FieldReader) throws(APIError) -> String {
        guard let name = try function.string("name") else { throw function.missing("name") }
        let isName = { (byte: UInt8) in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "-"):
                true
            default: false
            }
        }
        guard (1...64).contains(name.utf8.count), name.utf8.allSatisfy(isName) else {
            throw .invalid(
                function.parameter("name"), code: "invalid_value",
                "\(function.parameter("name")) must be 1 to 64 letters, digits, _ or -.")
        }
        return name
    }

    /// - Returns: nil when nothing may be called.
    static func choice(_ fields: FieldReader, _ functions: [Function]) throws(APIError) -> Choice? {
        switch fields.value("tool_choice") {
        case nil: return functions.isEmpty ? nil : .auto
        case .string("none"): return nil
        case .string("auto"): return functions.isEmpty ? nil : .auto
        case .string("required"):
            guard !functions.isEmpty else { throw needsTools() }
            return .required
        case .object(let object):
            guard !functions.isEmpty else { throw needsTools() }
            let choice = FieldReader(object, path: "tool_choice")
            guard try choice.string("type") == "function", let function = try choice.object("function"),
                let name = try function.string("name")
            else {
                throw .invalid(
                    "tool_choice", code: "invalid_value",
                    "tool_choice must be {\"type\":\"function\",\"function\":{\"name\":…}} where it is an object.")
            }
            guard functions.contains(where: { $0.name == name }) else {
                throw .invalid(
                    "tool_choice.function.name", code: "invalid_value",
                    "tool_choice.function.name is none of the tools: \"\(name.prefix(64))\".")
            }
            return .function(name)
        case let other?:
            guard case .string(let word) = other else {
                throw FieldReader.wrongKind("tool_choice", wanted: "a string or an object", other)
            }
            throw .invalid(
                "tool_choice", code: "invalid_value",
                "tool_choice must be none, auto, required or a function, but \"\(word.prefix(40))\" was given.")
        }
    }

    static func needsTools() -> APIError {
        .invalid("tool_choice", code: "invalid_value", "tool_choice is only allowed when tools are given.")
    }

    // MARK: - Earlier calls

    /// `tool_calls` of an assistant's message.
    static func calls(_ fields: FieldReader) throws(APIError) -> [ToolCall] {
        var calls: [ToolCall] = []
        for (index, value) in (try fields.array("tool_calls", countMax: countMax) ?? []).enumerated() {
            let path = fields.parameter("tool_calls") + "[\(index)]"
            guard case .object(let object) = value else {
                throw FieldReader.wrongKind(path, wanted: "an object", value)
            }
            let call = FieldReader(object, path: path)
            guard let function = try call.object("function") else { throw call.missing("function") }
            guard let name = try function.string("name") else { throw function.missing("name") }
            calls.append(
                ToolCall(id: try call.string("id") ?? "", name: name, arguments: try arguments(function)))
        }
        return calls
    }

    /// JSON in a string, as OpenAI has it; an object is taken too. Templates see the object, and where a model wrote what is
    /// none, its text.
    static func arguments(_ function: FieldReader) throws(APIError) -> TemplateValue {
        switch function.value("arguments") {
        case nil: return .mapping([])
        case .object(let object)?: return TemplateValue(.object(object))
        case .string(let text)?:
            guard !text.isEmpty else { return .mapping([]) }
            guard let value = try? JSONParser.parse(Array(text.utf8)), case .object = value else {
                return .string(text)
            }
            return TemplateValue(value)
        case let other?:
            throw function.wrongKind("arguments", wanted: "the text of a JSON object", other)
        }
    }
}

extension TemplateValue {
    init(_ value: JSONValue) {
        switch value {
        case .null: self = .none
        case .bool(let bool): self = .boolean(bool)
        case .integer(let number): self = .integer(Int(number))
        case .unsigned(let number): self = .number(Double(number))
        case .double(let number): self = .number(number)
        case .string(let string): self = .string(string)
        case .array(let values): self = .list(values.map { TemplateValue($0) })
        case .object(let object):
            self = .mapping(object.members.map { Entry(key: $0.name, value: TemplateValue($0.value)) })
        }
    }
}
