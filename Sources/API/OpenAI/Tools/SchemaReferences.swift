import JSON

/// References within a JSON schema that becomes a part of another one.
enum SchemaReferences {
    /// The same schema where "#" is the whole of the other: what it refers to in itself is at the same place in it.
    /// - Parameter place: where the schema stands in the other, "#/…".
    static func moved(_ schema: JSONValue, to place: String) -> JSONValue {
        switch schema {
        case .array(let schemas): .array(schemas.map { moved($0, to: place) })
        case .object(let object): .object(moved(object, to: place))
        case .null, .bool, .integer, .unsigned, .double, .string: schema
        }
    }

    private static func moved(_ schema: JSONObject, to place: String) -> JSONObject {
        JSONObject(
            members: schema.members.map { member in
                switch (member.name, member.value) {
                case ("$ref", .string(let text)) where text.hasPrefix("#"):
                    .init(name: member.name, value: .string(place + text.dropFirst()))
                // Values, in which "$ref" is a member like any other.
                case ("const", _), ("enum", _), ("default", _), ("examples", _): member
                // Schemas by names that are the author's.
                case ("properties", .object(let named)), ("$defs", .object(let named)),
                    ("definitions", .object(let named)):
                    .init(
                        name: member.name,
                        value: .object(
                            JSONObject(
                                members: named.members.map { .init(name: $0.name, value: moved($0.value, to: place)) }))
                    )
                default: .init(name: member.name, value: moved(member.value, to: place))
                }
            })
    }
}
