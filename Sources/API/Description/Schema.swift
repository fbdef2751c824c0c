import JSON

/// JSON Schemas as the API's description shows them, 2020-12.
enum Schema {
    typealias Property = (name: String, schema: JSONValue)

    static let string = JSONValue.of(["type": .string("string")])
    static let name = text(1...256)
    static let boolean = JSONValue.of(["type": .string("boolean")])
    static let object = JSONValue.of(["type": .string("object")])
    static let null = JSONValue.of(["type": .string("null")])
    static let anything = JSONValue.of([:])

    /// A string of so many characters.
    static func text(_ range: ClosedRange<Int>) -> JSONValue {
        .of([
            "type": .string("string"), "minLength": .integer(Int64(range.lowerBound)),
            "maxLength": .integer(Int64(range.upperBound)),
        ])
    }

    static func integer(_ range: ClosedRange<Int> = Int.min...Int.max) -> JSONValue {
        .of([
            "type": .string("integer"), "minimum": .integer(Int64(range.lowerBound)),
            "maximum": .integer(Int64(range.upperBound)),
        ])
    }

    static func number(_ range: ClosedRange<Double>) -> JSONValue {
        .of([
            "type": .string("number"), "minimum": .double(range.lowerBound), "maximum": .double(range.upperBound),
        ])
    }

    /// Whole or not, any size.
    static let anyNumber = JSONValue.of(["type": .string("number")])
    static let count = integer(0...Int.max)

    static func list(_ element: JSONValue, _ range: ClosedRange<Int>? = nil) -> JSONValue {
        guard let range else { return .of(["type": .string("array"), "items": element]) }
        return .of([
            "type": .string("array"), "items": element, "minItems": .integer(Int64(range.lowerBound)),
            "maxItems": .integer(Int64(range.upperBound)),
        ])
    }

    static func words(_ words: String...) -> JSONValue { .of(["enum": .array(words.map { .string($0) })]) }

    static func either(_ schemas: JSONValue...) -> JSONValue { .of(["anyOf": .array(schemas)]) }

    static func optional(_ schema: JSONValue) -> JSONValue { either(schema, null) }

    /// One of the document's own.
    static func named(_ name: String) -> JSONValue {
        .of(["$ref": .string("#/components/schemas/\(name)")])
    }

    /// Further members are allowed: clients send more than is honoured, and answers may grow.
    static func object(required: [String] = [], _ properties: [Property]) -> JSONValue {
        .of([
            "type": .string("object"), "required": .array(required.map { .string($0) }),
            "properties": .object(JSONObject(members: properties.map { .init(name: $0.name, value: $0.schema) })),
        ])
    }
}
